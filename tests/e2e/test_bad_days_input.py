# SPDX-License-Identifier: Apache-2.0
"""Hostile URIs and reference files."""

import base64

import pytest

URIS = [
    "hsm:object",
    "hsm:%",
    "hsm:%4",
    "hsm:%zz",
    "hsm:a%00b",
    "hsm:object=a;object=b",
    "hsm:nonsense=1;object=p256",
    "hsm:p256;private",
    "hsm:object=p256;type=private;type=public",
    "hsm:object=p256;type=anything",
    "hsm:object=p256;type=secret-key",
    "hsm:object=p256;type=cert",
    "hsm:handle=12",
    "hsm:handle=0xfffffffffffffffff",
    "hsm:handle=0x",
    "hsm:id=%",
    "hsm:p256?pin-source=",
    "hsm:p256?pin-value=a;pin-value=b",
    "hsm:p256?pin-source=http://example.test/",
    "hsm:p256?what=ever",
    "hsm:object=p256;cluster=elsewhere",
    "hsm:" + "a" * 100000,
    "hsm:" + "%41" * 30000,
    "hsm:" + ";" * 5000,
    "hsm:" + "object=a;" * 5000,
    "hsm:../../../../etc/passwd",
    "hsm:%s%s%s%n",
    "hsm:'; DROP TABLE records; --",
    "hsm:\x01\x02\x7f",
    "hsm:\u00e4\u20ac",
]


@pytest.mark.parametrize("uri", URIS, ids=range(len(URIS)))
def test_hostile_uri(keyed, uri):
    result = keyed.openssl("pkey", "-in", uri, "-noout", expect=None, guard=30)
    assert result.code != 0
    assert "hsm" in result.err
    keyed.openssl("pkey", "-in", "hsm:p256", "-noout")


def test_the_error_names_what_is_wrong_and_hides_the_pin(keyed):
    error = keyed.openssl("pkey", "-in", "hsm:object=p256;colour=blue?pin-value=topsecret1", "-noout",
                          expect=None).err
    assert "malformed key URI" in error and "colour" in error


def pem(content, label="HSM KEY REFERENCE"):
    text = base64.encodebytes(content).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"


def der(tag, content):
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes(4, "big")
    return bytes([tag, 0x84]) + length + content


def reference(uri, version=1, more=b""):
    return der(0x30, der(2, bytes([version])) + der(12, uri.encode()) + more)


FILES = {
    "nothing inside": pem(b""),
    "no DER": pem(b"hello"),
    "no end": pem(reference("hsm:p256")).split("-----END")[0],
    "bad base64": "-----BEGIN HSM KEY REFERENCE-----\n!!!!\n-----END HSM KEY REFERENCE-----\n",
    "newer version": pem(reference("hsm:p256", version=9)),
    "bytes after the end": pem(reference("hsm:p256") + b"more"),
    "a length that lies": pem(b"\x30\x84\xff\xff\xff\xff\x02\x01\x01"),
    "an endless length": pem(b"\x30\x80\x02\x01\x01"),
    "nested": pem(b"\x30\x80" * 5000),
    "a long URI": pem(reference("hsm:" + "a" * 5000)),
    "no key named": pem(reference("hsm:")),
    "another scheme": pem(reference("file:/etc/passwd")),
    "a NUL in the URI": pem(reference("hsm:p2\x0056")),
    "no such key": pem(reference("hsm:object=nothing")),
    "half a public key": pem(reference("hsm:object=p256", more=b"\x30\x59\x30\x13")),
    "no public key at all": pem(reference("hsm:object=p256", more=der(0x30, b"\x05\x00"))),
    "a pin source that is not there": pem(reference("hsm:p256?pin-source=file:/nonexistent/pin")),
}


@pytest.mark.parametrize("name", FILES)
def test_hostile_reference(keyed, name):
    path = keyed.work / "hostile.pem"
    path.write_text(FILES[name])
    result = keyed.openssl("pkey", "-in", path, "-noout", expect=None, guard=30)
    assert result.code != 0
    keyed.openssl("pkey", "-in", "p256.ref.pem", "-noout")


def test_a_reference_whose_public_key_is_another_ones(keyed):
    """Somebody who swaps the public key must not get signatures by a key he did not name."""
    public = keyed.plain("pkey", "-pubin", "-in", keyed.public("p384"), "-outform", "DER",
                         "-pubout").out
    path = keyed.work / "swapped.pem"
    path.write_text(pem(reference("hsm:object=p256", more=public)))
    result = keyed.openssl("pkey", "-in", path, "-noout", expect=None)
    assert result.code != 0
    assert "malformed key reference" in result.err


def test_hostile_der_file(keyed):
    path = keyed.work / "hostile.der"
    for content in (b"", b"\x30", b"\x30\x80" * 5000, b"\xff" * 100000):
        path.write_bytes(content)
        result = keyed.openssl("pkey", "-inform", "DER", "-in", path, "-noout", expect=None,
                               guard=30)
        assert result.code != 0


def test_files_of_others_are_read_without_noise(keyed):
    """The provider's decoder stands in line for every file, and must not show."""
    keyed.plain("genpkey", "-algorithm", "RSA", "-aes-128-cbc", "-pass", "pass:abcd", "-out",
                "own.pem")
    assert keyed.openssl("pkey", "-in", "own.pem", "-passin", "pass:abcd", "-noout").err == ""
    failed = keyed.openssl("pkey", "-in", "own.pem", "-passin", "pass:wrong", "-noout", expect=None)
    assert failed.code != 0 and "hsm" not in failed.err.lower().replace(str(keyed.work), "")
