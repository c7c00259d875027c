# SPDX-License-Identifier: Apache-2.0
"""hsmctl hsm: HSMs that come and go while programs work."""

import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import pytest

from servers import Load, Nginx, curl
from support import wait_for


def hsms_of(home):
    return home.cli("hsm", "list", pin=None).json["data"]["hsms"]


def the_hsm(answer):
    return answer.json["data"]["hsm"]


def all_active(home, count):
    described = home.cli("cluster", "describe", "--verify", pin=None).json["data"]
    assert described["state"] == "ACTIVE" and len(described["hsms"]) == count, described
    assert len({hsm["revision"] for hsm in described["hsms"]}) == 1


def test_create_delete_and_list(home, tmp_path):
    disk = tmp_path / "disk4"
    made = the_hsm(home.cli("hsm", "create", "--zone", "rack-2", "--path", disk, pin=None))
    assert made["availability-zone"] == "rack-2" and made["path"] == str(disk)
    assert made["state"] == "ACTIVE" and made["hsm-id"].startswith("hsm-")
    assert the_hsm(home.cli("hsm", "create", pin=None))["availability-zone"] == "zone-4"
    all_active(home, 5)
    # Each of them was worth a backup.
    assert len(home.cli("backup", "list", pin=None).json["data"]["backups"]) == 3
    home.cli("hsm", "delete", "--hsm-id", made["hsm-id"], pin=None)
    assert not disk.exists()
    all_active(home, 4)
    refused = home.cli("hsm", "delete", "--hsm-id", made["hsm-id"], pin=None, expect=2)
    assert "has no HSM" in refused.json["data"]


def test_the_last_one_stays(home):
    first, *others = [hsm["hsm-id"] for hsm in hsms_of(home)]
    for other in others:
        said = home.cli("hsm", "delete", "--hsm-id", other, pin=None)
    assert "one HSM is left" in said.err
    refused = home.cli("hsm", "delete", "--hsm-id", first, pin=None, expect=5)
    assert "holds all there is" in refused.json["data"]
    home.genpkey("p256", "on-one")


def test_a_destroyed_disk_is_replaced_while_a_program_signs(keyed):
    """Signing goes on all the time, in a process that has the key and in new ones."""
    public = keyed.public("p256")
    failed, rounds, stop = [], [], threading.Event()

    def sign():
        while not stop.is_set():
            done = keyed.openssl("dgst", "-sha256", "-sign", "hsm:p256", "-out", "s", keyed.conf,
                                 expect=None)
            rounds.append(done.code)
            if done.code != 0:
                failed.append(done.err)

    signer = threading.Thread(target=sign)
    signer.start()
    try:
        victim = hsms_of(keyed)[0]
        shutil.rmtree(victim["path"])
        pathlib.Path(victim["path"]).write_text("this disk is dead")
        made = the_hsm(keyed.cli("hsm", "create", pin=None))
        keyed.cli("hsm", "delete", "--hsm-id", victim["hsm-id"], pin=None, expect=None)
        keyed.genpkey("p256", "meanwhile")
        enough = len(rounds) + 5
        while len(rounds) < enough and signer.is_alive():
            time.sleep(0.01)
    finally:
        stop.set()
        signer.join()
    assert not failed and made["state"] == "ACTIVE"
    keyed.plain("dgst", "-sha256", "-verify", public, "-signature", "s", keyed.conf)
    assert victim["hsm-id"] not in [hsm["hsm-id"] for hsm in hsms_of(keyed)]
    all_active(keyed, 3)


def test_stop_and_start(home):
    target = hsms_of(home)[1]
    words = ["--hsm-id", target["hsm-id"]]
    assert the_hsm(home.cli("hsm", "stop", *words, pin=None))["state"] == "STOPPED"
    assert "stopped already" in home.cli("hsm", "stop", *words, pin=None, expect=5).json["data"]
    away = pathlib.Path(target["path"] + ".away")
    pathlib.Path(target["path"]).rename(away)
    home.genpkey("p256", "meanwhile")
    assert not pathlib.Path(target["path"]).exists()
    away.rename(target["path"])
    assert the_hsm(home.cli("hsm", "start", *words, pin=None))["state"] == "ACTIVE"
    all_active(home, 3)


def test_with_all_but_one_stopped_old_keys_work_and_new_ones_wait(home):
    home.genpkey("p256", "old")
    first, second, _ = [hsm["hsm-id"] for hsm in hsms_of(home)]
    home.cli("hsm", "stop", "--hsm-id", first, pin=None)
    home.cli("hsm", "stop", "--hsm-id", second, pin=None)
    home.openssl("dgst", "-sha256", "-sign", "hsm:old", "-out", "s", home.conf)
    refused = home.cli("key", "generate-symmetric", "aes", "--key-length-bytes", "16", "--label",
                       "new", expect=6)
    assert "1 of 3 HSMs are in service and 2 are needed" in refused.json["data"]


@pytest.mark.parametrize("words, code", [
    (["create", "--path", ""], 0),
    (["create", "--zone", "a b"], 2),
    (["create", "--zone", "x" * 65], 2),
    (["delete", "--hsm-id", "hsm-nothere2222"], 2),
    (["stop", "--hsm-id", ""], 2),
    (["start"], 2),
])
def test_bad_words(home, words, code):
    home.cli("hsm", *words, pin=None, expect=code)


def test_a_file_in_the_place_of_a_directory_changes_nothing(home, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no directory")
    home.cli("hsm", "create", "--path", blocked / "hsm", pin=None, expect=6)
    all_active(home, 3)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk, which takes root")
def test_a_full_disk_changes_nothing(home, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", full], check=True)
    try:
        home.cli("hsm", "create", "--path", full / "hsm", pin=None, expect=6)
    finally:
        subprocess.run(["umount", full], check=True)
    all_active(home, 3)


def test_new_keys_with_one_hsm_take_a_switch(home):
    """Loses all but one: keys work, and new ones are made only where the check is off."""
    home.genpkey("p256", "before")
    for hsm in hsms_of(home)[1:]:
        home.cli("hsm", "stop", "--hsm-id", hsm["hsm-id"], pin=None)
    (home.work / "data").write_text("data")
    home.openssl("pkeyutl", "-sign", "-rawin", "-inkey", "hsm:before", "-in", "data", "-out", "sig")

    def genpkey(label, **options):
        return home.openssl("genpkey", "-propquery", "provider=hsm", "-algorithm", "ED25519",
                            "-pkeyopt", f"hsm-label:{label}", "-out", "new.pem", **options)

    refused = genpkey("refused", expect=1)
    assert "are needed" in refused.err and "key availability check" in refused.err
    switch = "HSM_DISABLE_KEY_AVAILABILITY_CHECK"
    assert f"{switch} is" in genpkey("refused", env={switch: "maybe"}, expect=1).err
    genpkey("process", env={switch: "yes"})
    command = ("key", "generate-asymmetric-pair", "ed25519", "--label", "cli")
    home.cli(*command, expect=6)
    home.cli("--disable-key-availability-check", *command)
    home.admin("cluster", "modify", "--disable-key-availability-check")
    described = home.cli("cluster", "describe", pin=None).json["data"]
    assert described["key-availability-check"] is False
    genpkey("cluster")
    home.admin("cluster", "modify", "--enable-key-availability-check")
    genpkey("refused", expect=1)
    home.cli("cluster", "modify", expect=2)


def test_describe_tells_who_works_and_who_fails(keyed):
    """Programs spread over the HSMs; what one could not do is counted."""
    for _ in range(12):
        keyed.openssl("pkey", "-in", "hsm:p256", "-pubout", "-out", "public.pem")
    before = hsms_of(keyed)
    assert all(hsm["operations"] > 0 and hsm["errors"] == 0 for hsm in before), before
    spread = [hsm["operations"] for hsm in before]
    assert max(spread) < 2 * min(spread), spread
    victim = before[1]
    shutil.rmtree(victim["path"])
    pathlib.Path(victim["path"]).write_text("this disk is dead")
    for number in range(3):
        keyed.genpkey("p256", f"more-{number}")
    after = hsms_of(keyed)
    assert after[1]["errors"] >= 3 and after[0]["errors"] == after[2]["errors"] == 0, after
    text = keyed.cli("hsm", "list", "--output", "table", pin=None).out.decode()
    assert "OPERATIONS" in text and "ERRORS" in text


class Mount:
    """A directory behind a FUSE process that can be stopped, as a server that is gone."""

    def __init__(self, behind, point):
        self.point = point
        behind.mkdir()
        point.mkdir()
        self.child = subprocess.Popen(["bindfs", "-f", "--no-allow-other", behind, point],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_for(lambda: self.child.poll() is not None or os.path.ismount(point), "the mount")
        if self.child.poll() is not None:
            pytest.skip(f"no FUSE here: {self.child.stderr.read().decode().strip()}")

    def hang(self):
        self.child.send_signal(signal.SIGSTOP)

    def answer(self):
        self.child.send_signal(signal.SIGCONT)

    def remove(self):
        self.answer()
        subprocess.run(["umount", "-l", self.point], check=False)
        self.child.terminate()
        self.child.wait()


def test_an_hsm_that_hangs_stops_nobody(keyed, tmp_path):
    """Its file system does not answer. nginx serves, new programs work, and it returns by itself."""
    mount = Mount(tmp_path / "behind", tmp_path / "mounted")
    root = keyed.certificate("hsm:p256", "localhost")
    nginx = Nginx(keyed, [(root, keyed.work / "p256.ref.pem")], pin="app:apppass123")
    load = Load(nginx.port, 15, tmp_path / "load.log")
    try:
        there = the_hsm(keyed.cli("hsm", "create", "--path", mount.point / "hsm", pin=None))
        nginx.start()
        load.start()
        mount.hang()
        begun = time.monotonic()
        keyed.genpkey("p256", "meanwhile")
        keyed.openssl("dgst", "-sha256", "-sign", "hsm:meanwhile", "-out", "s", keyed.conf)
        for number in range(5):
            keyed.genpkey("p256", f"more-{number}")
        nginx.reload()
        # Bounded: one program waits for it, and the others know.
        assert time.monotonic() - begun < 60
        one = next(hsm for hsm in hsms_of(keyed) if hsm["hsm-id"] == there["hsm-id"])
        assert one["state"] == "DEGRADED" and "does not answer" in one["problem"], one
        assert one["errors"] > 0
        assert "from nginx" in curl(keyed, nginx.port, root).text
        mount.answer()
        assert load.finish() > 0
        assert nginx.complaints() == []
        # Whoever writes asks it again, half a minute after it was found silent.
        def back():
            keyed.cli("key", "set-attribute", "--filter", "attr.label=meanwhile",
                      "attr.class=private-key", "--name", "id", "--value", "0x01")
            return all(hsm["state"] == "ACTIVE" for hsm in hsms_of(keyed))

        wait_for(back, "the HSM's return", guard=120)
        all_active(keyed, 4)
        # One that hangs can be deleted.
        mount.hang()
        keyed.cli("hsm", "delete", "--hsm-id", there["hsm-id"], pin=None)
        all_active(keyed, 3)
    finally:
        load.stop()
        nginx.stop()
        mount.remove()
