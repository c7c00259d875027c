# SPDX-License-Identifier: Apache-2.0
"""hsmctl key: secret keys."""

import pytest

MAKE = ["key", "generate-symmetric"]
# type: lengths, what else does not fit
TYPES = {"aes": ([16, 24, 32], 20), "aes-xts": ([32, 64], 48),
         "generic-secret": ([1, 20, 16384], 16385), "des3": ([], None), "chacha20": ([], None)}


def make(home, kind, label, *more, **options):
    return home.cli(*MAKE, kind, "--label", label, *more, **options).json["data"]


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_and_length(home, kind):
    lengths, wrong = TYPES[kind]
    for length in lengths:
        key = make(home, kind, f"{kind}-{length}", "--key-length-bytes", str(length))["key"]
        assert key["attributes"]["key-length-bytes"] == length
    attributes = make(home, kind, "usual", "--id", "0a0b")["key"]["attributes"]
    assert attributes["class"] == "secret-key" and attributes["key-type"] == kind
    assert attributes["label"] == "usual" and attributes["id"] == "0x0a0b"
    assert attributes["sign"] and attributes["verify"] and not attributes["encrypt"]
    assert attributes["local"] and attributes["extractable"] and attributes["sensitive"]
    if wrong:
        refused = home.cli(*MAKE, kind, "--label", "x", "--key-length-bytes", str(wrong), expect=2)
        assert f"not {wrong}" in refused.json["data"]


def test_only_types_with_a_length_take_one(home):
    home.cli(*MAKE, "des3", "--label", "x", "--key-length-bytes", "24", expect=2)


def test_a_label_is_needed(home):
    assert "--label" in home.cli(*MAKE, "aes", expect=2).json["data"]


def test_session_keys_are_gone(home):
    done = home.cli(*MAKE, "aes", "--label", "trial", "--session")
    assert "session key" in done.err
    assert home.cli("key", "list").json["data"]["total_key_count"] == 0


def test_import_gives_the_known_check_value(home):
    file = home.work / "zero.bin"
    file.write_bytes(bytes(16))
    done = home.cli("key", "import", "raw", "--path", file, "--key-type", "aes", "--label", "zero",
                    "--attributes", "encrypt=true").json["data"]
    assert done["message"] == "Successfully imported key"
    attributes = done["key"]["attributes"]
    assert attributes["check-value"] == "0x66e94b"  # FIPS 197: AES-128 of zeros under zeros
    assert attributes["encrypt"] and not attributes["local"]
    assert not attributes["never-extractable"]
    piped = home.cli("key", "import", "raw", "--path", "/dev/stdin", "--key-type", "generic-secret",
                     "--label", "hmac", stdin=b"0123456789").json["data"]["key"]["attributes"]
    assert piped["key-length-bytes"] == 10 and "check-value" not in piped


def test_import_refuses_what_is_no_key(home):
    file = home.work / "odd.bin"
    file.write_bytes(bytes(17))
    odd = home.cli("key", "import", "raw", "--path", file, "--key-type", "aes", "--label", "x",
                   expect=2)
    assert "not 17" in odd.json["data"]
    file.write_bytes(bytes(24))
    weak = home.cli("key", "import", "raw", "--path", file, "--key-type", "des3", "--label", "x",
                    expect=1)
    assert "single DES" in weak.json["data"]
    home.cli("key", "import", "raw", "--path", file, "--key-type", "rsa", "--label", "x", expect=2)
    assert home.cli("key", "list").json["data"]["total_key_count"] == 0


def test_show_list_change_and_delete(home):
    handle = make(home, "aes", "backup")["key"]["key-reference"]
    shown = home.cli("key", "show", "--filter", "hsm:backup;type=secret-key").json["data"]
    assert [key["key-reference"] for key in shown["matched_keys"]] == [handle]
    table = home.cli("--output", "table", "key", "list", "--filter", "attr.class=secret-key").text
    assert "secret-key" in table and "aes" in table and "backup" in table
    home.cli("key", "set-attribute", "--filter", "attr.label=backup", "--name", "decrypt",
             "--value", "true")
    shown = home.cli("key", "show", "--filter", f"key-reference={handle}").json["data"]
    assert shown["matched_keys"][0]["attributes"]["decrypt"]
    home.cli("key", "delete", "--filter", "attr.label=backup")
    home.cli("key", "show", "--filter", "attr.label=backup", expect=4)


@pytest.mark.parametrize("encoding", ["reference-pem", "pem"])
def test_no_file_stands_for_a_secret_key(home, encoding):
    make(home, "aes", "backup")
    refused = home.cli("key", "generate-file", "--encoding", encoding, "--path", "x.pem",
                       "--filter", "attr.label=backup", expect=5)
    assert "hsm:LABEL;type=secret-key" in refused.json["data"]
    assert not (home.work / "x.pem").exists()


def test_storeutl_shows_the_uris_of_secret_keys(home):
    handle = make(home, "aes", "backup")["key"]["key-reference"]
    home.genpkey("ed25519", "pair")
    shown = home.openssl("storeutl", "-noout", "hsm:").text
    assert f"Name: hsm:handle={handle};type=secret-key" in shown and "aes key 'backup'" in shown
    assert "Total found: 2" in shown
    assert "Total found: 1" in home.openssl("storeutl", "-noout", "-keys", "hsm:").text
    refused = home.openssl("storeutl", "hsm:backup;type=secret-key", expect=None)
    assert "secret key" in refused.err
