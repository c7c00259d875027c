# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any moment of sign, keygen and delete: what was acknowledged is there, what was not is
there whole or not at all. 1,000 kills in all; 60 with --quick."""

import random
import subprocess
import time

import pytest

KILLS = {"full": {"sign": 300, "generate": 400, "delete": 300},
         "quick": {"sign": 20, "generate": 20, "delete": 20}}


@pytest.fixture
def kills(quick):
    return KILLS["quick" if quick else "full"]


class Killer:
    """Runs commands and kills each at a random moment of its usual duration."""

    def __init__(self, home, seed):
        self.home = home
        self.random = random.Random(seed)
        self.env = home.environment()
        self.duration = 0.05
        self.killed = 0

    def measure(self, *commands):
        """Lets commands run to their end, to learn how long they take."""
        spent = []
        for command in commands:
            start = time.monotonic()
            assert self.end(self.begin(command)) == 0
            spent.append(time.monotonic() - start)
        self.duration = sum(spent) / len(spent)

    def begin(self, command):
        return subprocess.Popen([str(word) for word in command], env=self.env, cwd=self.home.work,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def end(self, child):
        return child.wait(60)

    def shoot(self, command):
        """True: the command was done, and said so, before the shot."""
        child = self.begin(command)
        try:
            child.wait(self.random.uniform(0, 1.1 * self.duration))
        except subprocess.TimeoutExpired:
            child.kill()
        code = self.end(child)
        if code == -9:
            self.killed += 1
        assert code in (0, -9), command
        return code == 0


def sign_command(label):
    return ["openssl", "pkeyutl", "-sign", "-inkey", f"hsm:{label}", "-in", "data", "-out",
            f"{label}.signature"]


def generate_command(label):
    return ["openssl", "genpkey", "-propquery", "provider=hsm", "-algorithm", "EC", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-pkeyopt", f"hsm-label:{label}", "-out", f"{label}.ref.pem"]


def delete_command(home, label):
    return [home.build.hsmctl, "--home", home.path, "key", "delete", "--filter",
            f"attr.label={label}"]


def public_labels(home):
    found = home.cli("key", "list", "--filter", "attr.class=public-key", "--verbose",
                     "--max-items", "2000").json
    return sorted(key["attributes"]["label"] for key in found["data"]["matched_keys"])


def assert_whole(home, labels):
    """Every key has both halves and signs; all HSMs agree."""
    assert public_labels(home) == home.labels()
    (home.work / "data").write_bytes(b"x" * 32)
    for label in labels:
        home.openssl(*sign_command(label)[1:])
        home.plain("pkeyutl", "-verify", "-pubin", "-inkey", home.public(label), "-in", "data",
                   "-sigfile", f"{label}.signature")


def assert_healthy(home):
    # The audit log is unbroken as it was left, and after the repair.
    home.admin("audit", "verify")
    home.cli("cluster", "sync")
    home.admin("audit", "verify")
    shown = home.cli("cluster", "describe", "--verify").json["data"]
    assert shown["state"] == "ACTIVE"
    assert len({(hsm["revision"], hsm["keys"]) for hsm in shown["hsms"]}) == 1


def test_kill_while_signing(home, kills):
    home.genpkey("p256", "signer")
    (home.work / "data").write_bytes(b"x" * 32)
    killer = Killer(home, "sign")
    killer.measure(*[sign_command("signer")] * 3)
    for _ in range(kills["sign"]):
        killer.shoot(sign_command("signer"))
    assert killer.killed > kills["sign"] / 3
    assert home.labels() == ["signer"]
    assert_whole(home, ["signer"])
    # Reads never write: nothing is to be repaired.
    assert home.cli("cluster", "describe", "--verify").json["data"]["state"] == "ACTIVE"


def test_kill_while_generating(home, kills):
    killer = Killer(home, "generate")
    killer.measure(*[generate_command(f"warm-{number}") for number in range(3)])
    acknowledged = [f"warm-{number}" for number in range(3)]
    for number in range(kills["generate"]):
        label = f"key-{number}"
        if killer.shoot(generate_command(label)):
            acknowledged.append(label)
    assert killer.killed > kills["generate"] / 3
    there = home.labels()
    assert set(acknowledged) <= set(there)
    assert len(set(there)) == len(there)
    assert_whole(home, there)
    assert_healthy(home)
    assert home.labels() == there


def test_kill_while_deleting(home, kills):
    labels = [f"key-{number}" for number in range(kills["delete"])]
    for label in ["warm-0", "warm-1", "warm-2", *labels]:
        home.openssl(*generate_command(label)[1:])
    killer = Killer(home, "delete")
    killer.measure(*[delete_command(home, f"warm-{number}") for number in range(3)])
    gone = {label for label in labels if killer.shoot(delete_command(home, label))}
    assert killer.killed > kills["delete"] / 3
    there = home.labels()
    assert not gone & set(there)
    assert set(there) <= set(labels)
    assert_whole(home, there)
    assert_healthy(home)
    assert home.labels() == there
