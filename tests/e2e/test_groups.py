# SPDX-License-Identifier: Apache-2.0
"""Groups of users, and keys that are shared with them."""

import pytest

from support import ADMIN_PIN, secret_file

TLS = ["--filter", "attr.label=tls"]


def pin(name):
    return f"{name}:{name}pass123"


@pytest.fixture
def grouped(home):
    """A key "tls" of app's, and a group "front" with web1 and web2 in it; web3 is not."""
    for name in ("web1", "web2", "web3"):
        home.admin("user", "create", "--username", name, "--role", "crypto-user",
                   "--password-source", secret_file(home.work, name, f"{name}pass123"))
    home.admin("group", "create", "--group", "front")
    for name in ("web1", "web2"):
        member(home, "add-member", name)
    home.genpkey("p256", "tls")
    (home.work / "data").write_bytes(b"data")
    return home


def member(home, verb, name, **options):
    return home.cli("group", verb, "--group", "front", "--username", name,
                    **({"pin": ADMIN_PIN} | options))


def share(home, verb="share", **options):
    return home.cli("key", verb, *TLS, "--group", "front", **options)


def sign(home, name, expect=0):
    return home.openssl("dgst", "-sha256", "-sign", "hsm:tls", "-out", f"{name}.sig", "data",
                        pin=pin(name), expect=expect)


def groups_of_key(home):
    found = home.cli("key", "list", *TLS, "attr.class=private-key", "--verbose").json["data"]
    return found["matched_keys"][0]["key-info"].get("shared-groups")


def test_a_group_signs_with_a_shared_key(grouped):
    assert groups_of_key(grouped) is None
    done = share(grouped).json["data"]
    assert done["shared-users"] == ["web1", "web2"]
    assert done["shared-groups"] == [{"group": "front", "group-coverage": "full", "not-yet": [],
                                      "no-longer": []}]
    sign(grouped, "web1")
    sign(grouped, "web2")
    sign(grouped, "web3", expect=1)
    share(grouped, "unshare")
    sign(grouped, "web1", expect=1)
    assert groups_of_key(grouped) is None


def test_the_list_tells_who_waits_for_the_owner(grouped):
    share(grouped)
    added = member(grouped, "add-member", "web3")
    assert "key share --group" in added.err
    sign(grouped, "web3", expect=1)
    assert groups_of_key(grouped)[0]["not-yet"] == ["web3"]
    assert groups_of_key(grouped)[0]["group-coverage"] == "inconsistent"
    member(grouped, "remove-member", "web1")
    sign(grouped, "web1", expect=1)
    sign(grouped, "web2")
    assert groups_of_key(grouped)[0]["no-longer"] == ["web1"]
    shown = grouped.cli("key", "show", *TLS, "attr.class=private-key", "--output", "table").text
    assert "not yet: web3" in shown and "no longer: web1" in shown
    share(grouped)
    assert groups_of_key(grouped)[0]["group-coverage"] == "full"
    sign(grouped, "web3")


def test_groups_are_listed_without_a_login(grouped):
    groups = grouped.cli("group", "list", pin=None).json["data"]["groups"]
    assert [(group["group"], group["members"]) for group in groups] == [
        ("front", ["web1", "web2"])]
    assert "web1 web2" in grouped.cli("group", "list", "--output", "table", pin=None).text
    grouped.admin("group", "delete", "--group", "front")
    assert grouped.cli("group", "list", pin=None).json["data"]["groups"] == []


def test_errors_name_what_is_wrong(grouped):
    assert "front" in grouped.admin("group", "create", "--group", "front", expect=5).json["data"]
    assert "none" in grouped.admin("group", "delete", "--group", "none", expect=3).json["data"]
    assert "nobody" in member(grouped, "add-member", "nobody", expect=3).json["data"]
    assert "web3" in member(grouped, "remove-member", "web3", expect=3).json["data"]
    member(grouped, "add-member", "web3", pin=pin("web1"), env={"HSM_ROLE": "crypto-user"}, expect=5)
    share(grouped, "unshare", expect=5)
    grouped.cli("key", "share", *TLS, "--group", "front", "--username", "web1", expect=2)
    grouped.cli("key", "share", *TLS, expect=2)


def test_a_backup_has_the_groups(grouped):
    share(grouped)
    backup = grouped.cli("backup", "create", pin=None).json["data"]["backup"]["backup-id"]
    grouped.admin("backup", "verify", "--backup-id", backup)
    grouped.cli("cluster", "sync", pin=None)
    sign(grouped, "web1")
