# SPDX-License-Identifier: Apache-2.0
"""MACs and key derivation by the openssl tool with secret keys in the HSM, named by hsm-key."""

import pytest

from support import run

MESSAGE = b"a message of some length, for all of them\n" * 50
KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

MACS = {
    "hmac": ("generic-secret", ("-digest", "SHA512"), "HMAC"),
    "cmac": ("aes", ("-cipher", "AES-256-CBC"), "CMAC"),
    "gmac": ("aes", ("-cipher", "AES-256-GCM", "-macopt", "hexiv:" + 12 * "01"), "GMAC"),
    "kmac": ("generic-secret", ("-macopt", "custom:for tests"), "KMAC256"),
}

KDFS = {
    "hkdf": ("generic-secret", "key", ("digest:SHA256", "hexsalt:0102", "hexinfo:0304"), "HKDF"),
    "kbkdf": ("generic-secret", "key", ("mac:HMAC", "digest:SHA256", "hexinfo:0304"), "KBKDF"),
    "kbkdf-cmac": ("aes", "key", ("mac:CMAC", "cipher:AES-256-CBC", "hexsalt:01"), "KBKDF"),
    "x963": ("generic-secret", "key", ("digest:SHA256", "hexinfo:0304"), "X963KDF"),
    "tls1": ("generic-secret", "secret", ("digest:SHA256", "hexseed:0102"), "TLS1-PRF"),
    "tls13": ("generic-secret", "key", ("digest:SHA256", "mode:EXPAND_ONLY",
                                        "hexprefix:746c73313320", "hexlabel:6b6579"), "TLS13-KDF"),
}


def make(home, key_type, label="secret", key=KEY):
    run([home.build.directory / "bin/import_secret", key_type, label, key],
        env=home.environment(HSM_HOME=home.path), cwd=home.work)


def opts(option, values):
    return [word for value in values for word in (option, value)]


@pytest.mark.parametrize("name", MACS)
def test_mac(home, name):
    key_type, words, mac = MACS[name]
    make(home, key_type)
    ours = home.openssl("mac", "-propquery", "provider=hsm", *words, "-macopt",
                        "hsm-key:hsm:secret", mac, stdin=MESSAGE)
    assert ours.out == home.plain("mac", *words, "-macopt", f"hexkey:{KEY}", mac,
                                  stdin=MESSAGE).out


@pytest.mark.parametrize("name", KDFS)
def test_kdf(home, name):
    key_type, param, values, kdf = KDFS[name]
    make(home, key_type)
    words = ("kdf", "-keylen", "40", *opts("-kdfopt", values))
    ours = home.openssl(*words, "-propquery", "provider=hsm", "-kdfopt", "hsm-key:hsm:secret", kdf)
    assert ours.out == home.plain(*words, "-kdfopt", f"hex{param}:{KEY}", kdf).out


@pytest.mark.smoke
def test_the_error_names_what_is_missing(home):
    make(home, "generic-secret")
    handle = home.cli("key", "list", "--filter", "attr.label=secret").json[
        "data"]["matched_keys"][0]["key-reference"]
    home.cli("key", "set-attribute", "--filter", f"key-reference={handle}", "--name", "sign",
             "--value", "false")
    words = ("mac", "-propquery", "provider=hsm", "-digest", "SHA256", "-macopt")
    refused = home.openssl(*words, "hsm-key:hsm:secret", "HMAC", stdin=MESSAGE, expect=1)
    assert "its attribute 'sign' is false" in refused.err
    absent = home.openssl(*words, "hsm-key:hsm:other", "HMAC", stdin=MESSAGE, expect=1)
    assert "no secret key matches" in absent.err
    both = home.openssl(*words, "hsm-key:hsm:secret", "-macopt", f"hexkey:{KEY}", "HMAC",
                        stdin=MESSAGE, expect=1)
    assert "key bytes and hsm-key" in both.err


def test_what_is_no_uri_is_refused(home):
    words = ("mac", "-propquery", "provider=hsm", "-digest", "SHA256", "-macopt", "hsm-key:secret")
    refused = home.openssl(*words, "HMAC", stdin=MESSAGE, expect=1)
    assert "malformed key URI" in refused.err
