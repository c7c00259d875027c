# SPDX-License-Identifier: Apache-2.0
"""Keys that are disabled, out of their dates, rotated, and deleted for now."""

import datetime

import pytest

TLS = ["--filter", "attr.label=tls"]


@pytest.fixture
def tls(home):
    """A home with a key "tls" and something to sign."""
    home.genpkey("p256", "tls")
    (home.work / "data").write_bytes(b"data")
    return home


def sign(home, key="hsm:tls", out="signature", **options):
    return home.openssl("dgst", "-sha256", "-sign", key, "-out", out, "data", **options)


def private(home, *more):
    found = home.cli("key", "list", *TLS, "attr.class=private-key", "--verbose", *more).json
    return found["data"]["matched_keys"]


def in_days(days):
    time = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def set_date(home, name, value, **options):
    return home.cli("key", "set-attribute", *TLS, "--name", name, "--value", value, **options)


def test_a_disabled_key_does_not_sign_until_it_is_enabled(tls):
    assert private(tls)[0]["attributes"]["key-state"] == "active"
    done = tls.cli("key", "disable", *TLS).json["data"]
    assert done["key-state"] == "disabled"
    refused = sign(tls, expect=1)
    assert "is disabled" in refused.err and "hsmctl key enable" in refused.err
    assert "disabled" in tls.cli("key", "list", "--output", "table").text
    assert tls.cli("key", "enable", *TLS).json["data"]["key-state"] == "active"
    sign(tls)


def test_a_key_signs_within_its_dates_only(tls):
    sign(tls, out="before")
    set_date(tls, "start-date", in_days(1))
    assert "start-date" in sign(tls, expect=1).err
    set_date(tls, "start-date", in_days(-2))
    sign(tls)
    end = in_days(-1)
    set_date(tls, "end-date", end)
    shown = private(tls)[0]["attributes"]
    assert shown["end-date"] == end and shown["key-state"] == "deactivated"
    refused = sign(tls, expect=1)
    assert "end-date" in refused.err and "key rotate" in refused.err
    tls.openssl("dgst", "-sha256", "-verify", "hsm:tls;type=public", "-signature", "before", "data")
    set_date(tls, "end-date", "")
    assert "end-date" not in private(tls)[0]["attributes"]
    sign(tls)


@pytest.mark.parametrize("value", ["tomorrow", "2027-02-30", "2027-01-01T00:00:00", "1"])
def test_dates_are_rfc_3339(tls, value):
    assert "2026-12-31T23:59:59Z" in set_date(tls, "end-date", value, expect=2).json["data"]


def test_a_label_names_the_newest_version(tls):
    first = private(tls)[0]["key-reference"]
    sign(tls, out="first")
    old_public = tls.public("tls")
    done = tls.cli("key", "rotate", *TLS).json["data"]
    assert done["key-version"] == 2 and done["previous-key-reference"] == first
    sign(tls, out="second")
    assert tls.plain("dgst", "-sha256", "-verify", old_public, "-signature", "second", "data",
                     expect=None).code == 1
    old = f"hsm:handle={first}"
    new = f"hsm:handle={done['key-reference']}"
    for key, signature in ((old, "first"), (new, "second"), ("hsm:tls", "second")):
        public = tls.work / "public.pem"
        tls.openssl("pkey", "-in", key, "-pubout", "-out", public)
        tls.plain("dgst", "-sha256", "-verify", public, "-signature", signature, "data")
    assert done["key-reference"] in sign(tls, old, expect=1).err  # where to go
    versions = [key["attributes"]["key-version"] for key in private(tls)]
    states = [key["attributes"]["key-state"] for key in private(tls)]
    assert versions == [1, 2] and states == ["deactivated", "active"]
    assert [key["key-info"].get("next-version") for key in private(tls)] == [
        done["key-reference"], None]
    assert tls.cli("key", "rotate", *TLS).json["data"]["key-version"] == 3
    # What ends a key names it, not its label.
    tls.cli("key", "disable", *TLS, expect=4)
    # A version can be picked by its number.
    tls.cli("key", "disable", *TLS, "attr.key-version=3")
    sign(tls, expect=1)


def test_an_overlap_gives_programs_time_to_reload(tls):
    first = private(tls)[0]["key-reference"]
    tls.cli("key", "rotate", *TLS, "--overlap-hours", "24")
    sign(tls, f"hsm:handle={first}")
    sign(tls)
    assert [key["attributes"]["key-state"] for key in private(tls)] == ["active", "active"]


def test_a_deleted_key_comes_back_within_its_days(tls):
    done = tls.cli("key", "delete", *TLS, "--recovery-days", "7").json["data"]
    week = datetime.timedelta(days=7).total_seconds()
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    assert abs(done["deletion-timestamp"] - now - week) < 600
    assert private(tls) == []
    assert "no such key" in sign(tls, expect=1).err
    tls.cli("key", "show", *TLS, expect=4)
    gone = private(tls, "--deleted")
    assert [key["attributes"]["key-state"] for key in gone] == ["pending-deletion"]
    assert gone[0]["key-info"]["deletion-timestamp"] == done["deletion-timestamp"]
    assert tls.cli("key", "restore", *TLS).json["data"]["key-state"] == "active"
    sign(tls)
    tls.cli("key", "restore", *TLS, expect=4)


def test_deletion_for_now_takes_a_whole_key(tls):
    for days in ("6", "31", "x"):
        tls.cli("key", "delete", *TLS, "--recovery-days", days, expect=2)
    tls.cli("key", "delete", *TLS, "attr.class=private-key", "--recovery-days", "7", expect=2)
    sign(tls)


def test_a_backup_has_deleted_keys(tls):
    """The way back of a cluster is the way back of its deleted keys, too."""
    tls.cli("key", "delete", *TLS, "--recovery-days", "30")
    tls.cli("cluster", "sync", pin=None)
    backup = tls.cli("backup", "create", pin=None).json["data"]["backup"]["backup-id"]
    tls.admin("backup", "verify", "--backup-id", backup)
    tls.cli("key", "restore", *TLS)
    sign(tls)


def test_a_use_limit_holds_for_all_programs(tls):
    tls.cli("key", "set-attribute", *TLS, "--name", "use-limit", "--value", "3")
    for used in (1, 2, 3):
        sign(tls)
        assert private(tls)[0]["attributes"]["use-count"] == used
    refused = sign(tls, out="none", expect=1)
    assert "use-limit" in refused.err and "key rotate" in refused.err
    tls.openssl("dgst", "-sha256", "-verify", "hsm:tls;type=public", "-signature", "signature",
                "data")
    tls.cli("cluster", "sync", pin=None)
    backup = tls.cli("backup", "create", pin=None).json["data"]["backup"]["backup-id"]
    tls.admin("backup", "verify", "--backup-id", backup)
    assert tls.cli("key", "rotate", *TLS).json["data"]["key-version"] == 2
    sign(tls)


def test_a_use_limit_is_a_number(tls):
    for value in ("-1", "many"):
        tls.cli("key", "set-attribute", *TLS, "--name", "use-limit", "--value", value, expect=2)
