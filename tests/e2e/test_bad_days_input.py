# SPDX-License-Identifier: Apache-2.0
"""Hostile URIs and reference files."""

import base64

import pytest

from support import KINDS

MALFORMED = "malformed key URI"
UNKNOWN = "no such key"
AMBIGUOUS = "more than one key matches"

# A URI, and what its error has to say: the reason and the detail.
URIS = [
    ("hsm:object", UNKNOWN, "label='object'"),
    ("hsm:%", MALFORMED, "two hexadecimal digits"),
    ("hsm:%4", MALFORMED, "two hexadecimal digits"),
    ("hsm:%zz", MALFORMED, "two hexadecimal digits"),
    ("hsm:a%00b", MALFORMED, "NUL byte"),
    ("hsm:object=a;object=b", MALFORMED, "'object' is there twice"),
    ("hsm:nonsense=1;object=p256", MALFORMED, "'nonsense' is no path attribute"),
    ("hsm:p256;private", MALFORMED, "name=value"),
    ("hsm:object=p256;type=private;type=public", MALFORMED, "'type' is there twice"),
    ("hsm:object=p256;type=anything", MALFORMED, "'type' is private, public"),
    ("hsm:object=p256;type=secret-key", "not supported", "type can be private or public"),
    ("hsm:object=p256;type=cert", "not supported", "type can be private or public"),
    ("hsm:handle=12", MALFORMED, "'handle'"),
    ("hsm:handle=0xfffffffffffffffff", MALFORMED, "'handle'"),
    ("hsm:handle=0x", MALFORMED, "'handle'"),
    ("hsm:handle=0xfffffffffffffff0", UNKNOWN, "0xfffffffffffffff0"),
    ("hsm:id=%", MALFORMED, "two hexadecimal digits"),
    ("hsm:id=%00", UNKNOWN, "id=0x00"),
    ("hsm:p256;user=", MALFORMED, "'user' is empty"),
    ("hsm:object=", MALFORMED, "'object' is empty"),
    ("hsm:p256?pin-source=", MALFORMED, "'pin-source' is empty"),
    ("hsm:p256?pin-value=a;pin-value=b", "wrong password", "'app'"),
    ("hsm:p256?pin-value=a&pin-value=b", MALFORMED, "'pin-value' is there twice"),
    ("hsm:p256?pin-source=http://example.test/", "PIN source cannot be read", "example.test"),
    ("hsm:p256?what=ever", MALFORMED, "'what' is no query attribute"),
    ("hsm:object=p256;cluster=elsewhere", "no HSM cluster at this home", "'elsewhere'"),
    ("hsm:p256;user=nobody?pin-value=whatever1", "no such user", "nobody"),
    ("hsm:" + "a" * 100000, MALFORMED, "longer than 4096 bytes"),
    ("hsm:" + "%41" * 30000, MALFORMED, "longer than 4096 bytes"),
    ("hsm:" + "a" * 4000, "attribute value not allowed", "127"),
    ("hsm:" + ";" * 5000, MALFORMED, "longer than 4096 bytes"),
    ("hsm:;;", MALFORMED, "name=value"),
    ("hsm:" + "object=a;" * 400, MALFORMED, "'object' is there twice"),
    ("hsm:../../../../etc/passwd", UNKNOWN, "label='../../../../etc/passwd'"),
    ("hsm:%s%s%s%n", MALFORMED, "two hexadecimal digits"),
    ("hsm:'; DROP TABLE records; --", MALFORMED, "name=value"),
    ("hsm:\x01\x02\x7f", MALFORMED, "control character"),
    ("hsm:\u00e4\u20ac", UNKNOWN, "label='\u00e4\u20ac'"),
    # No key is picked where the URI names none.
    ("hsm:", AMBIGUOUS, "name one by handle="),
    ("hsm:type=private", AMBIGUOUS, "name one by handle="),
    ("hsm:user=app", AMBIGUOUS, "name one by handle="),
    ("hsm:type=public", "private key needed", "drop type=public"),
    ("hsm:p256;type=public", "private key needed", "drop type=public"),
]


def detail_of(error, reason):
    """What the provider says beside the reason; the error text repeats the URI elsewhere."""
    lines = [line for line in error.splitlines() if f":hsm::{reason}" in line]
    assert len(lines) == 1, error
    return lines[0].split(":", 7)[7]


@pytest.mark.parametrize("uri, reason, detail", URIS, ids=range(len(URIS)))
def test_hostile_uri(keyed, uri, reason, detail):
    result = keyed.openssl("pkey", "-in", uri, "-noout", expect=None, guard=30)
    assert result.code != 0
    assert detail in detail_of(result.err, reason)
    keyed.openssl("pkey", "-in", "hsm:p256", "-noout")


@pytest.mark.parametrize("uri", ["hsm:", "hsm:type=private", "hsm:user=app"])
def test_no_signature_by_a_key_that_was_not_named(keyed, uri):
    signature = keyed.work / "signature"
    for command in (["dgst", "-sha256", "-sign", uri, "-out", signature, keyed.conf],
                    ["req", "-x509", "-new", "-key", uri, "-subj", "/CN=x", "-out", signature],
                    ["pkeyutl", "-sign", "-rawin", "-inkey", uri, "-in", keyed.conf, "-out",
                     signature]):
        refused = keyed.openssl(*command, expect=None)
        assert refused.code != 0
        assert detail_of(refused.err, AMBIGUOUS).count("0x0") == len(KINDS)
        assert not signature.exists() or signature.read_bytes() == b""


def test_no_public_key_that_was_not_named(keyed):
    # With a password: OpenSSL 3.5 looks for a private key after that, whose error is the one shown.
    refused = keyed.openssl("pkey", "-pubin", "-in", "hsm:", "-noout", expect=None)
    assert refused.code != 0
    assert detail_of(refused.err, AMBIGUOUS).count("0x0") == len(KINDS)


def test_the_only_key_need_not_be_named(home):
    home.genpkey("p256", "only")
    home.openssl("dgst", "-sha256", "-sign", "hsm:", "-out", "signature", home.conf)
    home.plain("dgst", "-sha256", "-verify", home.public("only"), "-signature", "signature",
               home.conf)


def test_the_error_names_what_is_wrong_and_hides_the_pin(keyed):
    error = keyed.openssl("pkey", "-in", "hsm:object=p256;colour=blue?pin-value=topsecret1", "-noout",
                          expect=None).err
    detail = detail_of(error, MALFORMED)
    assert "'colour' is no path attribute" in detail and "topsecret1" not in detail


def pem(content, label="HSM KEY REFERENCE"):
    text = base64.encodebytes(content).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"


def der(tag, content):
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 + len(length)]) + length + content


def reference(uri, version=1, more=b""):
    return der(0x30, der(2, bytes([version])) + der(12, uri.encode()) + more)


REFERENCE = "malformed key reference"
DAMAGED = "the key reference is damaged"

# A file, and what its error has to say.
FILES = {
    "nothing inside": (pem(b""), REFERENCE, "damaged"),
    "no DER": (pem(b"hello"), REFERENCE, DAMAGED),
    "no end": (pem(reference("hsm:p256")).split("-----END")[0], REFERENCE, "END line"),
    "cut in the middle": (pem(reference("hsm:p256"))[:45], REFERENCE, "END line"),
    "another end": (pem(reference("hsm:p256")).replace("END HSM KEY REFERENCE", "END CERTIFICATE"),
                    REFERENCE, "PEM block is damaged"),
    "bad base64": ("-----BEGIN HSM KEY REFERENCE-----\n!!!!\n-----END HSM KEY REFERENCE-----\n",
                   REFERENCE, "PEM block is damaged"),
    "newer version": (pem(reference("hsm:p256", version=9)), REFERENCE, "version 9"),
    "bytes after the end": (pem(reference("hsm:p256") + b"more"), REFERENCE, DAMAGED),
    "a length that lies": (pem(b"\x30\x84\xff\xff\xff\xff\x02\x01\x01"), REFERENCE, DAMAGED),
    "an endless length": (pem(b"\x30\x80\x02\x01\x01"), REFERENCE, DAMAGED),
    "nested": (pem(b"\x30\x80" * 5000), REFERENCE, DAMAGED),
    "a long URI": (pem(reference("hsm:" + "a" * 5000)), REFERENCE, "the URI has 5004 bytes"),
    "no key named": (pem(reference("hsm:")), REFERENCE, "names no key"),
    "another scheme": (pem(reference("file:/etc/passwd")), MALFORMED, "does not begin with hsm:"),
    "a NUL in the URI": (pem(reference("hsm:p2\x0056")), MALFORMED, "control character"),
    "no such key": (pem(reference("hsm:object=nothing")), UNKNOWN, "label='nothing'"),
    "half a public key": (pem(reference("hsm:object=p256", more=b"\x30\x59\x30\x13")), REFERENCE,
                          DAMAGED),
    "no public key at all": (pem(reference("hsm:object=p256", more=der(0x30, b"\x05\x00"))),
                             "key cannot be imported", "no key algorithm found"),
    "a password": (pem(reference("hsm:p256?pin-value=guess-guess")), REFERENCE, "password along"),
    "a password file": (pem(reference("hsm:p256?pin-source=file:/etc/hostname")), REFERENCE,
                        "password along"),
}


@pytest.mark.parametrize("name", FILES)
def test_hostile_reference(keyed, name):
    content, reason, detail = FILES[name]
    path = keyed.work / "hostile.pem"
    path.write_text(content)
    result = keyed.openssl("pkey", "-in", path, "-noout", expect=None, guard=30)
    assert result.code != 0
    assert detail in detail_of(result.err, reason)
    keyed.openssl("pkey", "-in", "p256.ref.pem", "-noout")


def test_a_reference_from_somebody_else_tries_no_password(keyed):
    """Six files with a wrong password would lock the user."""
    trap = reference("hsm:p256?pin-value=app:guess-guess")
    (keyed.work / "trap.pem").write_text(pem(trap))
    (keyed.work / "trap.der").write_bytes(trap)
    for name in ["trap.pem", "trap.der"] * 3:
        assert keyed.openssl("pkey", "-in", name, "-noout", expect=None).code != 0
    users = keyed.cli("user", "list", pin=None).json["data"]["users"]
    assert {user["failed-logins"] for user in users} == {0}
    keyed.openssl("pkey", "-in", "hsm:p256", "-noout")


def test_a_reference_whose_public_key_is_another_ones(keyed):
    """Somebody who swaps the public key must not get signatures by a key he did not name."""
    public = keyed.plain("pkey", "-pubin", "-in", keyed.public("p384"), "-outform", "DER",
                         "-pubout").out
    path = keyed.work / "swapped.pem"
    path.write_text(pem(reference("hsm:object=p256", more=public)))
    result = keyed.openssl("pkey", "-in", path, "-noout", expect=None)
    assert result.code != 0
    assert "malformed key reference" in result.err


@pytest.mark.parametrize("content", [b"", b"\x30", b"\x30\x80" * 5000, b"\xff" * 100000],
                         ids=["empty", "one byte", "nested", "long"])
def test_hostile_der_file(keyed, content):
    """Not ours to complain about: OpenSSL says what it says of any file without a key."""
    path = keyed.work / "hostile.der"
    path.write_bytes(content)
    result = keyed.openssl("pkey", "-inform", "DER", "-in", path, "-noout", expect=1, guard=30)
    without = keyed.plain("pkey", "-inform", "DER", "-in", path, "-noout", expect=1)
    assert result.err.splitlines()[0] == without.err.splitlines()[0]
    assert ":hsm:" not in result.err
    assert ("unsupported" in result.err) == ("unsupported" in without.err)


def test_files_of_others_are_read_without_noise(keyed):
    """The provider's decoder stands in line for every file, and must not show."""
    keyed.plain("genpkey", "-algorithm", "RSA", "-aes-128-cbc", "-pass", "pass:abcd", "-out",
                "own.pem")
    assert keyed.openssl("pkey", "-in", "own.pem", "-passin", "pass:abcd", "-noout").err == ""
    failed = keyed.openssl("pkey", "-in", "own.pem", "-passin", "pass:wrong", "-noout", expect=None)
    assert failed.code != 0 and "hsm" not in failed.err.lower().replace(str(keyed.work), "")
