# SPDX-License-Identifier: Apache-2.0
"""Digests, ciphers, MACs, KDFs and random numbers by the openssl tool, from the HSM provider."""

import re

import pytest

from support import OPENSSL, ROOT, run

LISTS = ("digest-algorithms", "cipher-algorithms", "mac-algorithms", "kdf-algorithms",
         "random-generators")
# Both ways to ask for the HSM. The second also holds with other providers active.
QUERIES = ("?provider=hsm", "provider=hsm")
MESSAGE = b"a message of some length, for all of them\n" * 50


def names(listing, provider):
    """The names of each algorithm of a provider, as `openssl list` shows them."""
    return sorted(tuple(sorted(match[1].strip("{ }").split(", ")))
                  for match in re.finditer(rf"^\s*(.*) @ {provider}$", listing, re.MULTILINE))


@pytest.mark.smoke
@pytest.mark.parametrize("what", LISTS)
def test_the_lists_are_those_of_default(home, what):
    ours = names(home.openssl("list", f"-{what}").text, "hsm")
    theirs = names(home.plain("list", f"-{what}").text, "default")
    assert ours == theirs
    assert ours


def test_the_lists_are_as_they_were_kept(home):
    """Every name of every operation, in the repository's files; scripts/algorithms renews them."""
    version = ".".join(map(str, OPENSSL))
    if not (ROOT / f"tests/e2e/lists/openssl-{version}.txt").exists():
        pytest.skip(f"no lists are kept of OpenSSL {version}")
    run([ROOT / "scripts/algorithms", "--check"],
        env=home.environment(HSM_BUILD_DIR=home.build.directory), cwd=ROOT)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("digest", ["sha256", "sha3-512", "blake2b512", "md5", "sm3"])
def test_dgst(home, digest, query):
    words = ("dgst", f"-{digest}", "-r")
    ours = home.openssl(*words, "-propquery", query, stdin=MESSAGE)
    assert ours.out == home.plain(*words, stdin=MESSAGE).out


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-128-ctr", "chacha20", "des-ede3-cbc",
                                    "camellia-192-ofb"])
def test_enc(home, cipher, query):
    words = ("enc", f"-{cipher}", "-pbkdf2", "-k", "password", "-S", "0102030405060708")
    ours = home.openssl(*words, "-propquery", query, stdin=MESSAGE)
    assert ours.out == home.plain(*words, stdin=MESSAGE).out
    back = home.openssl(*words, "-d", "-propquery", query, stdin=ours.out)
    assert back.out == MESSAGE


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("words", [
    ("-digest", "SHA512", "-macopt", "hexkey:00112233", "HMAC"),
    ("-cipher", "AES-256-CBC", "-macopt", "hexkey:" + 32 * "5a", "CMAC"),
    ("-cipher", "AES-128-GCM", "-macopt", "hexkey:" + 16 * "5a", "-macopt", "hexiv:" + 12 * "01",
     "GMAC"),
    ("-macopt", "hexkey:" + 32 * "5a", "-macopt", "custom:for tests", "KMAC256"),
    ("-macopt", "hexkey:" + 32 * "5a", "Poly1305"),
], ids=lambda words: words[-1])
def test_mac(home, words, query):
    ours = home.openssl("mac", "-propquery", query, *words, stdin=MESSAGE)
    assert ours.out == home.plain("mac", *words, stdin=MESSAGE).out


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("words", [
    ("-kdfopt", "digest:SHA256", "-kdfopt", "hexkey:00112233", "-kdfopt", "salt:salt", "HKDF"),
    ("-kdfopt", "digest:SHA256", "-kdfopt", "pass:secret", "-kdfopt", "salt:salt", "-kdfopt",
     "iter:1000", "-kdfopt", "pkcs5:1", "PBKDF2"),
    ("-kdfopt", "pass:secret", "-kdfopt", "salt:salt", "-kdfopt", "n:1024", "-kdfopt", "r:8",
     "-kdfopt", "p:1", "SCRYPT"),
    ("-kdfopt", "digest:SHA256", "-kdfopt", "secret:secret", "-kdfopt", "seed:seed", "TLS1-PRF"),
], ids=lambda words: words[-1])
def test_kdf(home, words, query):
    ours = home.openssl("kdf", "-propquery", query, "-keylen", "40", *words)
    assert ours.out == home.plain("kdf", "-keylen", "40", *words).out


def random_from(text, query):
    """The example with its random numbers from the providers that the query asks for."""
    return text.replace("# random = ", "random = ").replace(
        "properties = ?provider=hsm\nseed_properties = ?provider=hsm",
        f"properties = {query}\nseed_properties = {query}")


@pytest.mark.parametrize("query", QUERIES)
def test_rand(home, query):
    home.write_conf(lambda text: random_from(text, query))
    drawn = {home.openssl("rand", "-hex", "32").text for _ in range(3)}
    assert len(drawn) == 3
    assert len(home.openssl("rand", "100000").out) == 100_000


def test_rand_says_when_there_is_no_such_provider(home):
    """That the section above is what `openssl rand` goes by."""
    home.write_conf(lambda text: random_from(text, "provider=nobody"))
    home.openssl("rand", "-hex", "32", expect=1)


def alone(home):
    """A configuration with the HSM provider and what reads files, and nothing else."""
    home.write_conf(lambda text: text.replace("default = default_sect", "base = base_sect")
                    .replace("[default_sect]", "[base_sect]"))


SPEED = {
    "digest": ("-bytes", "1024", "-evp", "sha3-256"),
    "cipher": ("-bytes", "1024", "-evp", "aes-256-gcm"),
    "mac": ("-bytes", "1024", "-hmac", "sha256"),
    "cmac": ("-bytes", "1024", "-cmac", "aes-256-cbc"),
    "signature": ("rsa2048", "ecdsap256", "ed25519"),
    "agreement": ("ecdhp256", "ecdhx448", "ffdh2048"),
    "kem": ("rsa2048", "ML-KEM-768", "X25519MLKEM768"),
}


@pytest.mark.parametrize("what", SPEED)
def test_speed(home, what):
    """A second each, by the HSM provider alone."""
    if what == "kem" and OPENSSL < (3, 5):
        pytest.skip("OpenSSL 3.0 has no KEM that openssl speed knows")
    alone(home)
    shown = home.openssl("speed", "-seconds", "1", "-mr", *SPEED[what])
    assert "ailure" not in shown.err and "rror" not in shown.err, shown.err
    results = [line for line in shown.text.splitlines() if line.startswith("+F")]
    assert len(results) >= len([word for word in SPEED[what] if word[0].isalpha()]), shown.text
    assert all(re.search(":[0-9.]*[1-9]", line) for line in results), shown.text


def test_encrypted_key_files(home):
    """PBES2, with the KDF, the MAC and the cipher from the HSM."""
    home.plain("genpkey", "-algorithm", "EC", "-pkeyopt", "group:P-256", "-aes-256-cbc", "-pass",
               "pass:secret", "-out", "plain.pem")
    alone(home)
    shown = home.openssl("pkey", "-in", "plain.pem", "-passin", "pass:secret", "-pubout")
    assert shown.out == home.plain("pkey", "-in", "plain.pem", "-passin", "pass:secret",
                                   "-pubout").out


def test_listing_providers_needs_no_home(home):
    home.write_conf(lambda text: text.replace(str(home.path), "/nonexistent"))
    assert "HSM provider" in home.openssl("list", "-providers").text
    assert home.openssl("dgst", "-sha256", "-propquery", "provider=hsm", stdin=b"x").text
