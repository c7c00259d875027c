# SPDX-License-Identifier: Apache-2.0
"""storeutl: what hsm: URIs show, and URIs in all their forms."""

import pytest

from support import KINDS, OPENSSL


@pytest.mark.smoke
def test_listing(keyed):
    shown = keyed.openssl("storeutl", "-noout", "-text", "hsm:").text
    assert f"Total found: {len(KINDS)}" in shown
    for kind in KINDS:
        assert kind in shown


def test_a_listing_is_no_key(keyed):
    """-keys says that a key is expected, as every program does that is about to use one."""
    refused = keyed.openssl("storeutl", "-noout", "-keys", "hsm:", expect=None)
    assert refused.code != 0
    assert "more than one key matches" in refused.err


def test_listing_by_type(keyed):
    private = keyed.openssl("storeutl", "-noout", "hsm:type=private").text
    assert private.count(": Pkey") == len(KINDS) and f"Total found: {len(KINDS)}" in private
    public = keyed.openssl("storeutl", "-noout", "hsm:type=public").text
    assert public.count(": Public key") == len(KINDS) and f"Total found: {len(KINDS)}" in public
    assert "Pkey" not in public


def test_listing_by_user(keyed):
    shown = keyed.openssl("storeutl", "-noout", "hsm:user=app").text
    assert f"Total found: {len(KINDS)}" in shown


def test_no_certificates_yet(keyed):
    # OpenSSL 3.5 says nothing about nothing.
    for kind in ("-certs", "-crls"):
        shown = keyed.openssl("storeutl", "-noout", kind, "hsm:")
        assert (shown.text, shown.err) == ("" if OPENSSL >= (3, 5) else "Total found: 0\n", "")


@pytest.mark.parametrize("path", ["p256", "object=p256", "object=p256;type=private", "%70256",
                                  "object=p256;user=app"])
def test_one_key(keyed, path):
    shown = keyed.openssl("storeutl", "-noout", "-keys", f"hsm:{path}").text
    assert "Total found: 1" in shown and "0: Pkey" in shown


def test_public_half_needs_no_login(keyed):
    shown = keyed.openssl("storeutl", "hsm:object=p256;type=public", pin=None).text
    assert "BEGIN PUBLIC KEY" in shown
    public = keyed.public("p256").read_text()
    assert public in shown.replace("\r", "")


def test_by_handle(keyed):
    found = keyed.cli("key", "list", "--filter", "attr.label=p256", "--filter",
                      "attr.class=private-key").json["data"]["matched_keys"]
    handle = found[0]["key-reference"]
    assert keyed.openssl("pkey", "-in", f"hsm:handle={handle}", "-pubout").out == \
        keyed.public("p256").read_bytes()


def test_listing_without_login_shows_public_keys(keyed):
    shown = keyed.openssl("storeutl", "-noout", "hsm:", pin=None, stdin=b"").text
    assert shown.count(": Public key") == len(KINDS) and "Pkey" not in shown


def test_a_file_of_that_name_wins(keyed):
    """OpenSSL's rule, which the documentation warns of."""
    keyed.plain("genpkey", "-algorithm", "ED25519", "-out", "hsm:p256")
    taken = keyed.openssl("pkey", "-in", "hsm:p256", "-pubout").out
    assert taken == keyed.plain("pkey", "-in", "hsm:p256", "-pubout").out
    # It is the name that counts.
    assert keyed.openssl("pkey", "-in", "hsm:object=p256", "-pubout").out == \
        keyed.public("p256").read_bytes()


def test_public_key_of_a_pair(keyed):
    """What a program gets that asks for a public key only."""
    out = keyed.openssl("pkey", "-pubin", "-in", "hsm:p256", pin=None).out
    assert out == keyed.public("p256").read_bytes()
