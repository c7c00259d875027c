# SPDX-License-Identifier: Apache-2.0
"""hsmctl cluster modify --type: the HSMs change to another type, and back (docs/cluster.md)."""

import random
import subprocess
import time

import pytest

from servers import Load, Nginx, curl
from support import ADMIN_PIN, create_cluster, secret_file

OLD, NEW = "hsm1.medium", "hsm2m.medium"


@pytest.fixture
def old(build, tmp_path):
    home = create_cluster(build, tmp_path / "hsm", tmp_path / "work",
                          options=["--type", OLD, "--mode", "fips"])
    home.genpkey("p256", "tls")
    return home


def described(home):
    return home.cli("cluster", "describe", "--verify", pin=None).json["data"]


def modify(home, *words, expect=0):
    return home.admin("cluster", "modify", "--type", *words, expect=expect).json["data"]


def killed_while_changing(home, type_, delay):
    """A change that dies after the delay. True: it died, and not before it began."""
    child = subprocess.Popen(
        [home.build.hsmctl, "--home", home.path, "cluster", "modify", "--type", type_],
        env=home.environment(ADMIN_PIN, HSM_ROLE="admin"), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    time.sleep(delay)
    child.kill()
    child.wait()
    return described(home)["state"] == "MODIFY_IN_PROGRESS"


def sign(home, label):
    home.openssl("dgst", "-sha256", "-sign", f"hsm:{label}", "-out", "s", home.conf)
    home.plain("dgst", "-sha256", "-verify", home.public(label), "-signature", "s", home.conf)


def test_there_and_back(old):
    changed = modify(old, NEW)["hsm-type-change"]
    assert (changed["from"], changed["to"], changed["rolled-back"]) == (OLD, NEW, False)
    assert len(changed["backups"]) == 3
    now = described(old)
    assert now["state"] == "ACTIVE" and now["hsm-type"] == NEW
    assert {hsm["hsm-type"] for hsm in now["hsms"]} == {NEW}
    assert now["quotas"]["keys"]["limit"] == 16666 and now["key-availability-check"] is True
    change = now["hsm-type-change"]
    assert change["rollback-expiration"] - change["start-timestamp"] == 24 * 3600
    assert change["backup-id"] == changed["backups"][0]
    text = old.cli("cluster", "describe", "--output", "table", pin=None).out.decode()
    assert f"from {OLD} to {NEW} since" in text and "can be taken back until" in text
    sign(old, "tls")

    old.genpkey("p256", "later")
    refused = modify(old, OLD, expect=5)
    assert "'later'" in refused and "--yes" in refused and "--keep-new" in refused
    sign(old, "later")
    back = modify(old, OLD, "--yes")["hsm-type-change"]
    assert back["rolled-back"] and len(back["lost"]) == 1 and "'later'" in back["lost"][0]
    now = described(old)
    assert now["state"] == "ACTIVE" and now["hsm-type"] == OLD and now["hsm-type-change"] is None
    assert old.labels() == ["tls"]
    sign(old, "tls")
    # What went is in the backup; a clone of it has the key.
    file = old.cli("backup", "describe", "--backup-id", back["backups"][0],
                   pin=None).json["data"]["backup"]["file"]
    keys = old.admin("backup", "keys", "--file", file).json["data"]["matched_keys"]
    assert "later" in {key["attributes"]["label"] for key in keys}


def test_new_keys_come_along(old):
    modify(old, NEW)
    old.genpkey("p256", "later")
    back = modify(old, OLD, "--keep-new")["hsm-type-change"]
    assert back["rolled-back"] and back["lost"] == []
    assert old.labels() == ["later", "tls"]
    sign(old, "later")


def test_what_cannot_be_is_refused(old):
    assert "hsm2m.medium" in modify(old, "hsm9.large", expect=2)
    assert "already" in modify(old, OLD, expect=2)
    refused = old.cli("cluster", "modify", "--type", NEW, expect=None)
    assert refused.code != 0
    for alone in (["--yes"], ["--keep-new"], []):
        old.admin("cluster", "modify", *alone, expect=2)


def test_limited_write_mode_and_kills_under_load(keyed, tmp_path, quick):
    """nginx serves all the time, whatever happens to the command."""
    root = keyed.certificate("hsm:p256", "localhost")
    nginx = Nginx(keyed, [(root, keyed.work / "p256.ref.pem")], pin="app:apppass123").start()
    load = Load(nginx.port, 4 if quick else 12, tmp_path / "load.log").start()
    deaths = 0
    try:
        # Until one has died in the middle: it takes longer on one machine than on another.
        for number in range(40):
            if killed_while_changing(keyed, "unlimited", random.uniform(0.01, 0.1 + 0.02 * number)):
                deaths += 1
                break
            if described(keyed)["hsm-type"] == "unlimited":
                modify(keyed, "hsm2m.medium", "--yes")
        assert deaths, "no kill came in time"
        refused = keyed.genpkey("p256", "new", expect=None)
        assert refused.code != 0 and "limited-write mode" in refused.err, refused
        refused = keyed.admin("user", "create", "--username", "new", "--role", "crypto-user",
                              "--password-source", secret_file(keyed.work, "new", "newpass123"), expect=5)
        assert "limited-write mode" in refused.json["data"]
        sign(keyed, "p256")
        assert "from nginx" in curl(keyed, nginx.port, root).text
        for _ in range(3):
            killed_while_changing(keyed, "unlimited", random.uniform(0.01, 0.3))
        if described(keyed)["state"] != "ACTIVE":
            modify(keyed, "unlimited")
        now = described(keyed)
        assert now["state"] == "ACTIVE" and now["hsm-type"] == "unlimited"
        assert len({hsm["revision"] for hsm in now["hsms"]}) == 1
        assert load.finish() > 0
        assert nginx.complaints() == []
    finally:
        load.stop()
        nginx.stop()
    keyed.genpkey("p256", "new")
    sign(keyed, "new")
