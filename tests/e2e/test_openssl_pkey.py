# SPDX-License-Identifier: Apache-2.0
"""openssl pkey, rsa and ec on keys in the HSM; the module itself."""

import subprocess

import pytest

from support import KINDS


@pytest.mark.smoke
def test_provider_is_listed(home):
    shown = home.openssl("list", "-providers", "-verbose").text
    ours = shown[shown.index("\n  hsm\n"):]
    assert "name: HSM provider" in ours and "version: " in ours and "status: active" in ours
    for parameter in ("name", "version", "buildinfo", "status"):
        assert f"\n      {parameter}: " in ours[ours.index("gettable provider parameters"):], ours


def test_provider_is_listed_without_any_home(home):
    run = home.openssl("list", "-providers", "-provider-path", home.build.module.parent,
                       "-provider", "hsm", "-verbose", pin=None,
                       env={"OPENSSL_CONF": "/dev/null", "HSM_HOME": "/nonexistent"})
    assert "hsm" in run.text and "status: active" in run.text


def test_module_exports_one_symbol(build):
    listing = subprocess.run(["nm", "-D", "--defined-only", build.module], capture_output=True,
                             text=True, check=True).stdout
    names = [line.split()[-1] for line in listing.splitlines()]
    assert [name for name in names if name != "OSSL_provider_init"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_public_key_is_what_the_default_provider_writes(keyed, kind, key_of):
    held = keyed.openssl("pkey", "-in", key_of(kind), "-pubout").out
    again = keyed.plain("pkey", "-pubin", "-pubout", stdin=held).out
    assert held == again
    der = keyed.openssl("pkey", "-in", key_of(kind), "-pubout", "-outform", "DER").out
    assert der == keyed.plain("pkey", "-pubin", "-pubout", "-outform", "DER", stdin=held).out


@pytest.mark.parametrize("kind", KINDS)
def test_text_shows_the_public_part_and_where_the_private_one_is(keyed, kind, key_of):
    shown = keyed.openssl("pkey", "-in", key_of(kind), "-text", "-noout").text
    assert "private part: held in the HSM" in shown
    assert f"{kind}" in shown
    public = keyed.plain("pkey", "-pubin", "-in", keyed.public(kind), "-text", "-noout").text
    # The public numbers, in OpenSSL's own layout.
    numbers = [line for line in public.splitlines() if line.startswith("    ")]
    assert numbers and all(line in shown.splitlines() for line in numbers)
    assert "sign" in shown


@pytest.mark.parametrize("kind", KINDS)
def test_writing_the_private_key_writes_a_reference(keyed, kind):
    out = keyed.openssl("pkey", "-in", f"hsm:{kind}").text
    assert "BEGIN HSM KEY REFERENCE" in out and "PRIVATE KEY" not in out
    (keyed.work / "copy.pem").write_text(out)
    keyed.openssl("pkey", "-in", "copy.pem", "-noout")


@pytest.mark.parametrize("tool, kind", [("rsa", "rsa2048"), ("ec", "p256")])
def test_old_tools(keyed, tool, kind, key_of):
    public = keyed.openssl(tool, "-in", key_of(kind), "-pubout").out
    assert public == keyed.public(kind).read_bytes()
    assert "PRIVATE KEY" not in keyed.openssl(tool, "-in", key_of(kind), expect=None).text


@pytest.mark.parametrize("kind", KINDS)
def test_check_of_the_key(keyed, kind):
    keyed.openssl("pkey", "-in", f"hsm:{kind}", "-pubcheck", "-noout")


def test_der_reference(keyed):
    keyed.openssl("pkey", "-in", "hsm:p256", "-outform", "DER", "-out", "p256.ref.der")
    public = keyed.openssl("pkey", "-in", "p256.ref.der", "-inform", "DER", "-pubout").out
    assert public == keyed.public("p256").read_bytes()


def test_reference_between_other_pem_blocks(keyed):
    certificate = keyed.certificate("hsm:p256", "site").read_text()
    reference = (keyed.work / "p256.ref.pem").read_text()
    for name, parts in {"after": [certificate, reference], "before": [reference, certificate],
                        "between": [certificate, reference, certificate]}.items():
        bundle = keyed.work / f"{name}.pem"
        bundle.write_text("A line of text\n" + "".join(parts))
        assert keyed.openssl("pkey", "-in", bundle, "-pubout").out == \
            keyed.public("p256").read_bytes()
        keyed.openssl("x509", "-in", bundle, "-noout")


@pytest.mark.parametrize("order", ["default first", "hsm first"])
@pytest.mark.parametrize("query", ["", "?provider=hsm", "?provider=default"])
def test_orders_of_providers_and_property_forms(keyed, order, query, key_of):
    def change(text):
        if order == "hsm first":
            text = text.replace("default = default_sect\nhsm = hsm_sect",
                                "hsm = hsm_sect\ndefault = default_sect")
        if query:
            text = text.replace("# alg_section", "alg_section").replace(
                "default_properties = ?provider=hsm", f"default_properties = {query}")
        return text
    keyed.write_conf(change)
    data = keyed.work / "data"
    data.write_text("data")
    for kind in ("rsa2048", "p256"):
        signature = keyed.openssl("dgst", "-sha256", "-sign", key_of(kind), data).out
        (keyed.work / "signature").write_bytes(signature)
        keyed.plain("dgst", "-sha256", "-verify", keyed.public(kind), "-signature", "signature",
                    data)
        keyed.openssl("dgst", "-sha256", "-verify", keyed.public(kind), "-signature", "signature",
                      data)
    # A key of the application's own goes on working beside.
    keyed.plain("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                "own.pem")
    keyed.openssl("dgst", "-sha256", "-sign", "own.pem", "-out", "signature", data)


@pytest.mark.parametrize("query, key", [
    ("provider=hsm", "hsm:p256"), ("?provider=hsm", "hsm:p256"),
    # With provider=hsm nothing could open a file.
    ("?provider=hsm", "p256.ref.pem")])
def test_property_query_of_a_command(keyed, query, key):
    data = keyed.work / "data"
    data.write_bytes(b"0" * 32)
    keyed.openssl("pkeyutl", "-propquery", query, "-sign", "-inkey", key, "-in", data,
                  "-out", "signature")
    keyed.plain("pkeyutl", "-verify", "-pubin", "-inkey", keyed.public("p256"), "-in", data,
                "-sigfile", "signature")
