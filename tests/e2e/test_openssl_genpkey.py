# SPDX-License-Identifier: Apache-2.0
"""openssl genpkey, and the keys that are made on the way by req."""

import os

import pytest

from support import KINDS, OPENSSL


@pytest.mark.smoke
@pytest.mark.parametrize("kind", KINDS)
def test_key_is_made_and_its_reference_written(home, kind):
    home.genpkey(kind, "new")
    reference = (home.work / "new.ref.pem").read_text()
    assert reference.startswith("-----BEGIN HSM KEY REFERENCE-----\n")
    assert home.labels() == ["new"]
    # The reference and the URI are the same key.
    by_file = home.openssl("pkey", "-in", "new.ref.pem", "-pubout").out
    by_uri = home.openssl("pkey", "-in", "hsm:new", "-pubout").out
    assert by_file == by_uri


def test_id_and_attributes(home):
    home.openssl("genpkey", "-propquery", "provider=hsm", "-algorithm", "RSA", "-pkeyopt",
                 "hsm-id:0a0b0c", "-pkeyopt", "hsm-label:with-id", "-pkeyopt",
                 "hsm-decrypt:false", "-out", "key.ref.pem")
    found = home.cli("key", "list", "--verbose", "--filter", "attr.id=0x0a0b0c", "--filter",
                     "attr.class=private-key").json["data"]["matched_keys"]
    assert len(found) == 1
    assert found[0]["attributes"]["label"] == "with-id"
    assert found[0]["attributes"]["decrypt"] is False
    assert found[0]["attributes"]["sign"] is True
    home.openssl("pkey", "-in", "hsm:id=%0a%0b%0c", "-noout")


def test_id_alone_keeps_the_key(home):
    home.openssl("genpkey", "-propquery", "provider=hsm", "-algorithm", "ED25519", "-pkeyopt",
                 "hsm-id:77", "-out", "key.ref.pem")
    home.openssl("pkey", "-in", "key.ref.pem", "-noout")


def test_without_a_label_the_error_says_what_keeps_the_key(home):
    failed = home.openssl("genpkey", "-propquery", "provider=hsm", "-algorithm", "ED25519", "-out",
                          "key.pem", expect=None)
    assert failed.code != 0
    assert "hsm-label" in failed.err
    # OpenSSL 3.5 opens the file only when there is something to write.
    written = home.work / "key.pem"
    assert not written.exists() or "PRIVATE KEY" not in written.read_text()
    assert home.labels() == []


@pytest.mark.parametrize("option, named", [
    ("hsm-sign:perhaps", "hsm-sign"),
    ("hsm-id:xyz", "hsm-id"),
    ("hsm-label:" + "x" * 200, "hsm-label"),
    ("rsa_keygen_bits:1024", "1024"),
    ("rsa_keygen_bits:2049", "2049"),
    ("rsa_keygen_primes:3", "primes"),
    ("hsm-no-such-thing:1", ""),
])
def test_bad_option_is_an_error_and_leaves_no_key(home, option, named):
    failed = home.openssl("genpkey", "-propquery", "provider=hsm", "-algorithm", "RSA", "-pkeyopt",
                          "hsm-label:new", "-pkeyopt", option, "-out", "key.pem", expect=None)
    assert failed.code != 0
    assert named in failed.err
    assert home.labels() == []


@pytest.mark.parametrize("keyout", ["/nonexistent/key.pem", "/dev/full"])
def test_genpkey_that_cannot_write_leaves_no_key(home, keyout):
    failed = home.openssl("genpkey", "-propquery", "provider=hsm", "-algorithm", "EC", "-pkeyopt",
                          "ec_paramgen_curve:P-256", "-pkeyopt", "hsm-label:new", "-out", keyout,
                          expect=None)
    # From 3.5 on genpkey encodes the key before it opens the file, and exits with 0 all the same:
    # to the provider it is a key that was written.
    assert failed.code != 0 or OPENSSL >= (3, 5)
    assert home.labels() == ([] if failed.code else ["new"])


def test_request_with_a_new_key(home):
    home.openssl("req", "-propquery", "provider=hsm", "-new", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-pkeyopt", "hsm-label:new", "-noenc", "-keyout",
                 "new.ref.pem", "-out", "new.csr")
    assert home.labels() == ["new"]
    home.plain("req", "-in", "new.csr", "-verify", "-noout")
    home.openssl("pkey", "-in", "new.ref.pem", "-noout")


@pytest.mark.parametrize("spoil", [
    ["-keyout", "/nonexistent/key.pem"],
    ["-keyout", "/dev/full"],
    ["-keyout", "key.pem", "-reqexts", "no_such_section"],
], ids=["no directory", "full disk", "no section"])
def test_request_that_fails_leaves_no_key(home, spoil):
    failed = home.openssl("req", "-propquery", "provider=hsm", "-new", "-newkey", "ec", "-pkeyopt",
                          "ec_paramgen_curve:P-256", "-pkeyopt", "hsm-label:new", "-noenc", "-out",
                          "new.csr", *spoil, expect=None)
    assert failed.code != 0
    assert home.labels() == []


@pytest.mark.parametrize("spoil", [
    ["-subj", "CN without a slash", "-out", "new.csr"],
    ["-subj", "/CN=x", "-out", "/nonexistent/new.csr"],
    ["-subj", "/CN=x", "-out", "new.csr", "-sigopt", "bad:1"],
], ids=["subject", "no directory", "signature option"])
def test_request_that_fails_after_its_reference_was_written(home, spoil):
    """The key and the file that names it both stay, as with a key in a file."""
    failed = home.openssl("req", "-propquery", "provider=hsm", "-new", "-newkey", "ec", "-pkeyopt",
                          "ec_paramgen_curve:P-256", "-pkeyopt", "hsm-label:new", "-noenc",
                          "-keyout", "key.pem", *spoil, expect=None)
    assert failed.code != 0
    home.openssl("pkey", "-in", "key.pem", "-noout")
    assert home.labels() == ["new"]


def test_without_login_no_key_is_made(home):
    failed = home.genpkey("p256", "new", pin=None, expect=None, stdin=b"")
    assert failed.code != 0
    assert "login required" in failed.err and "HSM_PIN=user:password" in failed.err
    # There is no URI, and -passin is not asked.
    assert "-passin" not in failed.err and "URI" not in failed.err
    assert home.labels() == []


def test_reference_file_holds_no_secret(keyed):
    """Whatever else is in the file: it is not enough without the password."""
    failed = keyed.openssl("pkey", "-in", "p256.ref.pem", "-noout", pin=None, expect=None,
                           env={"HSM_HOME": keyed.path}, stdin=b"")
    assert failed.code != 0
    assert os.path.getsize(keyed.work / "p256.ref.pem") < 1000
