# SPDX-License-Identifier: Apache-2.0
"""A full disk and a read-only disk, as mounts that end with the test."""

import os
import subprocess

import pytest

from support import Home

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts disks, which takes root")


class Mounts:
    """Directories that are disks of their own until the test ends."""

    def __init__(self):
        self.mounted = []

    def mount(self, place, *words):
        place.mkdir(exist_ok=True)
        done = subprocess.run(["mount", *map(str, words), str(place)], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"mount is not allowed here: {done.stderr.strip()}")
        self.mounted.append(place)

    def disk(self, place, megabytes):
        """A file system of its own, in a file: no tmpfs, where reading a hole of a file takes space."""
        image = place.with_suffix(".img")
        with open(image, "wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-b", "4096", "-m", "0", str(image)], check=True)
        self.mount(place, "-o", "loop", image)
        return place

    def read_only(self, place):
        self.mount(place, "--bind", place)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)

    def end(self):
        for place in reversed(self.mounted):
            subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def mounts():
    made = Mounts()
    yield made
    made.end()


def fill(directory):
    """Leaves no byte free."""
    with open(directory / "ballast", "wb", buffering=0) as ballast:
        for size in (65536, 4096, 512, 1):
            try:
                while ballast.write(b"x" * size) == size:
                    pass
            except OSError:
                pass


@pytest.fixture
def small_disk(keyed_template, tmp_path, mounts):
    """A home with keys on a disk of its own."""
    place = mounts.disk(tmp_path / "disk", 24)
    return keyed_template.copy(place / "hsm", tmp_path / "work")


def sign(home):
    (home.work / "data").write_bytes(b"x" * 32)
    home.openssl("pkeyutl", "-sign", "-inkey", "hsm:p256", "-in", "data", "-out", "signature")


FULL = "no space left for the HSM store: "
FEW = "key availability requirement not met: "


def test_full_disk(small_disk):
    home = small_disk
    before = home.labels()
    fill(home.path.parent)
    sign(home)
    refused = home.genpkey("p256", "too-much", expect=None)
    assert refused.code != 0
    # An HSM whose disk is full is out of service; the description says why.
    assert any(f":hsm::{reason[:-2]}:" in refused.err for reason in (FULL, FEW)), refused.err
    shown = home.cli("cluster", "describe", expect=None).json["data"]
    assert "no space" in "".join(hsm["problem"] for hsm in shown["hsms"]).lower(), shown
    result = home.cli("key", "generate-asymmetric-pair", "ec", "--curve", "secp256r1", "--label",
                      "too-much", expect=6)
    assert result.json["data"].startswith((FULL, FEW)), result
    deleted = home.cli("key", "delete", "--filter", "attr.label=ed25519", expect=None)
    if deleted.code == 0:
        left = [label for label in before if label != "ed25519"]
    else:
        assert deleted.code == 6 and deleted.json["data"].startswith(FULL), deleted
        left = before
    (home.path.parent / "ballast").unlink()
    # What was refused did not happen, what was acknowledged did.
    assert home.labels() == left
    home.genpkey("p256", "fits-again")
    assert home.labels() == sorted([*left, "fits-again"])
    home.cli("cluster", "sync")
    assert home.cli("cluster", "describe", "--verify").json["data"]["state"] == "ACTIVE"


def test_disk_that_fills_up_while_keys_are_made(small_disk):
    home = small_disk
    before = home.labels()
    with open(home.path.parent / "ballast", "wb") as ballast:
        ballast.truncate(0)
        free = os.statvfs(home.path).f_bavail * os.statvfs(home.path).f_frsize
        ballast.write(b"x" * max(0, free - 300000))
    made = []
    for number in range(200):
        result = home.genpkey("p256", f"key-{number}", expect=None)
        if result.code != 0:
            assert "no space" in result.err, result.err
            break
        made.append(f"key-{number}")
    else:
        pytest.fail("the disk did not fill up")
    assert set(before + made) <= set(home.labels())
    (home.path.parent / "ballast").unlink()
    assert set(home.labels()) <= set([*before, *made, f"key-{len(made)}"])
    sign(home)


def test_read_only_disk(keyed, mounts):
    mounts.read_only(keyed.path)
    sign(keyed)
    keyed.openssl("storeutl", "-noout", "hsm:")
    refused = keyed.genpkey("p256", "new", expect=None)
    assert refused.code != 0 and "read-only" in refused.err.lower()
    assert keyed.cli("key", "delete", "--filter", "attr.label=p256",
                     expect=None).code == 6
    assert "p256" in keyed.labels()


def test_one_hsm_on_a_read_only_disk(keyed, mounts):
    """The two others are enough for a new key."""
    hsm = sorted((keyed.path / "hsms").iterdir())[0]
    mounts.read_only(hsm)
    sign(keyed)
    keyed.genpkey("p256", "new")
    keyed.openssl("pkey", "-in", "hsm:new", "-noout")
    shown = keyed.cli("cluster", "describe", expect=None).json["data"]
    assert shown["state"] == "DEGRADED"


def test_cluster_on_a_full_disk_is_not_begun(build, tmp_path, mounts):
    place = mounts.disk(tmp_path / "disk", 4)
    fill(place)
    home = Home(build, place / "hsm", tmp_path / "work")
    result = home.cli("cluster", "create", "--password-hash-cost", "low", pin=None, expect=None,
                      env={"HSM_NEW_PASSWORD": "adminpass1"})
    assert result.code == 6
    assert "no space" in result.json["data"]
    (place / "ballast").unlink()
    home.cli("cluster", "create", "--hsms", "1", "--password-hash-cost", "low", pin=None,
             env={"HSM_NEW_PASSWORD": "adminpass1"})
