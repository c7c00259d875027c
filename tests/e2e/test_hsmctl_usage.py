# SPDX-License-Identifier: Apache-2.0
"""The command line itself: help, bad lines, output that cannot be written."""

import os
import subprocess

import pytest

from support import run

SECRET_KINDS = ["aes", "aes-xts", "generic-secret", "des3", "chacha20"]
WRAP_METHODS = ["aes-gcm", "cloudhsm-aes-gcm", "aes-no-pad", "aes-zero-pad", "aes-pkcs5-pad",
                "rsa-aes", "rsa-oaep", "rsa-pkcs"]
BACKUP_VERBS = ("create", "list", "describe", "verify", "keys", "copy", "delete", "restore-deleted",
                "restore-key")
QUORUM_VERBS = ("generate", "approve", "list", "list-quorum-values", "set-quorum-value", "delete")
LEVELS = [
    "",
    "doctor", "cluster", "cluster create", "cluster describe", "cluster sync",
    *(f"cluster {verb}" for verb in ("activate", "csr", "delete", "initialize", "list", "zeroize")),
    "audit", *(f"audit {verb}" for verb in ("checkpoint", "export", "rotate", "set-key-use", "show", "verify")),
    "user", "user create", "user delete", "user list", "user change-password", "user unlock",
    "user create-machine-credential", "user delete-machine-credentials",
    "user mfa-token", "user change-mfa", "user change-mfa token-sign", "user change-quorum",
    "user change-quorum token-sign", "user change-quorum token-sign register", "quorum",
    "quorum token-sign", *(f"quorum token-sign {verb}" for verb in QUORUM_VERBS),
    "key", "key generate-asymmetric-pair", "key generate-asymmetric-pair rsa",
    "key generate-asymmetric-pair ec", "key generate-asymmetric-pair ed25519",
    *(f"key generate-asymmetric-pair {kind}" for kind in ("ml-dsa", "ml-kem", "slh-dsa")),
    "key import", "key import pem", "key list", "key show", "key delete", "key set-attribute",
    "key generate-file", "key import raw", "key generate-symmetric",
    *(f"key generate-symmetric {kind}" for kind in SECRET_KINDS),
    "hsm", *(f"hsm {verb}" for verb in ("create", "delete", "list", "start", "stop")),
    "backup", *(f"backup {verb}" for verb in BACKUP_VERBS), "cluster modify", "user replicate",
    "key replicate", "key wrap", "key unwrap", "key derive", "key encapsulate", "key decapsulate",
    "group", *(f"group {verb}" for verb in ("create", "delete", "list", "add-member", "remove-member")),
    "key share", "key unshare", *(f"key {verb}" for verb in ("disable", "enable", "restore", "rotate")),
    *(f"key derive {method}" for method in ("ecdh", "hkdf", "kbkdf", "x963")),
    *(f"key {verb} {method}" for verb in ("wrap", "unwrap") for method in WRAP_METHODS),
]
GROUPS = ["", "quorum", "quorum token-sign", "user change-mfa", "user change-quorum", "audit", "cluster", "hsm", "backup", "user", "group", "key", "key generate-asymmetric-pair", "key generate-symmetric",
          "key import", "key wrap", "key unwrap", "key derive"]


@pytest.fixture
def hsmctl(build, tmp_path):
    """hsmctl without a home and without a login."""
    def call(*words, **options):
        env = build.environment(tmp_path) | {"HSM_HOME": str(tmp_path / "nowhere")}
        return run([build.hsmctl, *words], env=env, cwd=tmp_path, **options)
    return call


@pytest.mark.parametrize("level", LEVELS)
def test_help_has_an_example_on_every_level(hsmctl, level):
    shown = hsmctl(*level.split(), "--help")
    assert f"Usage: hsmctl{' ' if level else ''}{level}" in shown.text
    assert "Example:\n  hsmctl" in shown.text
    example = shown.text.split("Example:\n")[1].splitlines()[0]
    assert all(word in example for word in level.split())
    assert shown.err == ""


def test_no_level_is_forgotten_here(hsmctl):
    found = [""]
    for level in found:  # grows as it goes
        shown = hsmctl(*level.split(), "--help").text
        if "Subcommands:\n" in shown:
            names = shown.split("Subcommands:\n")[1].split("\n\n")[0].splitlines()
            found += [f"{level} {line.split()[0]}".strip() for line in names]
    assert sorted(found) == sorted(LEVELS)


@pytest.mark.parametrize("level", GROUPS)
def test_a_group_alone_is_a_usage_error_that_names_the_help(hsmctl, level):
    words = level.split()
    done = hsmctl(*words, expect=2)
    assert done.out == b""
    assert done.err.startswith("hsmctl: A subcommand is required")
    assert " ".join(["hsmctl", *words, "--help"]) in done.err


def test_version(hsmctl):
    assert hsmctl("--version").text.startswith("hsmctl 0.")


@pytest.mark.parametrize("line", [
    ["key", "list", "--foo"],
    ["key", "list", "--max-items", "0"],
    ["key", "list", "--max-items", "ten"],
    ["key", "list", "stray"],
    ["key", "show"],
    ["key", "show", "--filter", "label"],
    ["key", "show", "--filter", "label=x"],
    ["key", "show", "--filter", "attr.colour=red"],
    ["key", "show", "--filter", "key-reference=12 34"],
    ["key", "show", "--filter", "hsm:a?pin-value=x"],
    ["key", "show", "--filter", "hsm:a", "hsm:b"],
    ["key", "show", "--filter", "hsm:type=nothing"],
    ["key", "generate-asymmetric-pair", "rsa"],
    ["key", "generate-asymmetric-pair", "rsa", "--private-label", "only-one-half"],
    ["key", "generate-asymmetric-pair", "rsa", "--label", "a", "--private-attributes", "sign"],
    ["key", "generate-asymmetric-pair", "rsa", "--label", "a", "--private-attributes", "x=true"],
    ["key", "generate-asymmetric-pair", "rsa", "--label", "a", "--private-attributes", "sign=so"],
    ["key", "generate-asymmetric-pair", "rsa", "--label", "a", "--id", "xyz"],
    ["key", "generate-asymmetric-pair", "rsa", "--label", "a" * 128],
    ["key", "generate-asymmetric-pair", "ec", "--label", "a"],
    ["key", "generate-asymmetric-pair", "ec", "--label", "a", "--curve", "P-999"],
    ["key", "set-attribute", "--filter", "attr.label=a", "--name", "colour", "--value", "red"],
    ["key", "generate-file", "--filter", "attr.label=a", "--path", "x", "--encoding", "jks"],
    ["user", "create", "--username", "x", "--role", "king"],
    ["cluster", "create", "--mode", "fast"],
    ["cluster", "create", "--hsms", "2", "--hsm-path", "a"],
    ["user", "list", "--output", "yaml"],
])
def test_bad_lines_end_with_2_before_anything_is_opened(hsmctl, line):
    table = hsmctl(*line, expect=2)
    assert table.out == b""
    assert table.err.startswith("hsmctl: ")
    if "yaml" not in line:
        answer = hsmctl(*line, "--output", "json", expect=2)
        assert answer.json["error_code"] == 2
        assert answer.json["data"] in table.err


@pytest.mark.parametrize("line", [
    ["--password", "hunter2hunter2", "user", "list"],
    ["user", "create", "--password=hunter2hunter2", "--username", "x", "--role", "admin"],
    ["user", "change-password", "--pin", "app:hunter2hunter2"],
    ["cluster", "create", "--password"],
])
def test_a_password_on_the_line_is_refused_and_not_repeated(hsmctl, line):
    done = hsmctl(*line, expect=2)
    assert "--password-source" in done.err and "HSM_PIN" in done.err
    assert "hunter2" not in done.err


def test_no_home_is_6_and_says_how_to_make_one(hsmctl):
    done = hsmctl("user", "list", expect=6)
    assert "nowhere" in done.err and "cluster create" in done.err


@pytest.mark.parametrize("line", [["--help"], ["user", "list"], ["user", "list", "--output", "json"]])
def test_a_full_disk_under_the_output_is_an_error(home, line):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([home.build.hsmctl, "--home", home.path, *line], stdout=full,
                              stderr=subprocess.PIPE, env=home.environment(), check=False)
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr


def test_a_reader_that_went_away_is_an_error_and_no_crash(home):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([home.build.hsmctl, "--home", home.path, "user", "list"], stdout=writer,
                          stderr=subprocess.PIPE, env=home.environment(), check=False)
    os.close(writer)
    assert done.returncode == 1
    assert b"Broken pipe" in done.stderr
