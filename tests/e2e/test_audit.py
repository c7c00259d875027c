# SPDX-License-Identifier: Apache-2.0
"""The audit log by hsmctl: who did what, exported, verified elsewhere, rotated."""

import json
import os
import socket
import subprocess
import threading

import pytest

from support import ADMIN_PIN, APP_PIN, secret_file

AUDITOR_PIN = "auditor:auditorpass"
READ = {"env": {"HSM_ROLE": "auditor"}, "pin": AUDITOR_PIN}


@pytest.fixture
def audited(home):
    home.cli("user", "create", "--username", "auditor", "--role", "auditor", "--password-source",
             secret_file(home.work, "auditor", "auditorpass"), pin=ADMIN_PIN)
    home.genpkey("p256", "tls")
    home.cli("user", "create", "--username", "x", "--role", "crypto-user", "--password-source",
             secret_file(home.work, "x", "xxxxxxxx1"), env={"HSM_ROLE": "crypto-user"}, expect=5)
    home.cli("key", "list", pin="app:wrongpassword", expect=3)
    return home


def records(home, *words):
    return home.cli("audit", "show", *words, **READ).json["data"]["records"]


def public_key(home):
    return home.cli("cluster", "describe", pin=None).json["data"]["audit-public-key"]


def verify_file(home, *words, expect=0):
    """Somewhere else: without the home, a login, or anything but the file."""
    return subprocess.run([home.build.hsmctl, "audit", "verify", *map(str, words)],
                          env={"HSM_HOME": "/nonexistent", "PATH": os.environ["PATH"]},
                          capture_output=True, text=True, check=False)


def test_who_did_what(audited):
    made = [(each["event"], each["response"]) for each in records(audited)]
    assert made[0] == ("cluster-create", 0)
    assert ("key-generate", 0) in made
    generated = next(each for each in records(audited) if each["event"] == "key-generate")
    assert generated["actor"] == {"username": "app", "role": "crypto-user"}
    assert generated["opcode"] == "CN_GENERATE_KEY"
    assert generated["process"]["program"] == "openssl" and generated["signed"]
    assert generated["key-references"][0].startswith("0x")
    refused = records(audited)[-2]
    assert (refused["event"], refused["actor"]["username"]) == ("user-create", "app")
    assert refused["response"] == 57 and "role" in refused["response-text"]
    login = records(audited)[-1]
    assert login["event"] == "login" and login["user"]["username"] == "app"
    assert login["actor"] is None and login["response"] == 51


def test_filters(audited):
    key = next(each for each in records(audited) if each["event"] == "key-generate")
    reference = key["key-references"][0]
    assert [each["sequence"] for each in records(audited, "--key", reference)] == [key["sequence"]]
    assert {each["event"] for each in records(audited, "--user", "app")} >= {"login", "key-generate"}
    assert records(audited, "--since", "2h") == records(audited)
    assert not records(audited, "--since", "2100-01-01")
    assert len(records(audited, "--after", str(key["sequence"]))) == 2
    for bad in ("yesterday", "10x", "2026-13-01", "-5m", ""):
        if bad:
            audited.cli("audit", "show", f"--since={bad}", **READ, expect=2)
    table = audited.cli("audit", "show", "--output", "table", **READ).text
    assert "key-generate" in table and "crypto-user/app" in table


def test_follow_shows_what_comes(audited):
    environment = audited.environment(AUDITOR_PIN, HSM_ROLE="auditor")
    follow = subprocess.Popen([audited.build.hsmctl, "--home", audited.path, "audit", "show",
                               "--follow"], env=environment, stdout=subprocess.PIPE, text=True)
    guard = threading.Timer(60, follow.kill)
    guard.start()
    try:
        seen = [json.loads(follow.stdout.readline()) for _ in range(len(records(audited)))]
        assert seen[0]["event"] == "cluster-create"
        audited.genpkey("p256", "later")
        # First that the login forgot the wrong password.
        assert json.loads(follow.stdout.readline())["event"] == "login"
        assert json.loads(follow.stdout.readline())["detail"] == "later"
    finally:
        guard.cancel()
        follow.terminate()
        follow.wait()
        follow.stdout.close()


def test_an_exported_log_is_verified_with_the_public_key_alone(audited):
    log = audited.work / "audit.jsonl"
    audited.cli("audit", "export", "--path", log, **READ)
    checkpoint = audited.work / "checkpoint.json"
    key = public_key(audited)
    assert verify_file(audited, "--path", log, "--public-key", key).returncode == 0
    lines = log.read_text().splitlines(keepends=True)
    assert len(lines) == len(records(audited))

    def tampered(name, changed):
        path = audited.work / name
        path.write_text("".join(changed))
        return verify_file(audited, "--path", path, "--public-key", key)
    edited = json.loads(lines[1])
    edited["record"] = edited["record"][:-8] + "AAAAAAA="
    for name, changed in {"removed": lines[:2] + lines[3:], "moved": lines[:1] + lines[2:3] + lines[1:2] + lines[3:],
                          "inserted": lines[:2] + lines[1:], "edited": [lines[0], json.dumps(edited) + "\n", *lines[2:]],
                          "garbage": [*lines[:2], "{}\n", *lines[3:]]}.items():
        done = tampered(name, changed)
        assert done.returncode != 0 and "tampered" in done.stdout + done.stderr, name
    # Cut short: seen by a checkpoint that was kept elsewhere.
    audited.cli("audit", "checkpoint", "--path", checkpoint, **READ)
    assert verify_file(audited, "--path", log, "--public-key", key).returncode == 0
    short = verify_file(audited, "--path", log, "--public-key", key, "--checkpoint", checkpoint)
    assert short.returncode != 0 and "cut short" in short.stdout + short.stderr
    audited.cli("audit", "verify", "--checkpoint", checkpoint, **READ)
    other = "0x" + 64 * "1"
    assert verify_file(audited, "--path", log, "--public-key", other).returncode != 0
    assert verify_file(audited, "--path", log, "--public-key", "0x12").returncode == 2


def test_rotation_carries_the_chain_on(audited):
    first, second = audited.work / "first.jsonl", audited.work / "second.jsonl"
    audited.cli("audit", "rotate", "--path", audited.work / "refused.jsonl", **READ, expect=5)
    before = records(audited)
    audited.cli("audit", "rotate", "--path", first, pin=ADMIN_PIN)
    after = records(audited)
    assert after[0]["sequence"] == before[-1]["sequence"] and after[-1]["event"] == "audit-rotate"
    audited.cli("audit", "verify", **READ)
    audited.genpkey("p256", "later")
    audited.cli("audit", "export", "--path", second, **READ)
    whole = audited.work / "whole.jsonl"
    lines = first.read_text() + second.read_text().split("\n", 1)[1]
    whole.write_text(lines)
    done = verify_file(audited, "--path", whole, "--public-key", public_key(audited))
    assert done.returncode == 0, done.stderr
    # A file that is there is never overwritten, and nothing leaves the store without one.
    audited.cli("audit", "rotate", "--path", second, pin=ADMIN_PIN, expect=1)
    assert records(audited)[0]["sequence"] == after[0]["sequence"]


@pytest.mark.skipif(os.path.exists("/dev/log") or os.geteuid() != 0, reason="there is a system log")
def test_export_to_the_system_log(audited):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind("/dev/log")
        try:
            log.settimeout(60)
            audited.cli("audit", "export", "--syslog", "--since", "1h", **READ)
            line = log.recv(65536).decode()
            assert "hsmctl[" in line and '"event":"cluster-create"' in line
        finally:
            os.unlink("/dev/log")


def test_who_may_read(audited):
    audited.cli("audit", "show", pin=APP_PIN, expect=5)
    audited.cli("audit", "show", pin=None, expect=3)
    audited.cli("audit", "verify", pin=ADMIN_PIN)
