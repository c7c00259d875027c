# SPDX-License-Identifier: Apache-2.0
"""hsmctl key derive, encapsulate and decapsulate, against the openssl tool on the other side."""

import base64
import re

import pytest

DIGEST = "sha256"
NEW = ["--key-type", "generic-secret", "--attributes", "sign=true"]
# OpenSSL's group or algorithm, and hsmctl's curve
AGREEING = {"P-256": "secp256r1", "P-521": "secp521r1", "X25519": "x25519", "X448": "x448"}


def make_pair(home, label, kind="P-256"):
    """A pair that derives, and the file of its public key."""
    home.cli("key", "generate-asymmetric-pair", "ec", "--curve", AGREEING[kind], "--label", label,
             "--private-attributes", "derive=true")
    return public_file(home, label)


def public_file(home, label):
    file = home.work / f"{label}.pem"
    home.cli("key", "generate-file", "--encoding", "pem", "--path", file, "--filter",
             f"attr.label={label}", "attr.class=public-key")
    return file


def make_rsa(home, label="rsa"):
    home.cli("key", "generate-asymmetric-pair", "rsa", "--label", label, "--modulus-size-bits",
             "2048", "--private-attributes", "derive=true", "--public-attributes", "derive=true")
    return public_file(home, label)


def own_pair(home, kind):
    """The other side's pair, in files that the HSM has never seen."""
    private, public = home.work / f"{kind}.key", home.work / f"{kind}.pem"
    curve = ["EC", "-pkeyopt", f"group:{kind}"] if kind.startswith("P-") else [kind]
    home.plain("genpkey", "-algorithm", *curve, "-out", private)
    home.plain("pkey", "-in", private, "-pubout", "-out", public)
    return private, public


def mac_by_hsm(home, label):
    """HMAC with a key in the HSM: what its value is."""
    return home.openssl("mac", "-propquery", "provider=hsm", "-digest", DIGEST, "-macopt", f"hsm-key:hsm:{label}", "-in",
                        message(home), "HMAC").text.strip().lower()


def mac_by_openssl(home, key):
    return home.plain("mac", "-digest", DIGEST, "-macopt", f"hexkey:{key.hex()}", "-in",
                      message(home), "HMAC").text.strip().lower()


def message(home):
    file = home.work / "message"
    file.write_bytes(b"what both sides know")
    return file


def derive(home, method, base, label, *more, **options):
    return home.cli("key", "derive", method, "--filter", f"attr.label={base}", *(
        ["attr.class=private-key"] if method == "ecdh" else []), "--label", label, *NEW, *more,
                    **options)


@pytest.mark.parametrize("kind", AGREEING)
def test_an_agreement_gives_both_sides_the_same_key(home, kind):
    make_pair(home, "own", kind)
    private, public = own_pair(home, kind)
    key = derive(home, "ecdh", "own", "agreed", "--peer", public).json["data"]["key"]
    assert not key["attributes"]["local"] and not key["attributes"]["never-extractable"]
    shared = home.work / "shared"
    home.plain("pkeyutl", "-derive", "-inkey", private, "-peerkey", home.work / "own.pem", "-out",
               shared)
    assert key["attributes"]["key-length-bytes"] == len(shared.read_bytes())
    assert mac_by_hsm(home, "agreed") == mac_by_openssl(home, shared.read_bytes())


def test_an_agreement_with_x963(home):
    make_pair(home, "own")
    private, public = own_pair(home, "P-256")
    derive(home, "ecdh", "own", "agreed", "--peer", public, "--x963-hash-function", DIGEST,
           "--info", "0x0102", "--key-length-bytes", "50")
    shared = home.work / "shared"
    home.plain("pkeyutl", "-derive", "-inkey", private, "-peerkey", home.work / "own.pem", "-out",
               shared, "-pkeyopt", "kdf-type:X963KDF", "-pkeyopt", f"kdf-digest:{DIGEST}",
               "-pkeyopt", "kdf-outlen:50", "-pkeyopt", "hexkdf-ukm:0102")
    assert mac_by_hsm(home, "agreed") == mac_by_openssl(home, shared.read_bytes())


def kdf(home, name, length, *options):
    arguments = [part for option in options for part in ("-kdfopt", option)]
    done = home.plain("kdf", "-keylen", str(length), *arguments, name).text
    return bytes.fromhex(re.sub("[^0-9A-Fa-f]", "", done))


@pytest.mark.parametrize("method,options,name,theirs", [
    ("hkdf", ["--salt", "0x0a0b", "--info", "0x0c"], "HKDF",
     ["digest:SHA256", "hexsalt:0a0b", "hexinfo:0c"]),
    ("kbkdf", ["--hash-function", "sha384", "--kdf-label", "0x0a0b", "--kdf-context", "0x0c"],
     "KBKDF", ["mac:HMAC", "digest:SHA384", "hexsalt:0a0b", "hexinfo:0c"]),
    ("x963", ["--hash-function", "sha512", "--info", "0x0c"], "X963KDF",
     ["digest:SHA512", "hexinfo:0c"]),
])
def test_derivations_are_openssls(home, method, options, name, theirs):
    secret = bytes(range(1, 33))
    file = home.work / "root.bin"
    file.write_bytes(secret)
    home.cli("key", "import", "raw", "--path", file, "--key-type", "generic-secret", "--label",
             "root", "--attributes", "derive=true")
    derive(home, method, "root", "child", "--key-length-bytes", "40", *options)
    value = kdf(home, name, 40, f"hexkey:{secret.hex()}", *theirs)
    assert mac_by_hsm(home, "child") == mac_by_openssl(home, value)


def test_encapsulating_and_decapsulating(home):
    """RSASVE; the secret is as long as the modulus."""
    public = make_rsa(home)
    sent = home.cli("key", "encapsulate", "--peer", public, "--label", "sent", *NEW).json["data"]
    assert len(base64.b64decode(sent["ciphertext"])) == 256
    home.cli("key", "decapsulate", "--filter", "attr.label=rsa", "attr.class=private-key", "--data",
             sent["ciphertext"], "--label", "got", *NEW)
    assert mac_by_hsm(home, "got") == mac_by_hsm(home, "sent")
    file = home.work / "ciphertext"
    home.cli("key", "encapsulate", "--filter", "attr.label=rsa", "--label", "sent2", "--path", file,
             *NEW)
    home.cli("key", "decapsulate", "--filter", "attr.label=rsa", "attr.class=private-key",
             "--data-path", file, "--label", "got2", *NEW)
    assert mac_by_hsm(home, "got2") == mac_by_hsm(home, "sent2") != mac_by_hsm(home, "sent")


def test_ml_kem(home):
    if "ML-KEM" not in home.plain("list", "-kem-algorithms").text:
        pytest.skip("needs OpenSSL 3.5: ML-KEM")
    home.cli("key", "generate-asymmetric-pair", "ml-kem", "--label", "kem", "--parameter-set",
             "ML-KEM-768", "--private-attributes", "derive=true")
    new = ["--key-type", "aes", "--attributes", "encrypt=true"]
    sent = home.cli("key", "encapsulate", "--peer", public_file(home, "kem"), "--label", "sent",
                    *new).json["data"]
    got = home.cli("key", "decapsulate", "--filter", "attr.label=kem", "attr.class=private-key",
                   "--data", sent["ciphertext"], "--label", "got", *new).json["data"]
    assert got["key"]["attributes"]["check-value"] == sent["key"]["attributes"]["check-value"]


def test_what_is_refused_makes_no_key(home):
    make_pair(home, "own")
    make_rsa(home)
    _, public = own_pair(home, "P-256")
    _, other = own_pair(home, "X25519")
    before = home.cli("key", "list").json["data"]["total_key_count"]
    refused = [
        (["derive", "ecdh", "--filter", "attr.label=own", "attr.class=private-key", "--peer", other,
          "--key-type", "aes"], "of one curve"),
        (["derive", "ecdh", "--filter", "attr.label=own", "attr.class=private-key", "--peer",
          public, "--key-type", "rsa"], "--key-type takes"),
        (["derive", "ecdh", "--filter", "attr.label=own", "attr.class=private-key", "--peer",
          public, "--key-type", "aes", "--info", "0x01"], "--x963-hash-function"),
        (["derive", "ecdh", "--filter", "attr.label=own", "attr.class=private-key", "--peer",
          public, "--key-type", "generic-secret", "--key-length-bytes", "33"], "too few"),
        (["derive", "ecdh", "--filter", "attr.label=own", "attr.class=public-key", "--peer",
          public, "--key-type", "aes"], "is a public key"),
        (["derive", "hkdf", "--filter", "attr.label=own", "attr.class=private-key", "--key-type",
          "aes"], "a secret key is needed"),
        (["encapsulate", "--key-type", "generic-secret"], "--peer"),
        (["encapsulate", "--filter", "attr.label=rsa", "--key-type", "aes"], "generic-secret"),
        (["encapsulate", "--filter", "attr.label=rsa", "--key-type", "generic-secret", "--path",
          "/nowhere/ciphertext"], "/nowhere"),
        (["decapsulate", "--filter", "attr.label=rsa", "attr.class=private-key", "--key-type",
          "generic-secret", "--data", "AAAA"], "256 bytes"),
    ]
    for arguments, text in refused:
        done = home.cli("key", *arguments, "--label", "never", expect=None)
        assert done.code != 0 and text in done.json["data"], (arguments, done.json)
    assert home.cli("key", "list").json["data"]["total_key_count"] == before
