# SPDX-License-Identifier: Apache-2.0
"""hsmctl key."""

import base64
import os
import stat

import pytest

from support import ADMIN_PIN

RSA = ["key", "generate-asymmetric-pair", "rsa"]
EC = ["key", "generate-asymmetric-pair", "ec"]
ED25519 = ["key", "generate-asymmetric-pair", "ed25519"]
CURVES = ["secp224r1", "secp256r1", "secp384r1", "secp521r1", "secp256k1"]


def make(home, label, *more):
    """An Ed25519 pair (quick to make); the answer's data."""
    return home.cli(*ED25519, "--label", label, *more).json["data"]


def show(home, *terms):
    """The attributes of what `terms` match, by class."""
    keys = home.cli("key", "show", "--filter", *terms).json["data"]["matched_keys"]
    return {key["attributes"]["class"]: key["attributes"] for key in keys}


def listed(home, *terms, **options):
    more = ["--filter", *terms] if terms else []
    return home.cli("key", "list", "--max-items", "1000", *more, **options).json["data"]


# ---- generate-asymmetric-pair ----


def test_rsa_has_the_shape_and_the_defaults_of_cloudhsm(home):
    done = home.cli(*RSA, "--label", "web", "--id", "0a0b")
    private, public = done.json["data"]["private_key"], done.json["data"]["public_key"]
    assert list(private) == ["key-reference", "key-info", "attributes"]
    assert private["key-info"]["key-owners"] == [{"username": "app", "key-coverage": "full"}]
    assert private["key-info"]["shared-users"] == []
    assert private["key-info"]["key-quorum-values"] == {
        "manage-key-quorum-value": 0, "use-key-quorum-value": 0}
    assert private["key-info"]["cluster-coverage"] == "full"
    attributes = private["attributes"]
    assert attributes["class"] == "private-key" and attributes["key-type"] == "rsa"
    assert attributes["label"] == "web" and attributes["id"] == "0x0a0b"
    assert make(home, "no-id")["private_key"]["attributes"]["id"] == ""
    assert attributes["modulus-size-bits"] == 2048 and attributes["public-exponent"] == "0x010001"
    assert attributes["token"] is True and attributes["extractable"] is True
    assert attributes["local"] is True and attributes["sensitive"] is True
    assert attributes["sign"] is False and attributes["decrypt"] is False
    assert len(attributes["check-value"]) == len("0x") + 6
    assert public["attributes"]["class"] == "public-key"
    assert public["attributes"]["verify"] is False
    assert public["attributes"]["modulus"] == attributes["modulus"]
    assert int(private["key-reference"], 16) + 1 == int(public["key-reference"], 16)


def test_rsa_takes_size_and_exponent(home):
    done = home.cli(*RSA, "--label", "web", "--modulus-size-bits", "3072", "--public-exponent",
                    "65539")
    attributes = done.json["data"]["public_key"]["attributes"]
    assert attributes["modulus-size-bits"] == 3072 and attributes["public-exponent"] == "0x010003"


@pytest.mark.parametrize("options", [
    ["--modulus-size-bits", "1024"], ["--modulus-size-bits", "2049"],
    ["--modulus-size-bits", "8192"], ["--public-exponent", "65538"], ["--public-exponent", "3"]])
def test_rsa_out_of_range_is_a_usage_error_and_makes_nothing(home, options):
    home.cli(*RSA, "--label", "web", *options, expect=2)
    assert listed(home)["total_key_count"] == 0


@pytest.mark.parametrize("curve", CURVES)
def test_ec_curves(home, curve):
    attributes = home.cli(*EC, "--label", "web", "--curve", curve).json["data"]["private_key"][
        "attributes"]
    assert attributes["key-type"] == "ec" and attributes["curve"] == curve
    assert attributes["ec-point"].startswith("0x04")


def test_ec_knows_other_names_of_curves(home):
    for curve in ("prime256v1", "P-256"):
        attributes = home.cli(*EC, "--label", "web", "--curve", curve).json["data"]["public_key"][
            "attributes"]
        assert attributes["curve"] == "secp256r1"


def test_ed25519_is_a_command_and_a_curve(home):
    for command in ([*ED25519], [*EC, "--curve", "ed25519"]):
        data = home.cli(*command, "--label", "web").json["data"]
        assert data["private_key"]["attributes"]["curve"] == "ed25519"


def test_halves_can_have_labels_and_attributes_of_their_own(home):
    home.cli(*ED25519, "--private-label", "inner", "--public-label", "outer",
             "--private-attributes", "sign=true", "extractable=false", "--public-attributes",
             "verify=true")
    assert list(show(home, "attr.label=inner")) == ["private-key"]
    assert list(show(home, "attr.label=outer")) == ["public-key"]
    private = show(home, "attr.label=inner")["private-key"]
    assert private["sign"] is True and private["extractable"] is False
    assert private["never-extractable"] is True
    assert show(home, "attr.label=outer")["public-key"]["verify"] is True


@pytest.mark.parametrize("attribute", ["local=true", "class=secret-key", "trusted=true",
                                       "never-extractable=true", "wrap=true"])
def test_attributes_that_cannot_be_given_are_a_policy_error(home, attribute):
    name = attribute.split("=")[0]
    done = home.cli(*ED25519, "--label", "web", "--private-attributes", attribute, expect=5)
    assert name in done.json["data"]
    assert listed(home)["total_key_count"] == 0


def test_a_key_that_may_do_nothing_gets_a_hint_on_stderr(home):
    silent = home.cli(*ED25519, "--label", "web", "--private-attributes", "sign=true")
    assert silent.err == ""
    hint = home.cli(*ED25519, "--label", "web2")
    assert hint.json["error_code"] == 0
    assert "--private-attributes" in hint.err and "sign" in hint.err and "decrypt" not in hint.err
    assert hint.json["data"]["private_key"]["key-reference"] in hint.err
    assert "decrypt" in home.cli(*RSA, "--label", "web3", "--output", "table").err


def test_a_session_key_is_gone_after_the_command(home):
    done = home.cli(*ED25519, "--label", "web", "--session")
    key = done.json["data"]["private_key"]
    assert key["attributes"]["token"] is False
    assert key["key-info"]["cluster-coverage"] == "session"
    assert "session key" in done.err
    assert listed(home)["total_key_count"] == 0


def test_an_admin_makes_no_keys(home):
    home.admin(*ED25519, "--label", "web", expect=5)


# ---- list and filters ----


def test_list_is_paged(home):
    for number in range(6):
        make(home, f"key-{number}")
    seen, token = [], []
    for expected in (5, 5, 2):
        page = home.cli("key", "list", "--max-items", "5", *token).json["data"]
        assert page["total_key_count"] == 12 and page["returned_key_count"] == expected
        seen += [key["key-reference"] for key in page["matched_keys"]]
        token = ["--starting-token", page.get("next_token", "")]
    assert token[1] == ""
    assert seen == sorted(seen) and len(set(seen)) == 12


def test_list_shows_ten_unless_told(home):
    for number in range(6):
        make(home, f"key-{number}")
    assert home.cli("key", "list").json["data"]["returned_key_count"] == 10
    table = home.cli("key", "list", "--output", "table").text
    assert "10 of 12 keys; go on with --starting-token 0x" in table


def test_a_page_goes_on_where_it_stopped_when_keys_were_deleted(home):
    keys = [make(home, f"key-{number}") for number in range(3)]
    page = home.cli("key", "list", "--max-items", "2").json["data"]
    home.cli("key", "delete", "--filter", "attr.label=key-0")
    rest = home.cli("key", "list", "--starting-token", page["next_token"]).json["data"]
    assert [key["key-reference"] for key in rest["matched_keys"]] == [
        key[half]["key-reference"] for key in keys[1:] for half in ("private_key", "public_key")]


def test_list_of_nothing_is_no_error(home):
    assert listed(home) == {"matched_keys": [], "total_key_count": 0, "returned_key_count": 0}
    assert "0 of 0 keys" in home.cli("key", "list", "--output", "table").text


def test_list_is_short_or_verbose(home):
    made = make(home, "web")
    short = listed(home, "attr.class=private-key")["matched_keys"]
    assert short == [{"key-reference": made["private_key"]["key-reference"],
                      "attributes": {"label": "web"}}]
    full = home.cli("key", "list", "--verbose").json["data"]["matched_keys"]
    assert full == [made["private_key"], made["public_key"]]


@pytest.mark.parametrize("terms, count", [
    (["attr.label=one"], 2),
    (["attr.label=one", "attr.class=private-key"], 1),
    (["attr.class=public-key"], 3),
    (["attr.key-type=ec"], 2),
    (["attr.id=0x0a0b"], 2),
    (["attr.id=0a0b"], 2),
    (["attr.sign=true"], 1),
    (["attr.curve=secp384r1"], 2),
    (["attr.label=ONE"], 0),
    (["attr.label=one", "attr.label=two"], 0),
    (["hsm:"], 6),
    (["hsm:one"], 2),
    (["hsm:object=one;type=public"], 1),
    (["hsm:one", "attr.class=private-key"], 1),
    (["hsm:id=%0a%0b"], 2),
    (["hsm:missing"], 0),
])
def test_filters(home, terms, count):
    make(home, "one", "--private-attributes", "sign=true")
    make(home, "two", "--id", "0a0b")
    home.cli(*EC, "--label", "three=3", "--curve", "secp384r1")
    assert listed(home, *terms)["total_key_count"] == count


def test_a_value_may_hold_an_equals_sign_and_unicode(home):
    make(home, "a=b")
    make(home, "Schlüssel 🔑")
    assert listed(home, "attr.label=a=b")["total_key_count"] == 2
    assert listed(home, "attr.label=Schlüssel 🔑")["total_key_count"] == 2
    assert "Schlüssel 🔑" in home.cli("key", "list", "--output", "table").text


def test_key_reference_names_one_object(home):
    made = make(home, "web")
    for half in ("private_key", "public_key"):
        reference = made[half]["key-reference"]
        found = home.cli("key", "show", "--filter", f"key-reference={reference}").json["data"]
        assert found["matched_keys"] == [made[half]]


def test_an_admin_sees_references_and_labels(home):
    make(home, "web")
    done = home.admin("key", "list", "--verbose").json["data"]
    assert [sorted(key["attributes"]) for key in done["matched_keys"]] == [["label"], ["label"]]
    assert "web" in home.admin("key", "list", "--output", "table").text
    home.admin("key", "show", "--filter", "attr.label=web", expect=5)


def test_other_users_see_the_public_half_only(home):
    make(home, "web")
    home.cli("user", "create", "--username", "other", "--role", "crypto-user", pin=ADMIN_PIN,
             env={"HSM_NEW_PASSWORD": "otherpass1"})
    found = home.cli("key", "list", "--verbose", pin="other:otherpass1").json["data"]
    assert [key["attributes"]["class"] for key in found["matched_keys"]] == ["public-key"]
    home.cli("key", "delete", "--filter", "attr.label=web", pin="other:otherpass1", expect=5)


# ---- One key ----


@pytest.mark.parametrize("command", [
    ["show"], ["delete"], ["set-attribute", "--name", "sign", "--value", "true"],
    ["generate-file", "--encoding", "pem", "--path", "x.pem"]])
def test_one_key_is_asked_for(home, command):
    made = [make(home, "twin") for _ in range(2)]
    done = home.cli("key", *command, "--filter", "attr.label=twin", expect=4)
    assert "matched 2 keys. Refine selection criteria to select a single key." in done.json["data"]
    for pair in made:
        assert pair["private_key"]["key-reference"] in done.json["data"]
    done = home.cli("key", *command, "--filter", "attr.label=none", expect=4)
    assert "matched 0 keys" in done.json["data"] and "none" in done.json["data"]
    assert listed(home)["total_key_count"] == 4


def test_many_matches_do_not_flood_the_error(home):
    for _ in range(17):
        make(home, "twin")
    error = home.cli("key", "show", "--filter", "attr.label=twin", expect=4).json["data"]
    assert "matched 17 keys" in error and error.count("0x") == 16 and error.endswith("…")


def test_show_as_a_table(home):
    made = make(home, "web")
    text = home.cli("key", "show", "--filter", "attr.label=web", "--output", "table").text
    for half in ("private_key", "public_key"):
        assert made[half]["key-reference"] in text
        assert made[half]["attributes"]["check-value"] in text


def test_delete_takes_the_pair_or_the_half_that_is_named(home):
    make(home, "web")
    make(home, "web2")
    done = home.cli("key", "delete", "--filter", "attr.label=web").json["data"]
    assert done["message"] == "Key deleted successfully" and len(done["key-references"]) == 2
    assert listed(home, "attr.label=web")["total_key_count"] == 0
    home.cli("key", "delete", "--filter", "attr.label=web2", "attr.class=public-key")
    assert list(show(home, "attr.label=web2")) == ["private-key"]


def test_delete_asks_destroyable(home):
    make(home, "web", "--private-attributes", "destroyable=false")
    done = home.cli("key", "delete", "--filter", "attr.label=web", expect=5)
    assert "destroyable" in done.json["data"]
    home.cli("key", "set-attribute", "--filter", "attr.label=web", "--name", "destroyable",
             "--value", "true")
    home.cli("key", "delete", "--filter", "attr.label=web")


@pytest.mark.parametrize("name, halves", [
    ("sign", {"private-key"}), ("decrypt", {"private-key"}), ("derive", {"private-key"}),
    ("verify", {"public-key"}), ("encrypt", {"public-key"})])
def test_set_attribute_of_a_pair_changes_the_half_that_it_means(home, name, halves):
    make(home, "web")
    done = home.cli("key", "set-attribute", "--filter", "attr.label=web", "--name", name,
                    "--value", "true").json["data"]
    assert done["message"] == "Attribute set successfully" and len(done["key-references"]) == 1
    assert {klass for klass, found in show(home, "attr.label=web").items() if found[name]} == halves


def test_set_attribute_label_changes_both_halves(home):
    make(home, "web")
    home.cli("key", "set-attribute", "--filter", "attr.label=web", "--name", "label", "--value",
             "new")
    assert sorted(show(home, "attr.label=new")) == ["private-key", "public-key"]


@pytest.mark.parametrize("name, value, code", [
    ("local", "false", 5), ("class", "secret-key", 5), ("trusted", "true", 5),
    ("sign", "maybe", 2), ("id", "xyz", 2), ("label", "x" * 128, 2), ("extractable", "true", 5)])
def test_set_attribute_has_rules(home, name, value, code):
    make(home, "web", "--private-attributes", "extractable=false")
    before = show(home, "attr.label=web")
    done = home.cli("key", "set-attribute", "--filter", "attr.label=web", "--name", name,
                    "--value", value, expect=code)
    assert name in done.json["data"]
    assert show(home, "attr.label=web") == before


# ---- import ----


def plain_key(home, name, *words):
    home.plain("genpkey", *words, "-out", f"{name}.pem")
    home.plain("pkey", "-in", f"{name}.pem", "-pubout", "-out", f"{name}.pub.pem")


IMPORTS = {
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "ed25519": ["-algorithm", "ED25519"],
}


@pytest.mark.parametrize("kind", IMPORTS)
def test_import_of_a_private_key(home, kind):
    plain_key(home, "key", *IMPORTS[kind])
    done = home.cli("key", "import", "pem", "--path", "key.pem", "--label", "old", "--id", "01",
                    "--key-type-class", f"{kind}-private", "--private-attributes", "sign=true",
                    "--public-attributes", "verify=true")
    assert done.json["data"]["message"] == "Successfully imported key"
    private = done.json["data"]["private_key"]["attributes"]
    assert private["local"] is False and private["never-extractable"] is False
    assert private["sign"] is True and private["id"] == "0x01"
    assert done.json["data"]["public_key"]["attributes"]["verify"] is True
    home.cli("key", "generate-file", "--encoding", "pem", "--path", "out.pem", "--filter",
             "attr.label=old")
    assert (home.work / "out.pem").read_text() == (home.work / "key.pub.pem").read_text()


@pytest.mark.parametrize("kind", IMPORTS)
def test_import_of_a_public_key(home, kind):
    plain_key(home, "key", *IMPORTS[kind])
    done = home.cli("key", "import", "pem", "--path", "key.pub.pem", "--label", "peer",
                    "--key-type-class", f"{kind}-public", "--attributes", "verify=true")
    attributes = done.json["data"]["key"]["attributes"]
    assert attributes["class"] == "public-key" and attributes["verify"] is True
    assert attributes["local"] is False
    error = home.cli("key", "generate-file", "--encoding", "reference-pem", "--path", "x.pem",
                     "--filter", "attr.label=peer", expect=5)
    assert "--encoding pem" in error.json["data"]


def test_import_from_a_pipe(home):
    plain_key(home, "key", *IMPORTS["ed25519"])
    home.cli("key", "import", "pem", "--path", "/dev/stdin", "--label", "old",
             stdin=(home.work / "key.pem").read_bytes())
    assert sorted(show(home, "attr.label=old")) == ["private-key", "public-key"]


def test_import_checks_what_the_file_must_hold(home):
    plain_key(home, "key", *IMPORTS["ed25519"])
    done = home.cli("key", "import", "pem", "--path", "key.pem", "--label", "x",
                    "--key-type-class", "rsa-private", expect=1)
    assert "ed25519-private" in done.json["data"]
    assert listed(home)["total_key_count"] == 0


@pytest.mark.parametrize("more", [
    ["--path", "key.pub.pem", "--private-attributes", "sign=true"],
    ["--path", "key.pub.pem", "--private-label", "x"],
    ["--path", "key.pem", "--attributes", "sign=true"],
])
def test_import_refuses_attributes_for_a_half_that_is_not_meant(home, more):
    plain_key(home, "key", *IMPORTS["ed25519"])
    home.cli("key", "import", "pem", "--label", "x", *more, expect=2)
    assert listed(home)["total_key_count"] == 0


@pytest.mark.parametrize("content", [
    b"", b"rubbish", b"-----BEGIN PRIVATE KEY-----\nrubbish\n-----END PRIVATE KEY-----\n",
    b"-----BEGIN PUBLIC KEY-----\nMAAA\n-----END PUBLIC KEY-----\n", b"\0" * (1 << 20)],
    ids=["empty", "text", "private", "public", "huge"])
def test_import_of_rubbish_is_an_error(home, content):
    (home.work / "bad.pem").write_bytes(content)
    home.cli("key", "import", "pem", "--path", "bad.pem", "--label", "x", expect=1)
    assert listed(home)["total_key_count"] == 0


def test_import_of_an_encrypted_key_says_how_to_decrypt_it(home):
    plain_key(home, "key", *IMPORTS["ed25519"])
    home.plain("pkey", "-in", "key.pem", "-aes256", "-passout", "pass:sesame1", "-out", "enc.pem")
    error = home.cli("key", "import", "pem", "--path", "enc.pem", "--label", "x", expect=1)
    assert "openssl" in error.json["data"]


# ---- generate-file ----


@pytest.fixture
def reference(home):
    """generate-file of a reference to key "web"."""
    make(home, "web", "--private-attributes", "sign=true")

    def call(path, *more, **options):
        return home.cli("key", "generate-file", "--encoding", "reference-pem", "--path", path,
                        "--filter", "attr.label=web", *more, **options)
    return call


def test_a_reference_file_is_private_to_its_owner(home, reference):
    before = os.umask(0)
    try:
        done = reference("web.pem")
    finally:
        os.umask(before)
    assert done.json["data"]["message"] == "Successfully generated key file"
    path = home.work / "web.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert text.startswith("-----BEGIN HSM KEY REFERENCE-----\n")
    assert text.endswith("-----END HSM KEY REFERENCE-----\n")


def test_a_reference_file_works_in_openssl(home, reference):
    reference("web.pem")
    (home.work / "data").write_text("to be signed")
    home.openssl("pkeyutl", "-sign", "-rawin", "-inkey", "web.pem", "-in", "data", "-out", "sig")
    home.cli("key", "generate-file", "--encoding", "pem", "--path", "web.pub.pem", "--filter",
             "attr.label=web")
    home.plain("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "web.pub.pem", "-in", "data",
               "-sigfile", "sig")


def test_a_file_is_replaced_only_when_told(home, reference):
    (home.work / "web.pem").write_text("mine")
    assert "exists already" in reference("web.pem", expect=1).json["data"]
    assert (home.work / "web.pem").read_text() == "mine"
    reference("web.pem", "--force")
    assert "HSM KEY REFERENCE" in (home.work / "web.pem").read_text()


def test_a_file_that_cannot_be_written_leaves_nothing(home, reference):
    (home.work / "directory").mkdir()
    reference("/nowhere/web.pem", expect=1)
    reference("directory", "--force", expect=1)
    reference("/dev/full", expect=1)
    assert [path for path in home.work.iterdir() if path.name.startswith(".hsmctl")] == []


def test_a_reference_from_the_public_half_stands_for_the_pair(home, reference):
    home.cli("key", "generate-file", "--encoding", "reference-pem", "--path", "web.pem",
             "--filter", "attr.label=web", "attr.class=public-key")
    assert "HSM KEY REFERENCE" in (home.work / "web.pem").read_text()


def test_a_reference_holds_the_public_key_and_no_secret(home):
    plain_key(home, "key", *IMPORTS["ed25519"])
    home.cli("key", "import", "pem", "--path", "key.pem", "--label", "old")
    home.cli("key", "generate-file", "--encoding", "reference-pem", "--path", "old.pem",
             "--filter", "attr.label=old")
    seed = home.plain("pkey", "-in", "key.pem", "-outform", "DER").out[-32:]
    public = home.plain("pkey", "-in", "key.pem", "-pubout", "-outform", "DER").out
    body = "".join((home.work / "old.pem").read_text().splitlines()[1:-1])
    der = base64.b64decode(body)
    assert public in der and seed not in der
