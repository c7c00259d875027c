# SPDX-License-Identifier: Apache-2.0
"""Opaque secret keys (EVP_SKEY, OpenSSL 3.5) by the openssl tool: keys in the HSM, and given ones."""

import re

import pytest

from support import OPENSSL, create_cluster, run

pytestmark = pytest.mark.skipif(OPENSSL < (3, 5), reason="EVP_SKEY came with OpenSSL 3.5")

MESSAGE = b"a message of some length, for all of them\n" * 50
KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
IV = "0f0e0d0c0b0a09080706050403020100"
HSM = ("-propquery", "provider=hsm")

# What `openssl enc` can do: it knows no AEAD and no XTS.
CIPHERS = {
    "aes-128-ecb": ("aes", "AES", 16, False),
    "aes-192-cbc": ("aes", "AES", 24, True),
    "aes-256-cbc": ("aes", "AES", 32, True),
    "aes-256-ctr": ("aes", "AES", 32, True),
    "des-ede3-cbc": ("des3", "3DES", 24, True),
}


def make(home, key_type, label="secret", key=KEY):
    run([home.build.directory / "bin/import_secret", key_type, label, key],
        env=home.environment(HSM_HOME=home.path), cwd=home.work)


def enc(home, cipher, *words, iv=IV, **options):
    nonce = ("-iv", iv) if iv else ()
    return home.openssl("enc", f"-{cipher}", *HSM, *nonce, *words, **options)


def held(name, manager="AES"):
    return ("-skeymgmt", manager, "-skeyopt", f"hsm-key:{name}")


def skeyutl(home, *options, manager="AES", **more):
    words = [word for option in options for word in ("-skeyopt", option)]
    return home.openssl("skeyutl", "-genkey", *HSM, "-skeymgmt", manager, *words, **more)


def secrets(home):
    found = home.cli("key", "list", "--filter", "attr.class=secret-key", "--verbose").json
    return [key["attributes"] for key in found["data"]["matched_keys"]]


@pytest.mark.parametrize("name", CIPHERS)
def test_enc_agrees_with_key_bytes(home, name):
    key_type, manager, size, has_iv = CIPHERS[name]
    key = KEY[:2 * size]
    iv = (IV[:16] if key_type == "des3" else IV) if has_iv else None
    make(home, key_type, key=key)
    sealed = enc(home, name, *held("hsm:secret", manager), iv=iv, stdin=MESSAGE).out
    nonce = ("-iv", iv) if iv else ()
    assert sealed == home.plain("enc", f"-{name}", "-K", key, *nonce, stdin=MESSAGE).out
    opened = enc(home, name, "-d", *held("hsm:secret", manager), iv=iv, stdin=sealed)
    assert opened.out == MESSAGE


def test_enc_takes_given_bytes(home):
    given = ("-skeymgmt", "AES", "-skeyopt", f"hexraw-bytes:{KEY}")
    sealed = enc(home, "aes-256-cbc", *given, stdin=MESSAGE).out
    assert sealed == home.plain("enc", "-aes-256-cbc", "-K", KEY, "-iv", IV, stdin=MESSAGE).out
    assert not secrets(home)


@pytest.mark.smoke
def test_genkey_keeps_a_key_with_a_name(home):
    said = skeyutl(home, "key-length:32", "hsm-label:backup", "hsm-extractable:false").text
    assert "Provider: hsm" in said and "Key management: AES" in said
    name = re.search(r"identified by (hsm:handle=0x[0-9a-f]{16};type=secret-key) ", said)[1]
    key, = secrets(home)
    assert key["label"] == "backup" and key["key-type"] == "aes"
    assert key["key-length-bytes"] == 32
    assert not key["extractable"] and key["encrypt"] and key["decrypt"] and not key["wrap"]
    # By the name that was printed, and by its label.
    sealed = enc(home, "aes-256-ctr", *held(name), stdin=MESSAGE).out
    assert sealed not in (b"", MESSAGE)
    opened = enc(home, "aes-256-ctr", "-d", *held("hsm:backup"), stdin=sealed)
    assert opened.out == MESSAGE


@pytest.mark.parametrize("manager", ["AES", "AES-XTS", "GENERIC-SECRET", "3DES", "ChaCha20"])
def test_genkey_makes_every_type(home, manager):
    said = skeyutl(home, manager=manager, pin=None).text
    assert f"Key management: {manager}" in said
    assert not secrets(home)  # without a name it ends with the process
    skeyutl(home, "hsm-label:kept", manager=manager)
    kept = "des3" if manager == "3DES" else manager.lower()
    assert [key["key-type"] for key in secrets(home)] == [kept]


def test_list_shows_the_managers(home):
    said = home.openssl("list", "-skey-managers", "-propquery", "provider=hsm").text
    for manager in ("AES", "AES-XTS", "GENERIC-SECRET", "3DES", "ChaCha20"):
        assert re.search(rf"IDs: .*\b{manager}\b.* @ hsm", said), said


def test_genkey_refuses_what_does_not_fit(home):
    cases = {
        ("key-length:20",): "aes keys have 16 to 32 bytes in steps of 8, not 20",
        ("key-length:0",): "'key-length' is in bytes",
        ("key-length:99999999999",): "not 99999999999",
        ("hsm-encrypt:perhaps",): "hsm-encrypt: 'encrypt' takes true or false",
        ("hsm-id:xyz",): "hsm-id",
    }
    for options, text in cases.items():
        refused = skeyutl(home, *options, expect=1)
        assert text in refused.err, refused
    assert "no password for" in skeyutl(home, "hsm-label:x", pin=None, expect=1).err
    assert not secrets(home)


def test_enc_says_why_a_key_does_not_serve(home):
    make(home, "aes", "short", KEY[:32])
    make(home, "generic-secret", "generic")
    make(home, "aes")
    cases = {
        held("hsm:short"): "needs a key of type aes with 32 bytes, not aes with 16",
        held("hsm:generic"): "whose key management is GENERIC-SECRET, not AES",
        held("hsm:generic", "GENERIC-SECRET"): "AES-256-CBC needs a key of type aes",
        held("hsm:other"): "no secret key matches",
        held("secret"): "malformed key URI",
        (*held("hsm:secret"), "-skeyopt", f"hexraw-bytes:{KEY}"): "key bytes and hsm-key",
        ("-skeymgmt", "AES", "-skeyopt", "hexraw-bytes:0102"): "aes keys have 16 to 32 bytes",
    }
    for words, text in cases.items():
        refused = enc(home, "aes-256-cbc", *words, stdin=MESSAGE, expect=1)
        assert text in refused.err and not refused.out, refused
    refused = enc(home, "aes-256-cbc", *held("hsm:secret"), pin=None, stdin=MESSAGE, expect=1)
    assert "no password for" in refused.err and not refused.out
    key = next(key for key in home.cli("key", "list", "--filter", "attr.label=secret").json[
        "data"]["matched_keys"])
    home.cli("key", "set-attribute", "--filter", f"key-reference={key['key-reference']}",
             "--name", "encrypt", "--value", "false")
    refused = enc(home, "aes-256-cbc", *held("hsm:secret"), stdin=MESSAGE, expect=1)
    assert "its attribute 'encrypt' is false" in refused.err and not refused.out
    assert enc(home, "aes-256-cbc", "-d", *held("hsm:secret"),
               stdin=home.plain("enc", "-aes-256-cbc", "-K", KEY, "-iv", IV,
                                stdin=MESSAGE).out).out == MESSAGE


@pytest.fixture
def fips(build, tmp_path):
    return create_cluster(build, tmp_path / "hsm", tmp_path / "work", options=("--mode", "fips"))


def test_fips_mode_holds_for_opaque_keys(fips):
    for manager in ("ChaCha20", "3DES"):
        refused = skeyutl(fips, "hsm-label:no", manager=manager, expect=1)
        assert "in a cluster in FIPS mode" in refused.err
    given = ("-skeymgmt", "ChaCha20", "-skeyopt", f"hexraw-bytes:{KEY}")
    refused = enc(fips, "chacha20", *given, stdin=MESSAGE, expect=1)
    assert "Unknown option or cipher: chacha20" in refused.err  # it is not handed on there
    # 3DES may still decrypt.
    given = ("-skeymgmt", "3DES", "-skeyopt", f"hexraw-bytes:{KEY[:48]}")
    refused = enc(fips, "des-ede3-cbc", *given, iv=IV[:16], stdin=MESSAGE, expect=1)
    assert "a key of type des3 may not do this in a cluster in FIPS mode" in refused.err
    sealed = fips.plain("enc", "-des-ede3-cbc", "-K", KEY[:48], "-iv", IV[:16],
                        stdin=MESSAGE).out
    assert enc(fips, "des-ede3-cbc", "-d", *given, iv=IV[:16], stdin=sealed).out == MESSAGE
    assert not secrets(fips)
    skeyutl(fips, "hsm-label:yes")
    assert [key["label"] for key in secrets(fips)] == ["yes"]
