# SPDX-License-Identifier: Apache-2.0
"""Keys that their owner shares with other users: hsmctl, and the provider."""

import pytest

from support import secret_file

WEB_PIN = "web:webpass123"
MAIL_PIN = "mail:mailpass123"


@pytest.fixture
def shared(home):
    """A home with two more users and a key "tls" of app's."""
    for name in ("web", "mail"):
        home.admin("user", "create", "--username", name, "--role", "crypto-user",
                   "--password-source", secret_file(home.work, name, f"{name}pass123"))
    home.genpkey("p256", "tls")
    (home.work / "data").write_bytes(b"data")
    return home


def share(home, name, verb="share", label="tls", **options):
    return home.cli("key", verb, "--filter", f"attr.label={label}", "--username", name, "--role",
                    "crypto-user", **options)


def info(home, **options):
    found = home.cli("key", "list", "--filter", "attr.label=tls", "attr.class=private-key",
                     "--verbose", **options).json["data"]["matched_keys"]
    return found[0]["key-info"] if found else None


def sign(home, pin, **options):
    return home.openssl("dgst", "-sha256", "-sign", "hsm:tls", "-out", "signature", "data",
                        pin=pin, **options)


def test_a_user_signs_by_uri_until_the_key_is_unshared(shared):
    sign(shared, WEB_PIN, expect=1)
    done = share(shared, "web")
    assert done.json["data"]["message"] == "Key shared successfully"
    assert done.json["data"]["shared-users"] == ["web"]
    sign(shared, WEB_PIN)
    shared.plain("dgst", "-sha256", "-verify", shared.public("tls"), "-signature", "signature",
                 "data")
    sign(shared, MAIL_PIN, expect=1)
    assert share(shared, "web", "unshare").json["data"]["shared-users"] == []
    refused = sign(shared, WEB_PIN, expect=1)
    assert "no such key" in refused.err
    sign(shared, None, env={"HSM_PIN": "app:apppass123"})


def test_the_list_tells_who_has_a_key(shared):
    share(shared, "web")
    share(shared, "mail")
    for pin in ({}, {"pin": WEB_PIN}):
        told = info(shared, **pin)
        assert told["key-owners"] == [{"username": "app", "key-coverage": "full"}]
        assert told["shared-users"] == [{"username": "web", "key-coverage": "full"},
                                        {"username": "mail", "key-coverage": "full"}]
    share(shared, "web", "unshare")
    assert info(shared, pin=WEB_PIN) is None
    assert [user["username"] for user in info(shared, pin=MAIL_PIN)["shared-users"]] == ["mail"]


def test_errors_name_what_is_wrong(shared):
    assert "nobody" in share(shared, "nobody", expect=3).json["data"]
    assert "owner" in share(shared, "app", expect=2).json["data"]
    assert "not shared" in share(shared, "web", "unshare", expect=5).json["data"]
    share(shared, "web")
    assert "app" in share(shared, "mail", pin=WEB_PIN, expect=5).json["data"]
    assert "crypto-user" in shared.cli("key", "share", "--filter", "attr.label=tls", "--username",
                                       "web", "--role", "admin", expect=2).json["data"]
    public = shared.cli("key", "share", "--filter", "attr.label=tls", "attr.class=public-key",
                        "--username", "web")
    assert public.json["data"]["shared-users"] == ["web"]  # a pair is shared whole


def test_a_sharer_does_not_change_delete_or_export(shared):
    share(shared, "web")
    tls = ["--filter", "attr.label=tls"]
    shared.cli("key", "set-attribute", *tls, "--name", "derive", "--value", "true", pin=WEB_PIN,
               expect=5)
    shared.cli("key", "delete", *tls, pin=WEB_PIN, expect=5)
    shared.cli("key", "generate-symmetric", "aes", "--label", "kek", "--attributes", "wrap=true",
               pin=WEB_PIN)
    refused = shared.cli("key", "wrap", "aes-zero-pad", "--payload-filter", "attr.label=tls",
                         "attr.class=private-key", "--wrapping-filter", "attr.label=kek",
                         pin=WEB_PIN, expect=5)
    assert "app" in refused.json["data"]


def test_a_shared_key_does_not_agree(shared):
    shared.cli("key", "set-attribute", "--filter", "attr.label=tls", "--name", "derive", "--value",
               "true")
    share(shared, "web")
    peer = shared.public("tls")
    agree = ["pkeyutl", "-derive", "-inkey", "hsm:tls", "-peerkey", peer, "-out", "secret"]
    shared.openssl(*agree)
    refused = shared.openssl(*agree, pin=WEB_PIN, expect=1)
    assert "only its owner may derive" in refused.err
