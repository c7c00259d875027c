# SPDX-License-Identifier: Apache-2.0
"""pkeyutl: RSA decryption and encryption with every padding, key agreement."""

import pytest

from support import EC_KINDS

OAEP = [
    [],
    ["rsa_oaep_md:sha256"],
    ["rsa_oaep_md:sha512", "rsa_mgf1_md:sha1"],
    ["rsa_oaep_md:sha384", "rsa_oaep_label:6c6162656c"],
    ["rsa_oaep_md:sha1", "rsa_mgf1_md:sha256"],
]


def pkeyopts(options):
    return [word for option in options for word in ("-pkeyopt", option)]


def check_both_ways(keyed, key, options, secret):
    source = keyed.work / "secret"
    source.write_bytes(secret)
    public = keyed.public("rsa2048")
    encryptors = [
        lambda: keyed.plain("pkeyutl", "-encrypt", "-pubin", "-inkey", public, "-in", source,
                            *options, "-out", "sealed"),
        lambda: keyed.openssl("pkeyutl", "-encrypt", "-inkey", key, "-in", source, *options,
                              "-out", "sealed"),
    ]
    for encrypt in encryptors:
        encrypt()
        opened = keyed.openssl("pkeyutl", "-decrypt", "-inkey", key, "-in", "sealed", *options)
        assert opened.out == secret


@pytest.mark.smoke
@pytest.mark.parametrize("extra", OAEP, ids=" ".join)
def test_oaep(keyed, extra, key_of):
    options = pkeyopts(["rsa_padding_mode:oaep", *extra])
    check_both_ways(keyed, key_of("rsa2048"), options, b"a secret")


def test_pkcs1(keyed, key_of):
    check_both_ways(keyed, key_of("rsa2048"), [], b"a secret")
    check_both_ways(keyed, key_of("rsa2048"), pkeyopts(["rsa_padding_mode:pkcs1"]), b"x" * 245)


def test_no_padding(keyed, key_of):
    check_both_ways(keyed, key_of("rsa2048"), pkeyopts(["rsa_padding_mode:none"]),
                    b"\0" + b"y" * 255)


def test_tampered_oaep_does_not_open(keyed):
    options = pkeyopts(["rsa_padding_mode:oaep"])
    (keyed.work / "secret").write_bytes(b"a secret")
    keyed.plain("pkeyutl", "-encrypt", "-pubin", "-inkey", keyed.public("rsa2048"), "-in", "secret",
                *options, "-out", "sealed")
    sealed = bytearray((keyed.work / "sealed").read_bytes())
    sealed[100] ^= 1
    (keyed.work / "sealed").write_bytes(sealed)
    refused = keyed.openssl("pkeyutl", "-decrypt", "-inkey", "hsm:rsa2048", "-in", "sealed",
                            *options, expect=None)
    assert refused.code != 0 and refused.out == b""


def test_a_key_that_may_not_decrypt(home):
    home.genpkey("rsa2048", "signer", "-pkeyopt", "hsm-decrypt:false")
    (home.work / "sealed").write_bytes(b"\0" * 256)
    refused = home.openssl("pkeyutl", "-decrypt", "-inkey", "hsm:signer", "-in", "sealed",
                           expect=None)
    assert refused.code != 0
    assert "decrypt" in refused.err and "attribute" in refused.err


@pytest.mark.parametrize("kind", EC_KINDS)
def test_key_agreement(keyed, kind, key_of):
    curve = keyed.plain("pkey", "-pubin", "-in", keyed.public(kind), "-text", "-noout").text
    name = next(line.split()[-1] for line in curve.splitlines() if "OID" in line)
    keyed.plain("ecparam", "-name", name, "-genkey", "-noout", "-out", "peer.pem")
    keyed.plain("pkey", "-in", "peer.pem", "-pubout", "-out", "peer.pub.pem")
    ours = keyed.openssl("pkeyutl", "-derive", "-inkey", key_of(kind), "-peerkey",
                         "peer.pub.pem").out
    theirs = keyed.plain("pkeyutl", "-derive", "-inkey", "peer.pem", "-peerkey",
                         keyed.public(kind)).out
    assert ours == theirs and len(ours) >= 28


def test_key_agreement_between_two_held_keys(keyed):
    keyed.genpkey("p256", "other")
    first = keyed.openssl("pkeyutl", "-derive", "-inkey", "hsm:p256", "-peerkey",
                          keyed.public("other")).out
    second = keyed.openssl("pkeyutl", "-derive", "-inkey", "hsm:other", "-peerkey",
                           keyed.public("p256")).out
    assert first == second


def test_peer_on_another_curve_is_refused(keyed):
    refused = keyed.openssl("pkeyutl", "-derive", "-inkey", "hsm:p256", "-peerkey",
                            keyed.public("p384"), expect=None)
    assert refused.code != 0 and refused.out == b""
