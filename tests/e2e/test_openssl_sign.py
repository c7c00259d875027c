# SPDX-License-Identifier: Apache-2.0
"""dgst and pkeyutl: signatures of every kind, checked by the default provider alone."""

import hashlib

import pytest

from support import EC_KINDS, RSA_KINDS

DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512-224", "sha512-256",
           "sha3-224", "sha3-256", "sha3-384", "sha3-512")
PSS = ("-sigopt", "rsa_padding_mode:pss")


@pytest.fixture
def data(keyed):
    path = keyed.work / "data"
    path.write_bytes(bytes(range(256)) * 40)
    return path


def check_dgst(keyed, kind, key, data, digest, options=()):
    keyed.openssl("dgst", "-" + digest, *options, "-sign", key, "-out", "signature", data)
    verify = ("dgst", "-" + digest, *options, "-verify", keyed.public(kind), "-signature",
              "signature", data)
    keyed.plain(*verify)
    # By the HSM's own verification, with the held key, too.
    keyed.openssl("dgst", "-" + digest, *options, "-prverify", key, "-signature", "signature", data)


@pytest.mark.smoke
@pytest.mark.parametrize("kind", [*RSA_KINDS, "rsapss", *EC_KINDS])
def test_dgst(keyed, kind, key_of, data):
    check_dgst(keyed, kind, key_of(kind), data, "sha256")


@pytest.mark.parametrize("digest", DIGESTS)
@pytest.mark.parametrize("kind, options", [("rsa2048", ()), ("rsa2048", PSS), ("p256", ())],
                         ids=["rsa-pkcs1", "rsa-pss", "ecdsa"])
def test_dgst_with_every_digest(keyed, kind, options, digest, data):
    check_dgst(keyed, kind, f"hsm:{kind}", data, digest, options)


@pytest.mark.parametrize("salt", ["digest", "max", "auto", "0", "20", "32"])
@pytest.mark.parametrize("mgf", ["", "sha1", "sha512"])
@pytest.mark.parametrize("kind", ["rsa2048", "rsapss"])
def test_dgst_pss_parameters(keyed, kind, salt, mgf, data):
    options = [*PSS, "-sigopt", f"rsa_pss_saltlen:{salt}"]
    if mgf:
        options += ["-sigopt", f"rsa_mgf1_md:{mgf}"]
    check_dgst(keyed, kind, f"hsm:{kind}", data, "sha256", options)


def test_a_changed_message_does_not_verify(keyed, data):
    for kind in ("rsa2048", "rsapss", "p256"):
        keyed.openssl("dgst", "-sha256", "-sign", f"hsm:{kind}", "-out", "signature", data)
        other = keyed.work / "other"
        other.write_bytes(data.read_bytes() + b"!")
        refused = keyed.openssl("dgst", "-sha256", "-prverify", f"hsm:{kind}", "-signature",
                                "signature", other, expect=1)
        assert "Verif" in refused.text


def check_pkeyutl(keyed, kind, key, options, message):
    source = keyed.work / "message"
    source.write_bytes(message)
    keyed.openssl("pkeyutl", "-sign", "-inkey", key, "-in", source, *options, "-out", "signature")
    checked = ("-in", source, "-sigfile", "signature", *options)
    keyed.plain("pkeyutl", "-verify", "-pubin", "-inkey", keyed.public(kind), *checked)
    keyed.openssl("pkeyutl", "-verify", "-inkey", key, *checked)


def pkeyopts(*options):
    return [word for option in options for word in ("-pkeyopt", option)]


@pytest.mark.parametrize("padding, digest", [
    (padding, digest) for padding in ("pkcs1", "pss", "x931")
    for digest in ("sha1", "sha256", "sha384", "sha512", "sha3-256")
    if (padding, digest) != ("x931", "sha3-256")])  # X9.31 has no identifier for SHA-3
def test_pkeyutl_rsa_paddings(keyed, padding, digest, key_of):
    options = pkeyopts(f"digest:{digest}", f"rsa_padding_mode:{padding}")
    message = hashlib.new(digest.replace("-", "_"), b"message").digest()
    check_pkeyutl(keyed, "rsa2048", key_of("rsa2048"), options, message)


@pytest.mark.parametrize("salt", ["digest", "max", "auto", "0", "17"])
@pytest.mark.parametrize("mgf", ["sha256", "sha384"])
def test_pkeyutl_pss_parameters(keyed, salt, mgf):
    options = pkeyopts("rsa_padding_mode:pss", "digest:sha256", f"rsa_pss_saltlen:{salt}",
                       f"rsa_mgf1_md:{mgf}")
    check_pkeyutl(keyed, "rsa2048", "hsm:rsa2048", options, hashlib.sha256(b"m").digest())


def test_raw_rsa(keyed, key_of):
    """pkeyutl takes no more than a digest for -sign, so this is rsautl's."""
    (keyed.work / "message").write_bytes(b"\0" + bytes(range(255)))
    keyed.openssl("rsautl", "-sign", "-raw", "-inkey", key_of("rsa2048"), "-in", "message", "-out",
                  "signature")
    for tool, key in [(keyed.plain, ("-pubin", "-inkey", keyed.public("rsa2048"))),
                      (keyed.openssl, ("-inkey", key_of("rsa2048")))]:
        recovered = tool("pkeyutl", "-verifyrecover", *key, "-in", "signature", "-pkeyopt",
                         "rsa_padding_mode:none").out
        assert recovered == b"\0" + bytes(range(255))


def test_pkeyutl_pkcs1_without_digest(keyed, key_of):
    check_pkeyutl(keyed, "rsa2048", key_of("rsa2048"), [], b"short and bare")


@pytest.mark.parametrize("kind", EC_KINDS)
def test_pkeyutl_ecdsa(keyed, kind, key_of):
    check_pkeyutl(keyed, kind, key_of(kind), [], hashlib.sha256(b"m").digest())


@pytest.mark.parametrize("digest", ["sha256", "sha512", "sha3-384"])
@pytest.mark.parametrize("kind", ["rsa2048", "rsapss", "p256", "p521"])
def test_pkeyutl_raw_input(keyed, kind, digest, key_of):
    check_pkeyutl(keyed, kind, key_of(kind), ["-rawin", "-digest", digest], b"raw input" * 999)


@pytest.mark.parametrize("salt", ["digest", "max", "17"])
def test_pkeyutl_raw_input_with_pss(keyed, salt, key_of):
    options = ["-rawin", "-digest", "sha384",
               *pkeyopts("rsa_padding_mode:pss", f"rsa_pss_saltlen:{salt}")]
    check_pkeyutl(keyed, "rsa2048", key_of("rsa2048"), options, b"raw input" * 999)


@pytest.mark.smoke
@pytest.mark.parametrize("size", [1, 100000])
def test_pkeyutl_ed25519(keyed, size, key_of):
    check_pkeyutl(keyed, "ed25519", key_of("ed25519"), ["-rawin"], b"x" * size)


@pytest.mark.parametrize("padding", ["pkcs1", "x931"])
def test_pkeyutl_verify_recover(keyed, padding, key_of):
    message = hashlib.sha256(b"recover me").digest()
    options = pkeyopts("digest:sha256", f"rsa_padding_mode:{padding}")
    (keyed.work / "message").write_bytes(message)
    keyed.openssl("pkeyutl", "-sign", "-inkey", key_of("rsa2048"), "-in", "message", *options,
                  "-out", "signature")
    by_us = keyed.openssl("pkeyutl", "-verifyrecover", "-inkey", key_of("rsa2048"), "-in",
                          "signature", *options).out
    by_default = keyed.plain("pkeyutl", "-verifyrecover", "-pubin", "-inkey",
                             keyed.public("rsa2048"), "-in", "signature", *options).out
    assert by_us == by_default == message


@pytest.mark.parametrize("options, named", [
    (("digest:sha3-256", "rsa_padding_mode:x931"), ""),
    (("rsa_padding_mode:pss", "rsa_pss_saltlen:9999", "digest:sha256"), ""),
    (("digest:no-such-digest",), "no-such-digest"),
    (("digest:sha512",), ""),
])
def test_wrong_parameters_are_errors(keyed, options, named):
    (keyed.work / "message").write_bytes(b"x" * 32)
    refused = keyed.openssl("pkeyutl", "-sign", "-inkey", "hsm:rsa2048", "-in", "message",
                            *pkeyopts(*options), expect=None)
    assert refused.code != 0 and refused.out == b""
    assert named in refused.err


def test_a_key_that_may_not_sign(home):
    home.genpkey("p256", "agree", "-pkeyopt", "hsm-sign:false")
    (home.work / "message").write_bytes(b"x" * 32)
    refused = home.openssl("pkeyutl", "-sign", "-inkey", "hsm:agree", "-in", "message",
                           expect=None)
    assert refused.code != 0
    assert "sign" in refused.err and "attribute" in refused.err
