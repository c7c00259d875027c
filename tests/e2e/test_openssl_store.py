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


def test_listing_of_keys(keyed):
    assert f"Total found: {len(KINDS)}" in keyed.openssl("storeutl", "-noout", "-keys", "hsm:").text


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
    shown = keyed.openssl("storeutl", "-noout", "hsm:", pin=None, stdin=b"", expect=None).text
    assert "Pkey" in shown or "Public key" in shown


def test_public_key_of_a_pair(keyed):
    """What a program gets that asks for a public key only."""
    out = keyed.openssl("pkey", "-pubin", "-in", "hsm:p256", pin=None).out
    assert out == keyed.public("p256").read_bytes()
