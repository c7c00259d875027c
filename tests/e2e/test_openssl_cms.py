# SPDX-License-Identifier: Apache-2.0
"""cms and smime: signed and sealed messages with keys in the HSM."""

import pytest

from support import KINDS

MESSAGE = "Content-Type: text/plain\r\n\r\nhello\r\n"


@pytest.fixture
def message(keyed):
    path = keyed.work / "message"
    path.write_bytes(MESSAGE.encode())
    return path


def certificate(keyed, kind, key):
    return keyed.certificate(key, f"cert-{kind}", extensions="client_ext",
                             digest=KINDS[kind].digest)


@pytest.mark.smoke
@pytest.mark.parametrize("kind", ["rsa2048", "rsapss", "p256", "p521"])
def test_cms_sign(keyed, kind, key_of, message):
    signer = certificate(keyed, kind, key_of(kind))
    # OpenSSL 3.0 has no CMS with Ed25519, and wants both said for an RSA-PSS key.
    digest = ["-md", "sha256", "-keyopt", "rsa_padding_mode:pss"] if kind == "rsapss" else []
    keyed.openssl("cms", "-sign", "-in", message, "-signer", signer, "-inkey", key_of(kind),
                  *digest, "-binary", "-nodetach", "-outform", "DER", "-out", "signed.der")
    opened = keyed.plain("cms", "-verify", "-in", "signed.der", "-inform", "DER", "-CAfile", signer,
                         "-binary", "-purpose", "any")
    assert opened.out == message.read_bytes()


def test_cms_sign_with_pss(keyed, message):
    signer = certificate(keyed, "rsa2048", "hsm:rsa2048")
    keyed.openssl("cms", "-sign", "-in", message, "-signer", signer, "-inkey", "hsm:rsa2048",
                  "-keyopt", "rsa_padding_mode:pss", "-md", "sha384", "-binary", "-nodetach",
                  "-outform", "DER", "-out", "signed.der")
    keyed.plain("cms", "-verify", "-in", "signed.der", "-inform", "DER", "-CAfile", signer,
                "-binary", "-purpose", "any", "-out", "opened")


@pytest.mark.parametrize("kind, options", [
    ("rsa2048", []),
    ("rsa2048", ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"]),
    ("p256", []),
    ("p384", ["-keyopt", "ecdh_kdf_md:sha384"]),
], ids=["rsa", "rsa-oaep", "p256", "p384-sha384"])
def test_cms_decrypt(keyed, kind, options, key_of, message):
    recipient = certificate(keyed, kind, key_of(kind))
    keyed.plain("cms", "-encrypt", "-in", message, "-aes-256-cbc", "-binary", "-outform", "DER",
                "-out", "sealed.der", "-recip", recipient, *options)
    opened = keyed.openssl("cms", "-decrypt", "-in", "sealed.der", "-inform", "DER", "-binary",
                           "-recip", recipient, "-inkey", key_of(kind))
    assert opened.out == message.read_bytes()


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_cms_encrypt_beside_the_provider(keyed, kind, message):
    recipient = certificate(keyed, kind, f"hsm:{kind}")
    keyed.openssl("cms", "-encrypt", "-in", message, "-aes-128-cbc", "-binary", "-outform", "DER",
                  "-out", "sealed.der", "-recip", recipient)
    opened = keyed.openssl("cms", "-decrypt", "-in", "sealed.der", "-inform", "DER", "-binary",
                           "-inkey", f"hsm:{kind}", "-recip", recipient)
    assert opened.out == message.read_bytes()


def test_cms_decrypt_with_another_key_fails(keyed, message):
    recipient = certificate(keyed, "rsa2048", "hsm:rsa2048")
    keyed.plain("cms", "-encrypt", "-in", message, "-aes-256-cbc", "-binary", "-outform", "DER",
                "-out", "sealed.der", recipient)
    refused = keyed.openssl("cms", "-decrypt", "-in", "sealed.der", "-inform", "DER", "-recip",
                            recipient, "-inkey", "hsm:rsa3072", expect=None)
    assert refused.code != 0 and b"hello" not in refused.out


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_smime_sign(keyed, kind, key_of, message):
    signer = certificate(keyed, kind, key_of(kind))
    keyed.openssl("smime", "-sign", "-in", message, "-signer", signer, "-inkey", key_of(kind),
                  "-out", "signed.eml")
    opened = keyed.plain("smime", "-verify", "-in", "signed.eml", "-CAfile", signer)
    assert b"hello" in opened.out


def test_smime_decrypt(keyed, key_of, message):
    recipient = certificate(keyed, "rsa2048", key_of("rsa2048"))
    keyed.plain("smime", "-encrypt", "-in", message, "-aes256", "-out", "sealed.eml", recipient)
    opened = keyed.openssl("smime", "-decrypt", "-in", "sealed.eml", "-recip", recipient, "-inkey",
                           key_of("rsa2048"))
    assert b"hello" in opened.out
