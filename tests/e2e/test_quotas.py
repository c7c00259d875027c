# SPDX-License-Identifier: Apache-2.0
"""What a cluster may hold, by the type of its HSMs."""

import subprocess

import pytest

from support import ADMIN_PIN, create_cluster, secret_file


@pytest.fixture
def small(build, tmp_path):
    """hsm1.medium holds 250 users, and labels of 126 bytes."""
    return create_cluster(build, tmp_path / "hsm", tmp_path / "work", hsms=1,
                          options=["--type", "hsm1.medium", "--mode", "fips"])


def test_fifty_at_once_fill_the_users_exactly(small):
    source = secret_file(small.work, "new", "newpass123")
    words = ["user", "create", "--role", "crypto-user", "--password-source", source, "--username"]
    for number in range(240):  # beside the admin and the first user
        small.admin(*words, f"u{number}")
    env = small.environment(ADMIN_PIN, HSM_ROLE="admin")
    racing = [subprocess.Popen([small.build.hsmctl, "--home", small.path, *map(str, words), f"r{n}"],
                               env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
              for n in range(50)]
    answers = [(child.communicate()[1].decode(), child.returncode) for child in racing]
    assert sorted(code for _, code in answers) == [0] * 8 + [5] * 42, answers
    assert "250 of the 250 users" in next(text for text, code in answers if code)
    assert len(small.cli("user", "list", pin=None).json["data"]["users"]) == 250


def test_labels(small):
    words = ["key", "generate-symmetric", "aes", "--key-length-bytes", "16", "--label"]
    small.cli(*words, "x" * 126)
    refused = small.cli(*words, "x" * 127, expect=5)
    assert "hsm1.medium hold 126" in refused.json["data"]
    refused = small.cli("key", "set-attribute", "--filter", f"attr.label={'x' * 126}", "--name",
                        "label", "--value", "y" * 127, expect=5)
    assert "hsm1.medium hold 126" in refused.json["data"]


def test_describe_shows_what_is_used(home):
    home.genpkey("p256", "pair")
    home.cli("key", "generate-symmetric", "aes", "--key-length-bytes", "16", "--label", "secret")
    quotas = home.cli("cluster", "describe", pin=None).json["data"]["quotas"]
    assert quotas == {"keys": {"used": 2, "limit": 16666},
                      "asymmetric-keys": {"used": 1, "limit": 3333},
                      "users": {"used": 2, "limit": 1024}}
    text = home.cli("cluster", "describe", "--output", "table", pin=None).out.decode()
    assert "2 of 16666, asymmetric 1 of 3333" in text
