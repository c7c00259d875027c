# SPDX-License-Identifier: Apache-2.0
"""A private key must not be found anywhere: known keys are imported, and their bytes are looked for in
every output, file and error text that comes out of using them."""

import base64
import re
import textwrap

import pytest

SLICE = 16  # bytes of a number that are looked for; no chance finds as many


def private_numbers(home, file):
    """The secret integers of a PEM key, as bytes, read from openssl's own text."""
    shown = home.plain("pkey", "-in", file, "-text", "-noout").text
    fields = re.findall(r"^(priv|privateExponent|prime1|prime2|exponent1|exponent2|coefficient):"
                        r"((?:\n    .*)+)", shown, re.MULTILINE)
    assert fields
    return {name: bytes.fromhex(re.sub(r"[\s:]", "", digits)) for name, digits in fields}


def needles(number):
    """How a part of a number could look in a file or a text."""
    part = number[-SLICE - 1:-1]
    hexadecimal = part.hex()
    yield part
    yield part[::-1]
    for spelled in (hexadecimal, ":".join(textwrap.wrap(hexadecimal, 2)),
                    " ".join(textwrap.wrap(hexadecimal, 2))):
        yield spelled.encode()
        yield spelled.upper().encode()
    for shift in range(3):
        # Base64 of the part at each of the three places it can have; the ends depend on neighbours.
        yield base64.b64encode(b"\0" * shift + part)[shift + 2:20]


def found_in(content, secrets):
    flat = re.sub(rb"[\r\n]\s*", b"", content)
    return [name for name, number in secrets.items() for needle in needles(number)
            if needle in content or needle in flat]


def test_the_search_finds_what_is_there(home):
    """Otherwise the other tests could not fail."""
    home.plain("genpkey", "-algorithm", "RSA", "-out", "own.pem")
    secrets = private_numbers(home, "own.pem")
    for words in (("pkey", "-in", "own.pem"), ("pkey", "-in", "own.pem", "-outform", "DER"),
                  ("pkey", "-in", "own.pem", "-text", "-noout")):
        assert set(found_in(home.plain(*words).out, secrets)) == set(secrets)


@pytest.fixture(params=["rsa", "ec", "ed25519"])
def imported(request, home):
    """A home with a key `known` that was imported, and the key's secret numbers."""
    make = {"rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
            "ec": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
            "ed25519": ("-algorithm", "ED25519")}[request.param]
    outside = home.work.parent / "outside"
    outside.mkdir()
    home.plain("genpkey", *make, "-out", outside / "known.pem")
    secrets = private_numbers(home, outside / "known.pem")
    seen = [home.cli("key", "import", "pem", "--path", outside / "known.pem", "--label", "known",
                     "--private-attributes", "sign=true", "extractable=true",
                     *(["decrypt=true"] if request.param == "rsa" else []))]
    return home, secrets, seen, request.param


def test_an_imported_key_is_nowhere(imported):
    home, secrets, seen, kind = imported
    (home.work / "data").write_bytes(b"x" * 32)

    def use(*words, **options):
        seen.append(home.openssl(*words, expect=None, **options))

    for key in ("hsm:known", "known.ref.pem"):
        if key == "hsm:known":
            use("pkey", "-in", key, "-out", "known.ref.pem")
        use("pkey", "-in", key)
        use("pkey", "-in", key, "-outform", "DER")
        use("pkey", "-in", key, "-text")
        use("pkey", "-in", key, "-aes-256-cbc", "-passout", "pass:abcdefgh")
        use("pkey", "-in", key, "-traditional")
        use("pkey", "-in", key, "-check")
        use("rsa", "-in", key)
        use("ec", "-in", key)
        use("pkcs8", "-topk8", "-nocrypt", "-in", key)
        use("pkcs8", "-topk8", "-in", key, "-passout", "pass:abcdefgh")
        use("pkcs12", "-export", "-nocerts", "-inkey", key, "-passout", "pass:abcdefgh")
        use("req", "-x509", "-key", key, "-subj", "/CN=known", "-out", "known.crt")
        use("req", "-x509", "-key", key, "-subj", "/CN=known", "-text")
        use("pkeyutl", "-sign", "-inkey", key, "-in", "data", "-rawin")
        use("pkeyutl", "-sign", "-inkey", key, "-in", "data")
        use("pkeyutl", "-decrypt", "-inkey", key, "-in", "data")
        use("dgst", "-sha256", "-sign", key, "data")
        use("storeutl", "-text", key)
    use("storeutl", "-text", "hsm:")
    use("pkey", "-in", "hsm:known", "-text", pin="app:not-it")
    for encoding in ("reference-pem", "pem", "der"):
        seen.append(home.cli("key", "generate-file", "--encoding", encoding, "--path",
                             f"file.{encoding}", "--filter", "attr.label=known", expect=None))
    seen.append(home.cli("key", "list", "--verbose"))
    seen.append(home.cli("key", "show", "--filter", "attr.label=known", "--filter",
                         "attr.class=private-key", expect=None))
    assert sum(run.code == 0 for run in seen) > 20

    for run in seen:
        assert found_in(run.out, secrets) == [], str(run)
        assert found_in(run.err.encode(), secrets) == [], str(run)
        assert "apppass123" not in run.err + run.text
    files = [path for folder in (home.path, home.work) for path in folder.rglob("*")
             if path.is_file()]
    assert len(files) > 5
    for path in files:
        content = path.read_bytes()
        assert found_in(content, secrets) == [], path
        if path.suffix != ".password":
            assert b"apppass123" not in content and b"adminpass1" not in content, path
