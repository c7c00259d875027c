# SPDX-License-Identifier: Apache-2.0
"""A cluster in FIPS mode: each row of CloudHSM's table that is refused, and what still works."""

import pytest

from support import create_cluster, run, secret_file


@pytest.fixture(scope="module")
def template(build, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("fips")
    return create_cluster(build, scratch / "hsm", scratch / "work", options=("--mode", "fips"))


@pytest.fixture
def fips(template, tmp_path):
    return template.copy(tmp_path / "hsm", tmp_path / "work")


def refused(result, *texts):
    for text in ("the mode of the cluster forbids this", "FIPS mode", *texts):
        assert text in str(result), result


def test_describe_says_that_the_mode_is_policy_only(fips):
    assert fips.cli("cluster", "describe").json["data"]["mode"] == "FIPS"
    assert "policy only" in fips.cli("--output", "table", "cluster", "describe").text


def test_openssl_cannot_make_an_eddsa_key(fips):
    refused(fips.genpkey("ed25519", "no", expect=1), "ed25519", "use ECDSA")
    assert fips.labels() == []


def test_hsmctl_cannot_make_or_import_an_eddsa_key(fips):
    refused(fips.cli("key", "generate-asymmetric-pair", "ed25519", "--label", "no", expect=5),
            "use ECDSA")
    fips.plain("genpkey", "-algorithm", "ED25519", "-out", "ed.pem")
    refused(fips.cli("key", "import", "pem", "--path", fips.work / "ed.pem", "--label", "no",
                     expect=5), "taken in")
    assert fips.labels() == []


@pytest.mark.parametrize("curve, weak, strong, bits", [
    ("P-256", "sha1", "sha256", (80, 128)),
    ("P-384", "sha256", "sha384", (128, 192)),
    ("P-521", "sha384", "sha512", (192, 256)),
])
def test_ecdsa_wants_a_digest_as_strong_as_the_key(fips, curve, weak, strong, bits):
    kind = curve.replace("-", "").lower()
    fips.genpkey(kind, "ec")
    (fips.work / "data").write_bytes(b"data")
    refused(fips.openssl("dgst", f"-{weak}", "-sign", "hsm:ec", "-out", "sig", "data", expect=1),
            f"Digest security strength ({bits[0]}) is weaker than the key security strength "
            f"({bits[1]})")
    fips.openssl("dgst", f"-{strong}", "-sign", "hsm:ec", "-out", "sig", "data")
    fips.plain("dgst", f"-{strong}", "-verify", fips.public("ec"), "-signature", "sig", "data")


def test_a_weak_digest_can_be_switched_on(build, tmp_path):
    weak = create_cluster(build, tmp_path / "hsm", tmp_path / "work", options=(
        "--mode", "fips", "--enable-ecdsa-with-weak-hash-function"))
    weak.genpkey("p256", "ec")
    (weak.work / "data").write_bytes(b"data")
    weak.openssl("dgst", "-sha1", "-sign", "hsm:ec", "-out", "sig", "data")
    assert weak.cli("cluster", "describe").json["data"]["ecdsa-with-weak-hash-function"] is True


def test_pkcs1_v15_signs_and_does_not_encrypt(fips):
    fips.genpkey("rsa2048", "rsa")
    (fips.work / "data").write_bytes(b"data")
    fips.openssl("dgst", "-sha256", "-sign", "hsm:rsa", "-out", "sig", "data")
    fips.plain("dgst", "-sha256", "-verify", fips.public("rsa"), "-signature", "sig", "data")
    fips.plain("pkeyutl", "-encrypt", "-pubin", "-inkey", fips.public("rsa"), "-in", "data",
               "-out", "v15")
    refused(fips.openssl("pkeyutl", "-decrypt", "-inkey", "hsm:rsa", "-in", "v15", expect=1),
            "use OAEP")
    oaep = ("-pkeyopt", "rsa_padding_mode:oaep")
    fips.plain("pkeyutl", "-encrypt", "-pubin", "-inkey", fips.public("rsa"), "-in", "data",
               "-out", "oaep", *oaep)
    assert fips.openssl("pkeyutl", "-decrypt", "-inkey", "hsm:rsa", "-in", "oaep",
                        *oaep).out == b"data"


def test_pkcs1_v15_does_not_wrap_or_unwrap(fips):
    fips.cli("key", "generate-asymmetric-pair", "rsa", "--label", "rsa", "--private-attributes",
             "unwrap=true", "--public-attributes", "wrap=true")
    fips.cli("key", "generate-symmetric", "aes", "--label", "aes", "--key-length-bytes", "16")
    filters = ("--payload-filter", "attr.label=aes", "--wrapping-filter", "attr.label=rsa")
    refused(fips.cli("key", "wrap", "rsa-pkcs", *filters, expect=5), "use OAEP")
    wrapped = fips.cli("key", "wrap", "rsa-oaep", *filters, "--hash-function", "sha256",
                       "--mgf", "mgf1-sha256").json["data"]["wrapped_key_data"]
    into = ("--filter", "attr.label=rsa", "--data", wrapped, "--key-type-class", "aes", "--label",
            "back")
    refused(fips.cli("key", "unwrap", "rsa-pkcs", *into, expect=5), "use OAEP")
    fips.cli("key", "unwrap", "rsa-oaep", *into, "--hash-function", "sha256", "--mgf",
             "mgf1-sha256")


@pytest.mark.parametrize("kind", ["des3", "chacha20"])
def test_no_3des_or_chacha20_key_is_made(fips, kind):
    refused(fips.cli("key", "generate-symmetric", kind, "--label", "no", expect=5), kind)


def test_a_3des_key_may_come_in_and_a_chacha20_key_not(fips):
    (fips.work / "des3").write_bytes(bytes(range(24)))
    fips.cli("key", "import", "raw", "--path", fips.work / "des3", "--key-type", "des3", "--label",
             "old")
    (fips.work / "chacha").write_bytes(bytes(range(32)))
    refused(fips.cli("key", "import", "raw", "--path", fips.work / "chacha", "--key-type",
                     "chacha20", "--label", "no", expect=5), "use AES-GCM")


def test_switches_are_for_fips_mode_only(build, tmp_path):
    source = secret_file(tmp_path, "admin", "adminpass1")
    result = run([build.hsmctl, "--home", tmp_path / "new", "cluster", "create",
                  "--password-source", source, "--disable-ml-dsa"],
                 env=build.environment(tmp_path), cwd=tmp_path, expect=2)
    assert "--mode fips" in str(result)
    assert not (tmp_path / "new").exists()
