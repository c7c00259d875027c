# SPDX-License-Identifier: Apache-2.0
"""hsmctl key wrap and unwrap, against the openssl tool on the other side."""

import base64

import pytest

AES_METHODS = ["aes-gcm", "cloudhsm-aes-gcm", "aes-no-pad", "aes-zero-pad", "aes-pkcs5-pad"]
RSA_METHODS = ["rsa-aes", "rsa-oaep", "rsa-pkcs"]
KEK = bytes(range(32))
# RFC 5649's alternative initial value, and RFC 3394's, as `openssl enc -iv` takes them
IV_OF = {"id-aes256-wrap-pad": "a65959a6", "id-aes256-wrap": "a6" * 8}


def bring(home, label, value, kind="aes", *attributes):
    """A secret key from outside; its handle."""
    file = home.work / f"{label}.bin"
    file.write_bytes(value)
    more = ["--attributes", *attributes] if attributes else []
    return home.cli("key", "import", "raw", "--path", file, "--key-type", kind, "--label", label,
                    *more).json["data"]["key"]["key-reference"]


def bring_kek(home):
    return bring(home, "kek", KEK, "aes", "wrap=true", "unwrap=true")


def make_rsa(home, label="rsa"):
    home.cli("key", "generate-asymmetric-pair", "rsa", "--label", label, "--private-attributes",
             "unwrap=true", "--public-attributes", "wrap=true")


def wrap(home, method, payload, wrapping="kek", *more, **options):
    return home.cli("key", "wrap", method, "--payload-filter", f"attr.label={payload}",
                    "attr.class=private-key" if payload in ("ec", "ed25519", "rsa-payload") else
                    "attr.class=secret-key", "--wrapping-filter", f"attr.label={wrapping}", *more,
                    **options)


def unwrap(home, method, answer, kind="aes", label="back", unwrapping="kek", *more, **options):
    """Takes in what `wrap` answered."""
    iv = ["--iv", answer["iv"]] if "iv" in answer else []
    return home.cli("key", "unwrap", method, "--filter", f"attr.label={unwrapping}", "--data",
                    answer["wrapped_key_data"], "--key-type-class", kind, "--label", label, *iv,
                    *more, **options)


def check_value(home, label):
    shown = home.cli("key", "show", "--filter", f"attr.label={label}").json["data"]
    return shown["matched_keys"][0]["attributes"]["check-value"]


@pytest.mark.parametrize("method", AES_METHODS + RSA_METHODS)
def test_a_secret_key_goes_out_and_in(home, method):
    kek = "kek" if method in AES_METHODS else "rsa"
    bring_kek(home)
    make_rsa(home)
    payload = bring(home, "payload", bytes(range(100, 132)))
    done = wrap(home, method, "payload", kek).json["data"]
    assert done["payload_key_reference"] == payload
    assert done["wrapping_key_reference"].startswith("0x")
    assert ("iv" in done) == (method == "aes-gcm")
    key = unwrap(home, method, done, "aes", "back", kek).json["data"]["key"]
    assert not key["attributes"]["local"] and not key["attributes"]["never-extractable"]
    assert key["attributes"]["check-value"] == check_value(home, "payload")


def enc(home, cipher, direction, data, name):
    """`openssl enc` with the KEK, which has a key wrap mode for each direction."""
    source, target = home.work / f"{name}.in", home.work / f"{name}.out"
    source.write_bytes(data)
    home.plain("enc", direction, f"-{cipher}", "-K", KEK.hex(), "-iv", IV_OF[cipher], "-in", source,
               "-out", target)
    return target.read_bytes()


@pytest.mark.parametrize("method,cipher", [("aes-zero-pad", "id-aes256-wrap-pad"),
                                           ("aes-no-pad", "id-aes256-wrap")])
def test_openssl_opens_it_and_the_other_way_round(home, method, cipher):
    bring_kek(home)
    value = bytes(range(200, 224))
    bring(home, "payload", value)
    wrapped = base64.b64decode(wrap(home, method, "payload").json["data"]["wrapped_key_data"])
    assert enc(home, cipher, "-d", wrapped, "unwrap") == value
    theirs = enc(home, cipher, "-e", value, "wrap")
    unwrap(home, method, {"wrapped_key_data": base64.b64encode(theirs).decode()})
    assert check_value(home, "back") == check_value(home, "payload")


def test_a_private_key_comes_out_as_pkcs8(home):
    bring_kek(home)
    home.genpkey("p256", "ec")
    wrap(home, "aes-zero-pad", "ec", "kek", "--path", "ec.wrapped")
    der = home.work / "ec.der"
    der.write_bytes(enc(home, "id-aes256-wrap-pad", "-d", (home.work / "ec.wrapped").read_bytes(),
                        "pkcs8"))
    public = home.plain("pkey", "-inform", "DER", "-in", der, "-pubout").out
    assert public == home.public("ec").read_bytes()


# `openssl enc` unwraps at most 4096 bytes: no larger set.
@pytest.mark.parametrize("algorithm", ["ML-DSA-44", "ML-KEM-768", "SLH-DSA-SHA2-128f"])
def test_a_post_quantum_key_goes_out_and_in(home, algorithm):
    probe = home.plain("genpkey", "-algorithm", algorithm, "-out", "probe.pem", expect=None)
    if probe.code != 0:
        pytest.skip(f"this OpenSSL has no {algorithm}")
    bring_kek(home)
    home.openssl("genpkey", "-propquery", "provider=hsm", "-algorithm", algorithm, "-pkeyopt",
                 "hsm-label:pq", "-out", "pq.ref.pem")
    home.cli("key", "wrap", "aes-zero-pad", "--payload-filter", "attr.label=pq",
             "attr.class=private-key", "--wrapping-filter", "attr.label=kek", "--path", "pq.wrapped")
    wrapped = (home.work / "pq.wrapped").read_bytes()
    (home.work / "pq.der").write_bytes(enc(home, "id-aes256-wrap-pad", "-d", wrapped, "pkcs8"))
    public = home.openssl("pkey", "-in", "hsm:pq", "-pubout").out
    assert home.plain("pkey", "-inform", "DER", "-in", "pq.der", "-pubout").out == public
    kind = f"{algorithm.lower()}-private"
    home.cli("key", "unwrap", "aes-zero-pad", "--filter", "attr.label=kek", "--data-path",
             "pq.wrapped", "--key-type-class", kind, "--label", "back")
    assert home.openssl("pkey", "-in", "hsm:back", "-pubout").out == public
    (home.work / "pq.wrapped").write_bytes(wrapped[:-8])
    cut = home.cli("key", "unwrap", "aes-zero-pad", "--filter", "attr.label=kek", "--data-path",
                   "pq.wrapped", "--key-type-class", kind, "--label", "cut", expect=1)
    assert cut.json["data"].startswith("decryption failed")


def test_a_private_key_made_by_openssl_comes_in_by_rsa_aes(home):
    """A partner's view of CKM_RSA_AES_KEY_WRAP with nothing but openssl."""
    make_rsa(home, "intake")
    work = home.work
    home.cli("key", "generate-file", "--encoding", "pem", "--path", "intake.pem", "--filter",
             "attr.label=intake")
    home.plain("genpkey", "-algorithm", "ED25519", "-outform", "DER", "-out", "theirs.der")
    transport = work / "transport.bin"
    transport.write_bytes(KEK)
    home.plain("pkeyutl", "-encrypt", "-pubin", "-inkey", "intake.pem", "-in", transport, "-out",
               "first", "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256")
    rest = enc(home, "id-aes256-wrap-pad", "-e", (work / "theirs.der").read_bytes(), "rest")
    (work / "wrapped").write_bytes((work / "first").read_bytes() + rest)
    home.cli("key", "unwrap", "rsa-aes", "--filter", "attr.label=intake", "--data-path", "wrapped",
             "--hash-function", "sha256", "--mgf", "mgf1-sha256", "--key-type-class",
             "ed25519-private", "--label", "theirs", "--attributes", "sign=true")
    (work / "data").write_text("hello")
    home.openssl("pkeyutl", "-sign", "-rawin", "-inkey", "hsm:theirs", "-in", "data", "-out", "sig")
    home.plain("pkey", "-inform", "DER", "-in", "theirs.der", "-pubout", "-out", "theirs.pem")
    home.plain("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "theirs.pem", "-in", "data",
               "-sigfile", "sig")


def test_gcm_binds_the_additional_data(home):
    bring_kek(home)
    bring(home, "payload", bytes(16))
    more = ["--aad", "0x0102", "--tag-length-bits", "96"]
    done = wrap(home, "aes-gcm", "payload", "kek", *more).json["data"]
    assert len(base64.b64decode(done["wrapped_key_data"])) == 16 + 12
    assert done["iv"].startswith("0x") and len(done["iv"]) == 26
    unwrap(home, "aes-gcm", done, "aes", "back", "kek", *more)
    wrong = unwrap(home, "aes-gcm", done, "aes", "x", "kek", "--aad", "0x03",
                   "--tag-length-bits", "96", expect=1)
    assert wrong.json["data"].startswith("decryption failed")


def test_every_wrong_byte_has_one_answer(home):
    bring_kek(home)
    bring(home, "payload", bytes(16))
    done = wrap(home, "aes-zero-pad", "payload").json["data"]
    data = base64.b64decode(done["wrapped_key_data"])
    answers = set()
    for bad in (data[:-1], data[:-8], b"x" * 24, bytes([data[0] ^ 1]) + data[1:],
                data[:-1] + bytes([data[-1] ^ 1])):
        answer = {"wrapped_key_data": base64.b64encode(bad).decode()}
        refused = unwrap(home, "aes-zero-pad", answer, "aes", "x", expect=1)
        answers.add(refused.json["data"])
    assert len(answers) == 1
    home.cli("key", "show", "--filter", "attr.label=x", expect=4)


def test_attributes_forbid(home):
    bring(home, "plain", bytes(range(16)))
    bring_kek(home)
    bring(home, "kept", bytes(16), "aes", "extractable=false")
    assert "'wrap'" in wrap(home, "aes-gcm", "kek", "plain", expect=5).json["data"]
    assert "'extractable'" in wrap(home, "aes-gcm", "kept", expect=5).json["data"]
    assert "rsa-oaep needs" in wrap(home, "rsa-oaep", "plain", expect=5).json["data"]


def test_a_file_is_never_overwritten(home):
    bring_kek(home)
    bring(home, "payload", bytes(16))
    (home.work / "there").write_text("mine")
    wrap(home, "aes-gcm", "payload", "kek", "--path", "there", expect=1)
    assert (home.work / "there").read_text() == "mine"
    done = wrap(home, "cloudhsm-aes-gcm", "payload", "kek", "--path", "new").json["data"]
    assert "wrapped_key_data" not in done and done["path"] == "new"
    assert (home.work / "new").stat().st_mode & 0o777 == 0o600


def test_text_is_what_unwrap_takes(home):
    bring_kek(home)
    bring(home, "payload", bytes(16))
    text = wrap(home, "aes-zero-pad", "payload", "kek", "--output", "table").text.strip()
    unwrap(home, "aes-zero-pad", {"wrapped_key_data": text})


@pytest.mark.parametrize("words,hint", [
    (["--key-type-class", "aes", "--data", "!"], "base64"),
    (["--key-type-class", "rsa", "--data", "AAAA"], "rsa-private"),
    (["--key-type-class", "aes"], "--data-path"),
    (["--key-type-class", "aes", "--data", "AAAA", "--data-path", "f"], "--data-path"),
])
def test_usage(home, words, hint):
    bring_kek(home)
    refused = home.cli("key", "unwrap", "aes-zero-pad", "--filter", "attr.label=kek", "--label",
                       "x", *words, expect=2)
    assert hint in refused.json["data"]


def set_attribute(who, label, name, value, **options):
    return who("key", "set-attribute", "--filter", f"attr.label={label}", "--name", name, "--value",
               value, **options)


def test_trusted_is_the_admins_word(home):
    bring_kek(home)
    bring(home, "payload", bytes(16), "aes", "wrap-with-trusted=true")
    assert "'wrap-with-trusted'" in wrap(home, "aes-gcm", "payload", expect=5).json["data"]
    set_attribute(home.cli, "kek", "trusted", "true", expect=5)
    set_attribute(home.admin, "kek", "trusted", "true")
    shown = home.cli("key", "show", "--filter", "attr.trusted=true").json["data"]["matched_keys"]
    assert [key["attributes"]["label"] for key in shown] == ["kek"]
    assert shown[0]["attributes"]["trusted"]
    wrap(home, "aes-gcm", "payload")
    set_attribute(home.cli, "payload", "wrap-with-trusted", "false", expect=5)
    set_attribute(home.admin, "kek", "trusted", "false")
    wrap(home, "aes-gcm", "payload", expect=5)


def test_templates(home):
    bring_kek(home)
    bring(home, "payload", bytes(16))
    set_attribute(home.cli, "kek", "wrap-template", "key-type=aes,extractable=true")
    set_attribute(home.cli, "kek", "unwrap-template", "extractable=false")
    attributes = home.cli("key", "show", "--filter", "attr.label=kek").json["data"][
        "matched_keys"][0]["attributes"]
    assert attributes["wrap-template"] == {"extractable": True, "key-type": "aes"}
    assert attributes["unwrap-template"] == {"extractable": False}
    done = wrap(home, "aes-gcm", "payload").json["data"]
    assert not unwrap(home, "aes-gcm", done).json["data"]["key"]["attributes"]["extractable"]
    refused = unwrap(home, "aes-gcm", done, "aes", "x", "kek", "--attributes", "extractable=true",
                     expect=5)
    assert "'unwrap-template'" in refused.json["data"]
    bring(home, "hmac", bytes(20), "generic-secret")
    assert "'wrap-template'" in wrap(home, "aes-gcm", "hmac", expect=5).json["data"]
