# SPDX-License-Identifier: Apache-2.0
"""A kill, and the loss of power, before every single change to the files of a home beside the databases:
cluster.json, the lock, the generation file, the backups, the directories of the HSMs. Afterwards the cluster
works, what was acknowledged before is there, what was not is there whole or not at all, and the same
command does its work. (The databases: tests/hsmcore/storage/mirror_crash_test.cc.)"""

import shutil
import signal
import subprocess
from dataclasses import dataclass
from typing import Callable

import pytest

from support import ADMIN_PIN, GUARD, Home, create_cluster, secret_file

MODES = ("kept", "lost")
MOST_STEPS = 5000  # far more than any command has


def described(home):
    return home.cli("cluster", "describe", "--verify", pin=None).json["data"]


def backups(home):
    return home.cli("backup", "list", pin=None).json["data"]["backups"]


def first_hsm(home):
    return described(home)["hsms"][0]["hsm-id"]


def works(home, *states):
    """The cluster is whole after one repair, its key signs, and its newest backup can be read."""
    home.cli("cluster", "sync", pin=None)
    now = described(home)
    assert now["state"] in ("ACTIVE", "DEGRADED", *states), now
    assert len({hsm["revision"] for hsm in now["hsms"] if hsm["state"] == "ACTIVE"}) == 1, now
    home.openssl("pkeyutl", "-sign", "-inkey", "hsm:p256", "-in", "data", "-out", "signature")
    home.openssl("pkeyutl", "-verify", "-pubin", "-inkey", "p256.pub.pem", "-in", "data", "-sigfile",
                 "signature")
    newest = [backup for backup in backups(home) if backup["backup-state"] == "READY"][-1]
    home.admin("backup", "verify", "--file", newest["file"])


@dataclass(frozen=True)
class Case:
    """A command; `again` is what its repetition may exit with when the first one had done its work."""

    words: Callable  # home -> the words of hsmctl
    pin: str | None = None
    again: tuple = (0,)
    before: Callable = lambda home: None
    check: Callable = lambda home: None


def hsms(*counts):
    def check(home):
        assert len(described(home)["hsms"]) in counts
    return check


def changed_type(home):
    assert described(home)["hsm-type"] == "hsm2m.medium"


def stopped_hsm(home):
    return next(hsm["hsm-id"] for hsm in described(home)["hsms"] if hsm["state"] != "ACTIVE")


def stop_first(home):
    home.cli("hsm", "stop", "--hsm-id", first_hsm(home), pin=None)


def oldest_backup(home):
    return ["--backup-id", backups(home)[0]["backup-id"]]


def a_second_backup(home):
    home.admin("backup", "create")


def delete_the_oldest_backup(home):
    a_second_backup(home)
    home.admin("backup", "delete", *oldest_backup(home))


def the_copy_is_whole(home):
    for copy in (home.path / "copies").glob("*.hsmbackup"):
        home.admin("backup", "verify", "--file", copy)


def lose_the_generation(home):
    (home.path / "generation").write_bytes(b"damaged")


CASES = {
    "hsm create": Case(lambda home: ["hsm", "create"], check=hsms(4, 5)),
    "hsm delete": Case(lambda home: ["hsm", "delete", "--hsm-id", first_hsm(home)], again=(0, 2),
                       check=hsms(2)),
    "hsm stop": Case(lambda home: ["hsm", "stop", "--hsm-id", first_hsm(home)], again=(0, 5),
                     check=hsms(3)),
    "hsm start": Case(lambda home: ["hsm", "start", "--hsm-id", stopped_hsm(home)], again=(0, 5),
                      before=stop_first, check=hsms(3)),
    "backup create": Case(lambda home: ["backup", "create"], ADMIN_PIN),
    "backup copy": Case(lambda home: ["backup", "copy", *oldest_backup(home), "--to",
                                      home.path / "copies"], ADMIN_PIN, again=(0, 2, 5),
                        before=lambda home: (home.path / "copies").mkdir(), check=the_copy_is_whole),
    "backup delete": Case(lambda home: ["backup", "delete", *oldest_backup(home)], ADMIN_PIN,
                          again=(0, 2, 5), before=a_second_backup),
    "backup restore-deleted": Case(lambda home: ["backup", "restore-deleted", *oldest_backup(home)],
                                   ADMIN_PIN, again=(0, 2, 5), before=delete_the_oldest_backup),
    "cluster modify": Case(lambda home: ["cluster", "modify", "--type", "hsm2m.medium"], ADMIN_PIN,
                           again=(0, 2), check=changed_type),
    "cluster sync": Case(lambda home: ["cluster", "sync"], before=lose_the_generation),
}


class Outlet:
    """Runs hsmctl and pulls the plug at a step of its changes to `watched`."""

    def __init__(self, build, mode, watched):
        self.build, self.mode, self.watched = build, mode, watched
        self.shim = build.directory / "lib/power_loss.so"

    def dies(self, home, words, pin, step):
        """Whether the command died at the step; False: it ended before, and well."""
        env = home.environment(pin, HSM_ROLE="admin")
        env["LD_PRELOAD"] = " ".join(filter(None, [env.get("LD_PRELOAD"), str(self.shim)]))
        env["HSM_POWER_LOSS"] = f"{step} {self.mode} {self.watched}"
        done = subprocess.run([str(word) for word in [self.build.hsmctl, "--home", home.path, *words]],
                              env=env, cwd=home.work, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=GUARD, check=False)
        shutil.rmtree(f"{self.watched}.saved", ignore_errors=True)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode != 0


@pytest.fixture(scope="module")
def one_key(build, tmp_path_factory):
    """Of the only type of HSM that can change to another."""
    scratch = tmp_path_factory.mktemp("power")
    home = create_cluster(build, scratch / "hsm", scratch / "work",
                          options=["--type", "hsm1.medium", "--mode", "fips"])
    home.genpkey("p256", "p256")
    home.public("p256")
    return home


@pytest.fixture
def steps(quick):
    """All of them; with --quick every fifth."""
    return range(1, MOST_STEPS, 5 if quick else 1)


def at_each(steps, area, attempt):
    """Runs attempt(step) in an empty area, for one step after the other until the program outlives it:
    attempt says whether it died."""
    for step in steps:
        area.mkdir()
        died = attempt(step)
        shutil.rmtree(area)
        if not died:
            break
    assert not died and step > 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_every_step_of(build, one_key, tmp_path, steps, name, mode):
    case, area = CASES[name], tmp_path / "area"
    outlet = Outlet(build, mode, area)
    start = one_key.copy(tmp_path / "start-hsm", tmp_path / "start-work")
    case.before(start)

    def attempt(step):
        home = start.copy(area / "hsm", area / "work")
        (home.work / "data").write_bytes(b"d" * 32)
        words = case.words(home)
        died = outlet.dies(home, words, case.pin, step)
        works(home, "MODIFY_IN_PROGRESS")
        again = home.cli(*words, pin=case.pin, env={"HSM_ROLE": "admin"}, expect=None)
        assert again.code in case.again, (step, str(again))
        works(home)
        case.check(home)
        return died

    at_each(steps, area, attempt)


@pytest.mark.parametrize("mode", MODES)
def test_every_step_of_the_making_of_a_cluster(build, tmp_path, steps, mode):
    """What is there afterwards is a cluster, or makes room for one by the same command."""
    area = tmp_path / "area"
    outlet = Outlet(build, mode, area)
    secret = secret_file(tmp_path, "admin", ADMIN_PIN.partition(":")[2])
    words = ["cluster", "create", "--hsms", "2", "--password-source", secret,
             "--password-hash-cost", "low"]

    def attempt(step):
        home = Home(build, area / "hsm", area / "work")
        died = outlet.dies(home, words, None, step)
        if home.cli("cluster", "describe", pin=None, expect=None).code != 0:
            home.cli(*words, pin=None)
        assert home.admin("user", "list").json["data"]["users"]
        assert described(home)["state"] == "ACTIVE"
        return died

    at_each(steps, area, attempt)


@pytest.mark.parametrize("mode", MODES)
def test_every_step_of_the_end_of_a_cluster(build, one_key, tmp_path, steps, mode):
    """Its backups are the last that there is: they stay, and bring it back."""
    area = tmp_path / "area"
    outlet = Outlet(build, mode, area)
    start = one_key.copy(tmp_path / "start-hsm", tmp_path / "start-work")
    for hsm in described(start)["hsms"]:
        start.cli("hsm", "delete", "--last", "--hsm-id", hsm["hsm-id"], pin=None)

    def attempt(step):
        home = start.copy(area / "hsm", area / "work")
        died = outlet.dies(home, ["cluster", "delete"], None, step)
        home.cli("cluster", "delete", pin=None, expect=None)
        assert home.cli("cluster", "describe", pin=None, expect=None).code == 6
        newest = max((home.path / "backups").iterdir(), key=lambda file: file.stat().st_mtime)
        clone = Home(build, area / "clone", area / "clone-work")
        clone.cli("cluster", "create", "--source-backup", newest, "--hsms", "1", pin=ADMIN_PIN)
        assert clone.labels() == ["p256"]
        return died

    at_each(steps, area, attempt)


@pytest.mark.parametrize("mode", MODES)
def test_every_step_of_a_zeroization(build, one_key, tmp_path, steps, mode):
    """Nothing is half open: all works, or nothing does, and the same command brings it to its end."""
    area = tmp_path / "area"
    outlet = Outlet(build, mode, area)
    start = one_key.copy(tmp_path / "start-hsm", tmp_path / "start-work")
    words = ["cluster", "zeroize", "--backups", "--confirm", described(start)["cluster-id"]]

    def attempt(step):
        home = start.copy(area / "hsm", area / "work")
        (home.work / "data").write_bytes(b"d" * 32)
        died = outlet.dies(home, words, ADMIN_PIN, step)
        state = described(home)["state"]
        if state == "ACTIVE":
            works(home)
            home.cli(*words, pin=ADMIN_PIN)
        else:
            assert state == "ZEROIZED" if not died else state in ("ZEROIZE_IN_PROGRESS", "ZEROIZED")
            refused = home.openssl("pkeyutl", "-sign", "-inkey", "hsm:p256", "-in", "data", expect=None)
            assert refused.code != 0 and "destroyed" in refused.err
            home.cli(*words, pin=None)
        assert described(home)["state"] == "ZEROIZED"
        assert not [path for path in home.path.rglob("*") if path.match("store.db*") or
                    path.match("*.hsmbackup*")]
        home.cli("cluster", "delete", pin=None)
        return died

    at_each(steps, area, attempt)
