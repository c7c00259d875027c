# SPDX-License-Identifier: Apache-2.0
"""What the size of a cluster costs: HSMs, keys, repair and backups."""

import os
import pathlib
import shutil
import statistics
import subprocess
import time

from homes import SMALL, log_in_by_machine, sized_home
from support import ADMIN_PIN, create_cluster

MANY_HSMS = 28
FULL_HSM = 16_666  # keys of hsm2m.medium
MILLION = 1_000_000
# New keys, by the number of HSMs that each is durable on.
CREATED = {f"create-{hsms}-hsms": hsms for hsms in (2, 3, MANY_HSMS)}


def created_by(build, scratch, row):
    """(home, home of one HSM) for a row of new keys."""
    def home(hsms):
        directory = scratch / f"hsms-{hsms}"
        options = ["--type", "unlimited"]
        shutil.rmtree(directory, ignore_errors=True)
        return log_in_by_machine(create_cluster(build, directory / "hsm", directory / "work",
                                                hsms=hsms, options=options), directory)

    return home(CREATED[row]), home(1)


def audited(build, scratch):
    """(home whose key is recorded at each use, one whose key is not), a P-256 key in both."""
    def home(name):
        made = log_in_by_machine(create_cluster(build, scratch / name / "hsm",
                                                scratch / name / "work"), scratch / name)
        subprocess.run([build.directory / "bin/home_bench", "make", scratch / name, "1"], check=True)
        return made

    recorded, plain = home("recorded"), home("plain")
    recorded.admin("audit", "set-key-use", "--mode", "buffered")
    return recorded, plain


def alone(build, homes):
    """One HSM and few keys, which everything is compared with."""
    return sized_home(build, homes / "alone", SMALL, hsms=1)


def full_home(build, homes):
    """28 HSMs with all keys that one may hold."""
    directory = homes / "full"
    finished = directory / "finished"
    if not finished.exists():
        shutil.rmtree(directory, ignore_errors=True)
        home = sized_home(build, directory, FULL_HSM)
        for _ in range(MANY_HSMS - 3):
            home.cli("hsm", "create", pin=None)
        # One, so that no measured command finds that the daily one is due.
        shutil.rmtree(home.path / "backups")
        home.cli("backup", "create", pin=None)
        finished.touch()
    return sized_home(build, directory, FULL_HSM)


def million_home(build, homes):
    return sized_home(build, homes / "million", MILLION, hsms=1)


class Measured:
    """Seconds and memory of a command that works on so many keys, over some runs."""

    def __init__(self, name, keys):
        self.name = name
        self.keys = keys
        self.seconds = []
        self.kib = []

    def run(self, home, *words, pin=None, path=None):
        env = home.environment(pin, **({"HSM_ROLE": "admin"} if pin == ADMIN_PIN else {}))
        begun = time.monotonic()
        child = subprocess.Popen([home.build.hsmctl, "--home", path or home.path, *map(str, words)],
                                 env=env, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise SystemExit(f"bench: hsmctl {' '.join(map(str, words))} failed")
        self.seconds.append(time.monotonic() - begun)
        self.kib.append(usage.ru_maxrss)

    def as_json(self):
        return {"name": self.name, "keys": self.keys,
                "seconds": round(statistics.median(self.seconds), 3),
                "low": round(min(self.seconds), 3), "high": round(max(self.seconds), 3),
                "keys_per_second": round(self.keys / statistics.median(self.seconds)),
                "kib": max(self.kib)}

    def as_line(self):
        row = self.as_json()
        return (f"{row['name']:28} {row['keys']:>10,} keys {row['seconds']:>9.2f} s "
                f"{row['low']:>8.2f} .. {row['high']:<8.2f} {row['keys_per_second']:>9,} keys/s "
                f"{row['kib'] / 1024:>7.0f} MiB")


def repair(home, keys, runs):
    """An HSM whose store is gone is made anew and filled."""
    measured = Measured("repair-an-hsm", keys)
    for _ in range(runs):
        victim = home.cli("hsm", "list", pin=None).json["data"]["hsms"][0]
        pathlib.Path(victim["path"], "store.db").unlink()
        for part in pathlib.Path(victim["path"]).glob("store.db-*"):
            part.unlink()
        measured.run(home, "cluster", "sync")
    return measured


def backup_and_restore(home, keys, runs, scratch):
    """A backup of the whole, and a cluster of three HSMs made from it."""
    made, restored = Measured("backup", keys), Measured("restore", keys)
    for number in range(runs):
        made.run(home, "backup", "create")
        backups = home.path / "backups"
        backup = max(backups.glob("*.hsmbackup"), key=lambda file: file.stat().st_mtime_ns)
        clone = scratch / f"clone-{number}"
        restored.run(home, "cluster", "create", "--source-backup", backup, pin=ADMIN_PIN,
                     path=clone)
        shutil.rmtree(clone)
        backup.unlink()
    return made, restored
