# SPDX-License-Identifier: Apache-2.0
"""scripts/bench: the rows that are promised, and the form of what it writes. No figure is judged."""

import importlib.machinery
import importlib.util
import json
import os

from support import OPENSSL, ROOT, run

OPERATIONS = ("rsa2048-sign", "rsa4096-sign", "p256-sign", "p384-sign", "ed25519-sign",
              "rsa2048-oaep-decrypt")
PROMISED = {*OPERATIONS, *(f"{name}-2t" for name in OPERATIONS), "load-by-uri", "find-16000",
            "open-16000", "cli-sign", "nginx-rsa-cpu", "nginx-p256-cpu", "haproxy-rsa-cpu",
            "haproxy-p256-cpu", "fork-first-handshake",
            "sha256-16k", "sha256-16", "aes256gcm-16k", "aes256gcm-16", "hmac-sha256-16",
            "rand-32", "rand-16k", "held-aes256gcm-16k", "held-aes256gcm-16",
            "held-hmac-sha256-16", "ecdh-p256", "x25519", "tls13-all-hsm"}
if OPENSSL >= (3, 5):
    PROMISED |= {"mldsa65-sign", "mlkem768-decapsulate"}
UNITS = {"p256-sign": "op/s", "p256-sign-2t": "op/s", "cli-sign": "ms"}


def test_every_promised_row_is_one():
    loader = importlib.machinery.SourceFileLoader("bench", str(ROOT / "scripts/bench"))
    bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench", loader))
    loader.exec_module(bench)
    assert set(bench.ROWS) == PROMISED and len(bench.ROWS) == len(PROMISED)


def test_rows_have_names_figures_and_units(build, tmp_path):
    output = tmp_path / "bench.json"
    env = build.environment(tmp_path) | {"HSM_BUILD_DIR": str(build.directory)}
    done = run(["/usr/bin/python3", ROOT / "scripts/bench", "--quick", "--output", output,
                "p256-sign", "cli-sign"], env=env, cwd=tmp_path)
    written = json.loads(output.read_text())
    assert set(written) == {"rows", "more", "memory", "commands", "load"}
    assert written["more"] == written["memory"] == written["commands"] == []
    assert {row["name"]: row["unit"] for row in written["rows"]} == UNITS
    for row in written["rows"]:
        assert f"{row['name']} " in done.text
        assert set(row) >= {"name", "hsm", "default", "ratio", "unit"}
        assert row["hsm"] > 0 and row["default"] > 0
        assert 0 < row["low"] <= row["ratio"] <= row["high"]
    assert "cli-sign: " in done.text and "p256-sign: 2 threads do" in done.text
    # Nothing is left behind.
    assert not [name for name in os.listdir(tmp_path) if name.startswith("hsm-bench-")]
