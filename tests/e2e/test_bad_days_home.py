# SPDX-License-Identifier: Apache-2.0
"""Homes that are missing, unreadable, newer, or damaged."""

import json
import os
import shutil

import pytest

from support import Home, run

LOAD = ("pkey", "-noout", "-in", "hsm:p256")


def refused(home, *words):
    result = home.openssl(*(words or LOAD), expect=None)
    assert result.code != 0, str(result)
    return result.err


def stores(home):
    """The databases of the HSMs."""
    found = sorted((home.path / "hsms").glob("*/store.db"))
    assert len(found) == 3
    return found


def describe(home):
    return home.cli("cluster", "describe", pin=None).json["data"]


def drop_write_ahead_log(store):
    for suffix in ("-wal", "-shm"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)


def truncate(store):
    drop_write_ahead_log(store)
    os.truncate(store, store.stat().st_size // 2)


def empty(store):
    drop_write_ahead_log(store)
    os.truncate(store, 0)


def overwrite(store):
    drop_write_ahead_log(store)
    size = store.stat().st_size
    store.write_bytes(os.urandom(size))


def edit_pages(store):
    """Changes bytes all over the tables, and leaves the file's header as it is."""
    drop_write_ahead_log(store)
    content = bytearray(store.read_bytes())
    for place in range(4096 + 100, len(content), 97):
        content[place] ^= 0x5A
    store.write_bytes(content)


def remove(store):
    shutil.rmtree(store.parent)


DAMAGE = [truncate, empty, overwrite, edit_pages, remove]


@pytest.mark.smoke
def test_missing_home(keyed):
    shutil.move(keyed.path, keyed.path.with_name("away"))
    error = refused(keyed)
    assert "no HSM cluster at this home" in error and str(keyed.path) in error
    assert "hsmctl cluster create" in error or "hsmctl" in error
    assert keyed.cli("key", "list", expect=6).json["error_code"] == 6
    assert not keyed.path.exists()


def test_the_application_goes_on_without_a_home(keyed):
    shutil.move(keyed.path, keyed.path.with_name("away"))
    keyed.openssl("genpkey", "-algorithm", "RSA", "-out", "own.pem")
    keyed.openssl("req", "-x509", "-new", "-key", "own.pem", "-subj", "/CN=own", "-out", "own.crt")


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the user, which takes root")
def test_unreadable_home(keyed):
    keyed.work.chmod(0o755)
    parent = keyed.work
    while parent != parent.parent:
        parent.chmod(parent.stat().st_mode | 0o011)
        parent = parent.parent
    keyed.path.chmod(0o700)
    result = run(["openssl", *LOAD], env=keyed.environment(), cwd="/", expect=None, user="nobody",
                 group="nogroup", extra_groups=[])
    assert result.code != 0
    assert "cannot be accessed" in result.err and str(keyed.path) in result.err
    assert "denied" in result.err


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"version": "one"}', "\0" * 64])
def test_corrupt_cluster_file(keyed, content):
    (keyed.path / "cluster.json").write_text(content)
    assert "damaged" in refused(keyed) and "cluster.json" in refused(keyed)
    assert keyed.cli("cluster", "describe", expect=6).json["error_code"] == 6


def test_newer_cluster_file(keyed):
    path = keyed.path / "cluster.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 99}))
    error = refused(keyed)
    assert "newer version" in error and "99" in error


def test_newer_databases(keyed):
    for store in stores(keyed):
        run(["sqlite3", store, "PRAGMA user_version = 99"], env={"PATH": "/usr/bin"})
    assert "newer" in refused(keyed)


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda function: function.__name__)
@pytest.mark.parametrize("which", [0, 2])
def test_one_damaged_hsm_is_shown_and_the_others_serve(keyed, damage, which):
    damage(stores(keyed)[which])
    # Keys are found and used, in every kind of program.
    keyed.openssl(*LOAD)
    (keyed.work / "data").write_bytes(b"x" * 32)
    keyed.openssl("pkeyutl", "-sign", "-inkey", "p256.ref.pem", "-in", "data", "-out", "signature")
    keyed.plain("pkeyutl", "-verify", "-pubin", "-inkey", keyed.public("p256"), "-in", "data",
                "-sigfile", "signature")
    shown = keyed.cli("cluster", "describe", "--verify", pin=None, expect=None).json["data"]
    assert shown["state"] == "DEGRADED"
    bad = [hsm for hsm in shown["hsms"] if hsm["state"] == "DEGRADED"]
    assert len(bad) == 1 and bad[0]["problem"]
    # New keys are made, and a sync repairs what was damaged.
    keyed.genpkey("p256", "meanwhile")
    keyed.cli("cluster", "sync")
    shown = keyed.cli("cluster", "describe", "--verify", pin=None).json["data"]
    assert shown["state"] == "ACTIVE"
    assert len({hsm["keys"] for hsm in shown["hsms"]}) == 1
    assert "meanwhile" in keyed.labels()


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda function: function.__name__)
def test_all_hsms_damaged(keyed, damage):
    before = [store.parent for store in stores(keyed)]
    for store in stores(keyed):
        damage(store)
    error = refused(keyed)
    assert "error:" in error
    assert any(text in error for text in ("no HSM of the cluster is in service", "damaged",
                                          "availability"))
    result = keyed.cli("key", "list", expect=None)
    assert result.code != 0 and result.json["error_code"] == result.code
    # Nothing made it worse: no new database in the place of a lost one.
    if damage is remove:
        assert not any(folder.exists() and (folder / "store.db").exists() for folder in before)


def test_an_edited_record_does_not_open(keyed):
    """The same edit on every HSM, inside the database's own rules: the seal finds it."""
    for store in stores(keyed):
        changed = run(["sqlite3", store, "UPDATE kv SET value = CAST(substr(value, 1, "
                       "length(value) - 9) || x'000102030405060708' AS BLOB) "
                       "WHERE length(value) > 300; SELECT changes()"], env={"PATH": "/usr/bin"})
        assert int(changed.text) > 5
    result = keyed.openssl("pkeyutl", "-sign", "-inkey", "hsm:p256", "-rawin", "-in",
                           keyed.conf, expect=None)
    assert result.code != 0 and "damaged" in result.err


def test_a_home_copied_elsewhere_works(keyed, tmp_path):
    shutil.copytree(keyed.path, tmp_path / "moved")
    shutil.rmtree(keyed.path)
    moved = Home(keyed.build, tmp_path / "moved", tmp_path / "elsewhere")
    moved.openssl(*LOAD)
