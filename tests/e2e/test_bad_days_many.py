# SPDX-License-Identifier: Apache-2.0
"""Many processes at once on one home."""

import subprocess

import pytest

from test_bad_days_kill import generate_command, public_labels, sign_command

PROCESSES = 50


@pytest.mark.smoke
def test_fifty_processes_sign_and_make_keys(keyed):
    (keyed.work / "data").write_bytes(b"x" * 32)
    env = keyed.environment()
    commands = []
    for number in range(PROCESSES // 2):
        commands.append(generate_command(f"new-{number:02}"))
        sign = sign_command("rsa2048" if number % 2 else "p256")
        sign[-1] = f"signature-{number}"
        commands.append(sign)
    children = [subprocess.Popen(command, env=env, cwd=keyed.work, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                for command in commands]
    errors = [child.communicate(timeout=300)[1].decode() for child in children]
    failed = [error for child, error in zip(children, errors) if child.returncode != 0]
    assert failed == []
    made = {f"new-{number:02}" for number in range(PROCESSES // 2)}
    assert made <= set(keyed.labels()) and made <= set(public_labels(keyed))
    for number in range(PROCESSES // 2):
        kind = "rsa2048" if number % 2 else "p256"
        keyed.plain("pkeyutl", "-verify", "-pubin", "-inkey", keyed.public(kind), "-in", "data",
                    "-sigfile", f"signature-{number}")
    assert keyed.cli("cluster", "describe", "--verify").json["data"]["state"] == "ACTIVE"
