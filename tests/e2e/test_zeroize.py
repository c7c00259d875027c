# SPDX-License-Identifier: Apache-2.0
"""hsmctl cluster zeroize: who may do it, what it says, and that no program can use a key afterwards."""

import pytest

from support import ADMIN_PIN, APP_PIN, Home


def described(home):
    return home.cli("cluster", "describe", pin=None).json["data"]


@pytest.fixture
def cluster_id(home):
    return described(home)["cluster-id"]


def zeroize(home, cluster_id, *more, **options):
    return home.cli("cluster", "zeroize", "--confirm", cluster_id, *more, **options)


def test_an_admin_ends_it(home, cluster_id):
    home.genpkey("p256", "p256")
    done = zeroize(home, cluster_id, pin=ADMIN_PIN)
    data = done.json["data"]
    assert data["cluster-id"] == cluster_id and data["state"] == "ZEROIZED"
    assert len(data["hsms"]) == 3 and all(hsm["bytes"] > 4096 for hsm in data["hsms"])
    assert data["backups-destroyed"] == 0 and len(data["backups-left"]) == 1
    assert data["backups-left"][0] in done.err and "can open these backups" in done.err
    assert not list(home.path.rglob("store.db*"))
    shown = described(home)
    assert shown["state"] == "ZEROIZED" and shown["hsms"] == []
    assert shown["zeroization"]["by"] == "admin admin" and shown["zeroization"]["end-timestamp"]
    assert "by admin admin" in home.cli("cluster", "describe", "--output", "table", pin=None).text

    refused = home.openssl("pkey", "-noout", "-in", "hsm:p256", expect=1)
    assert "ZEROIZED" in refused.err and "destroyed" in refused.err
    assert "ZEROIZED" in home.cli("key", "list", expect=5).json["data"]
    assert "ZEROIZED" in home.cli("cluster", "sync", pin=None, expect=5).json["data"]


def test_the_backup_that_was_left_brings_the_keys_back(home, cluster_id, tmp_path):
    home.genpkey("p256", "p256")
    home.admin("backup", "create")
    zeroize(home, cluster_id, pin=ADMIN_PIN)
    newest = max((home.path / "backups").glob("*.hsmbackup"), key=lambda file: file.stat().st_mtime)
    clone = Home(home.build, tmp_path / "clone", tmp_path / "clone-work")
    clone.cli("cluster", "create", "--source-backup", newest, "--hsms", "1", pin=ADMIN_PIN)
    assert clone.labels() == ["p256"]
    again = zeroize(home, cluster_id, "--backups", pin=None)
    assert again.json["data"]["backups-destroyed"] == 2 and again.err == ""
    assert not newest.exists()
    home.cli("cluster", "delete", pin=None)
    assert not (home.path / "backups").exists()


@pytest.mark.parametrize("confirm, pin, code, text", [
    ("cluster-another", ADMIN_PIN, 2, "not 'cluster-another'"),
    (None, APP_PIN, 3, "no such user"),
    (None, "admin:wrongpass1", 3, "wrong password"),
    (None, None, 3, "login"),
])
def test_who_may_not(home, cluster_id, confirm, pin, code, text):
    refused = zeroize(home, confirm or cluster_id, pin=pin, expect=code)
    assert text in refused.json["data"]
    assert described(home)["state"] == "ACTIVE"
    assert home.cli("key", "list").json["error_code"] == 0


def test_the_id_has_to_be_named(home):
    assert "--confirm" in home.cli("cluster", "zeroize", pin=ADMIN_PIN, expect=2).json["data"]


def test_an_emergency_needs_no_login(home, cluster_id):
    for store in home.path.glob("hsms/*/store.db"):
        store.write_bytes(b"damaged" * 1000)
    refused = zeroize(home, cluster_id, pin=ADMIN_PIN, expect=6)
    assert "--emergency" in refused.json["data"]
    zeroize(home, cluster_id, "--emergency", pin=None)
    assert "without a login" in described(home)["zeroization"]["by"]


def test_a_disk_that_is_away(home, cluster_id):
    hsm = sorted((home.path / "hsms").iterdir())[0]
    hsm.rename(home.work / "away")
    refused = zeroize(home, cluster_id, pin=ADMIN_PIN, expect=6)
    assert hsm.name in refused.json["data"] and "--without-hsm" in refused.json["data"]
    assert described(home)["state"] == "ZEROIZE_IN_PROGRESS"
    doctor = home.cli("doctor", pin=None, expect=7).json["data"]["checks"]
    assert "not destroyed yet" in next(row for row in doctor if row["check"] == "cluster")["found"][1]
    done = zeroize(home, cluster_id, "--without-hsm", hsm.name, pin=None)
    assert done.json["data"]["lost-hsms"] == [hsm.name]
    assert described(home)["state"] == "ZEROIZED"
