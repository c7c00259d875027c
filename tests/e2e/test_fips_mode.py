# SPDX-License-Identifier: Apache-2.0
"""A cluster in FIPS mode: each row of CloudHSM's table that is refused, and what still works.

Where OpenSSL's FIPS module is installed, all of it works in the module; elsewhere it is policy only.
"""

import json
import os
import shutil

import pytest

from servers import Nginx, curl
from support import (ADMIN_PIN, FIPS_MODULE, OPENSSL, create_cluster, install_fips_module, run,
                     secret_file)
from test_held_secrets import KDFS, KEY, MACS, opts

with_module = pytest.mark.skipif(FIPS_MODULE is None, reason="no FIPS module is installed here")
policy_only = pytest.mark.skipif(FIPS_MODULE is not None, reason="a FIPS module is installed here")


@pytest.fixture(scope="module")
def template(build, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("fips")
    return create_cluster(build, scratch / "hsm", scratch / "work", options=("--mode", "fips"))


def separate(template, tmp_path, name):
    """A copy that can stand beside the fixture `home`."""
    (tmp_path / name).mkdir()
    return template.copy(tmp_path / name / "hsm", tmp_path / name / "work")


@pytest.fixture
def fips(template, tmp_path):
    return separate(template, tmp_path, "fips")


def refused(result, *texts):
    for text in ("the mode of the cluster forbids this", "FIPS mode", *texts):
        assert text in str(result), result


def hsm_of(listing):
    """What `openssl list -providers` says of the HSM provider."""
    return listing.split("\n  hsm\n")[1].split("gettable")[0]


def told(home):
    """(what describe says of the module, what the table says, what OpenSSL lists)."""
    data = home.cli("cluster", "describe").json["data"]
    assert data["mode"] == "FIPS"
    return (data["fips-module"], home.cli("--output", "table", "cluster", "describe").text,
            hsm_of(home.openssl("list", "-providers", "-verbose").text))


def row_of_module(table):
    row = next(line for line in table.splitlines() if line.startswith("FIPS module "))
    return row.split(maxsplit=2)[2]


@policy_only
def test_the_mode_is_policy_only_without_a_module(fips):
    module, table, listed = told(fips)
    assert module == "policy only"
    assert row_of_module(table) == "policy only: the algorithms are not a validated module's"
    assert "name: HSM provider (FIPS mode; FIPS module: policy only)" in listed
    assert "mode FIPS; FIPS module: policy only" in listed and "status: active" in listed


@with_module
def test_the_module_is_named(fips):
    name = f"OpenSSL FIPS Provider {OPENSSL[0]}."
    module, table, listed = told(fips)
    assert module.startswith(name)
    assert row_of_module(table) == module
    assert f"name: HSM provider (FIPS mode; FIPS module: {module})" in listed
    assert f"mode FIPS; FIPS module: {module}" in listed and "status: active" in listed
    # Nothing of it is in the application's own context.
    assert "\n  fips\n" not in fips.openssl("list", "-providers").text


def test_a_cluster_in_the_other_mode_has_no_module(home):
    data = home.cli("cluster", "describe").json["data"]
    assert (data["mode"], data["fips-module"]) == ("NON_FIPS", None)
    assert "FIPS" not in home.cli("--output", "table", "cluster", "describe").text.replace(
        "NON_FIPS", "")
    listed = hsm_of(home.openssl("list", "-providers", "-verbose").text)
    assert "name: HSM provider\n" in listed and "mode NON_FIPS" in listed


def files_of(fips, **files):
    """Variables that name other files for the module."""
    return {f"HSM_FIPS_{name.upper()}": path for name, path in files.items()}


def broken_configuration(fips):
    path = fips.work / "fipsmodule.cnf"
    path.write_text("[fips_sect]\nactivate = 1\nmodule-mac = 00:11:22\n")
    return files_of(fips, config=path), ("does not pass its self-test", "openssl fipsinstall")


def broken_module(fips):
    module = shutil.copy(FIPS_MODULE, fips.work / "fips.so")
    config = install_fips_module(module, fips.work / "fipsmodule.cnf")
    os.truncate(module, FIPS_MODULE.stat().st_size // 2)
    return files_of(fips, module=module, config=config), (str(module), "install the module again")


def no_module_section(fips):
    path = fips.work / "fipsmodule.cnf"
    path.write_text("[fips_sect]\nactivate = 1\n")
    return files_of(fips, config=path), (str(path), "module-mac", "openssl fipsinstall")


def missing_file(fips):
    return files_of(fips, module="/nonexistent/fips.so"), ("HSM_FIPS_MODULE", "absolute path")


@pytest.mark.parametrize("breaks", [
    pytest.param(broken_configuration, marks=with_module),
    pytest.param(broken_module, marks=with_module),
    pytest.param(no_module_section, marks=with_module),
    missing_file,
])
def test_a_broken_module_is_no_policy_only(fips, breaks):
    """Everything that would need it says what to do; what needs no module goes on."""
    fips.genpkey("p256", "ec")
    (fips.work / "data").write_bytes(b"data")
    env, texts = breaks(fips)

    described = fips.cli("cluster", "describe", env=env).json["data"]
    assert described["fips-module"] == "cannot be used"
    listed = hsm_of(fips.openssl("list", "-providers", "-verbose", env=env).text)
    assert "FIPS module: cannot be used" in listed and "status: inactive" in listed
    used = fips.openssl("dgst", "-sha256", "-sign", "hsm:ec", "data", env=env, expect=1)
    made = fips.cli("key", "generate-symmetric", "aes", "--label", "no", env=env, expect=None)
    digest = fips.openssl("dgst", "-sha256", "-propquery", "provider=hsm", "data", env=env,
                          expect=1)
    new = run([fips.build.hsmctl, "--home", fips.work / "new", "cluster", "create", "--mode",
               "fips", "--password-source", secret_file(fips.work, "admin", "adminpass1")],
              env=fips.environment(None, **env), cwd=fips.work, expect=None)
    assert made.code != 0 and new.code != 0
    assert not (fips.work / "new").exists()
    for text in texts:
        assert text in described["fips-module-problem"], described
        assert text in listed, listed
        for result in (used, made, digest, new):
            assert text in str(result), result
    fips.cli("user", "list", pin=ADMIN_PIN, env=env | {"HSM_ROLE": "admin"})
    fips.cli("key", "list", env=env)
    fips.openssl("dgst", "-sha256", "-sign", "hsm:ec", "data")


def test_a_mode_that_was_edited_is_found(fips):
    """The mode is read from a file that is not signed, and compared with what is."""
    path = fips.path / "cluster.json"
    file = json.loads(path.read_text())
    assert (file["mode"], file["ml-dsa"]) == ("FIPS", True)
    fips.genpkey("p256", "ec")
    for change, text in (({"mode": "NON_FIPS"}, "tells the mode NON_FIPS"),
                         ({"mode": "fips"}, "tells the mode none"),
                         ({"mode": 7}, "tells the mode none"),
                         ({"ml-dsa": False}, "other switches")):
        path.write_text(json.dumps(file | change))
        for result in (fips.openssl("pkey", "-in", "hsm:ec", expect=1),
                       fips.cli("key", "list", expect=None),
                       fips.admin("user", "list", expect=None)):
            assert result.code != 0
            for part in (str(path), text, "FIPS", "hsmctl cluster sync"):
                assert part in str(result), result
        assert fips.cli("cluster", "sync").json["data"]["mode-restored"] is True
        assert json.loads(path.read_text()) == file
        fips.openssl("pkey", "-in", "hsm:ec")
    assert fips.cli("cluster", "sync").json["data"]["mode-restored"] is False


def test_a_home_from_before_the_mode_was_in_its_file(fips, home):
    """In NON_FIPS mode nothing changes; in FIPS mode `cluster sync` adds it."""
    for place in (fips, home):
        path = place.path / "cluster.json"
        file = json.loads(path.read_text())
        for name in ("mode", "ml-dsa", "ecdsa-weak-hash"):
            del file[name]
        path.write_text(json.dumps(file))
    home.cli("key", "list")
    assert "hsmctl cluster sync" in str(fips.cli("key", "list", expect=None))
    fips.cli("cluster", "sync")
    fips.cli("key", "list")


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


def test_every_other_method_wraps(fips):
    """AES and RSA-AES; a key goes out and comes in again, and is the same."""
    fips.cli("key", "generate-symmetric", "aes", "--label", "kek", "--key-length-bytes", "32",
             "--attributes", "wrap=true", "unwrap=true")
    fips.cli("key", "generate-asymmetric-pair", "rsa", "--label", "rsa", "--private-attributes",
             "unwrap=true", "--public-attributes", "wrap=true")
    made = fips.cli("key", "generate-symmetric", "aes", "--label", "aes", "--key-length-bytes",
                    "32").json["data"]["key"]
    check = made["attributes"]["check-value"]
    oaep = ("--hash-function", "sha256", "--mgf", "mgf1-sha256")
    for method, key, options in (("aes-gcm", "kek", ("--tag-length-bits", "128")),
                                 ("aes-no-pad", "kek", ()), ("aes-pkcs5-pad", "kek", ()),
                                 ("aes-zero-pad", "kek", ()), ("rsa-oaep", "rsa", oaep),
                                 ("rsa-aes", "rsa", oaep)):
        more = ("--aad", "00") if method == "aes-gcm" else ()
        wrapped = fips.cli("key", "wrap", method, "--payload-filter", "attr.label=aes",
                           "--wrapping-filter", f"attr.label={key}", *options, *more).json["data"]
        if "iv" in wrapped:
            more += ("--iv", wrapped["iv"])
        back = fips.cli("key", "unwrap", method, "--filter", f"attr.label={key}", "--data",
                        wrapped["wrapped_key_data"], "--key-type-class", "aes", "--label",
                        f"back-{method}", *options, *more).json["data"]["key"]
        assert back["attributes"]["check-value"] == check, method


def test_a_held_3des_key_makes_no_mac(fips):
    key = "0123456789abcdef23456789abcdef01456789abcdef0123"
    (fips.work / "des3").write_bytes(bytes.fromhex(key))
    fips.cli("key", "import", "raw", "--path", fips.work / "des3", "--key-type", "des3", "--label",
             "old", "--attributes", "sign=true")
    refused(fips.openssl("mac", "-propquery", "provider=hsm", "-macopt", "cipher:DES-EDE3-CBC",
                         "-macopt", "hsm-key:hsm:old", "CMAC", stdin=b"data", expect=1), "use AES")


def held(fips, key_type):
    (fips.work / "raw").write_bytes(bytes.fromhex(KEY))
    fips.cli("key", "import", "raw", "--path", fips.work / "raw", "--key-type", key_type, "--label",
             "secret", "--attributes", "derive=true", "sign=true")


@pytest.mark.parametrize("name", MACS)
def test_macs_with_held_keys(fips, name):
    key_type, words, mac = MACS[name]
    held(fips, key_type)
    ours = fips.openssl("mac", "-propquery", "provider=hsm", *words, "-macopt",
                        "hsm-key:hsm:secret", mac, stdin=b"data")
    assert ours.out == fips.plain("mac", *words, "-macopt", f"hexkey:{KEY}", mac,
                                  stdin=b"data").out


@pytest.mark.parametrize("name", KDFS)
def test_kdfs_with_held_keys(fips, name):
    key_type, param, values, kdf = KDFS[name]
    held(fips, key_type)
    words = ("kdf", "-keylen", "40", *opts("-kdfopt", values))
    ours = fips.openssl(*words, "-propquery", "provider=hsm", "-kdfopt", "hsm-key:hsm:secret", kdf)
    assert ours.out == fips.plain(*words, "-kdfopt", f"hex{param}:{KEY}", kdf).out


@pytest.mark.skipif(OPENSSL < (3, 5), reason="OpenSSL 3.0 has no ML-DSA")
def test_ml_dsa_signs(fips):
    fips.openssl("genpkey", "-propquery", "provider=hsm", "-algorithm", "ML-DSA-65", "-pkeyopt",
                 "hsm-label:ml", "-out", "ml.ref.pem")
    (fips.work / "data").write_bytes(b"data")
    fips.openssl("pkeyutl", "-sign", "-rawin", "-inkey", "hsm:ml", "-in", "data", "-out", "sig")
    fips.plain("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", fips.public("ml"), "-in",
               "data", "-sigfile", "sig")


@with_module
def test_what_the_module_lacks_says_that_it_is_the_module(fips):
    result = fips.genpkey("secp256k1", "no", expect=1)
    assert "FIPS module" in result.err and "secp256k1" in result.err, result
    assert fips.labels() == []


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


@pytest.mark.parametrize("preferred", [False, True], ids=["keys", "everything"])
def test_nginx(fips, preferred):
    """Workers, which have no right to the home and an empty environment, work as the master did."""
    fips.genpkey("p256", "p256")
    certificate = fips.certificate("hsm:p256", "server")
    source = secret_file(fips.work, "pin", "app:apppass123")
    fips.write_conf(lambda text: text.replace(
        "# pin-source = file:/etc/hsm/app.pin", f"pin-source = {source}").replace(
            "# alg_section", "alg_section" if preferred else "# alg_section"))
    nginx = Nginx(fips, [(certificate, fips.work / "p256.ref.pem")])
    try:
        nginx.start()
        for version in ("1.2", "1.3"):
            page = curl(fips, nginx.port, certificate, f"--tlsv{version}", "--tls-max", version)
            assert page.text == "from nginx\n"
        assert nginx.complaints() == []
    finally:
        nginx.stop()
