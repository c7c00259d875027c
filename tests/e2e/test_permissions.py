# SPDX-License-Identifier: Apache-2.0
"""Every cell of the permission table (docs/users.md, made from the code) by hsmctl."""

import pathlib

import pytest

from support import ADMIN_PIN, APP_PIN, secret_file

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/users.md"
AUDITOR_PIN = "auditor:auditorpass"
ASKERS = {"admin": (ADMIN_PIN, "admin"), "crypto user": (APP_PIN, "crypto-user"),
          "auditor": (AUDITOR_PIN, "auditor"), "no login": (None, None)}
# The policy refuses; there is no login; there is no such key for who cannot see it.
REFUSED = {5, 3, 4}


def table():
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")]
            for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    begin = next(i for i, row in enumerate(rows) if row[0] == "May")
    heads = [head.lower() for head in rows[begin][1:]]
    return {row[0]: dict(zip(heads, (cell == "yes" for cell in row[1:])))
            for row in rows[begin + 1:] if len(row) == len(heads) + 1}


# What stands in the table, as one would do it with hsmctl.
COMMANDS = {
    "describe the cluster": ["cluster", "describe"],
    "bring the HSMs together": ["cluster", "sync"],
    "list users": ["user", "list"],
    "create users": ["user", "create", "--username", "new", "--role", "crypto-user",
                     "--password-source", "PASSWORD"],
    "delete users": ["user", "delete", "--username", "idle", "--role", "crypto-user"],
    "unlock users": ["user", "unlock", "--username", "idle", "--role", "crypto-user"],
    "manage groups of users": ["group", "create", "--group", "web"],
    "change another user's password": ["user", "change-password", "--username", "idle", "--role",
                                       "crypto-user", "--password-source", "PASSWORD"],
    "change one's own credentials": ["user", "create-machine-credential", "--path", "CREDENTIAL"],
    "manage keys": ["key", "generate-symmetric", "aes", "--label", "made", "--key-length-bytes",
                    "32"],
    "set 'trusted'": ["key", "set-attribute", "--filter", "attr.label=kek", "--name", "trusted",
                      "--value", "true"],
    "change the settings of the cluster": ["cluster", "modify", "--unlock-after", "5"],
    "read the audit log": ["audit", "verify"],
    "rotate the audit log": ["audit", "rotate", "--path", "ARCHIVE"],
    "manage backups": ["cluster", "modify", "--backup-retention-days", "30"],
    "list quorum values and tokens": ["quorum", "token-sign", "list-quorum-values"],
    "manage quorum values and tokens": ["quorum", "token-sign", "delete"],
    "make and approve tokens for keys": ["quorum", "token-sign", "generate", "--service",
                                         "key-usage", "--filter", "attr.label=guarded",
                                         "--token", "TOKEN"],
}


@pytest.fixture
def crowd(home):
    """A home with a user of each role, an idle one, and a key that wraps."""
    for name, role in (("auditor", "auditor"), ("idle", "crypto-user")):
        home.cli("user", "create", "--username", name, "--role", role, "--password-source",
                 secret_file(home.work, name, "auditorpass"), pin=ADMIN_PIN)
    home.cli("key", "generate-symmetric", "aes", "--label", "kek", "--key-length-bytes", "32")
    home.cli("key", "generate-asymmetric-pair", "ec", "--curve", "secp256r1", "--label", "guarded",
             "--use-private-key-quorum-value", "1")
    return home


def words_for(home, command):
    given = {"PASSWORD": secret_file(home.work, "new", "brandnewpass"),
             "ARCHIVE": home.work / "audit.jsonl", "CREDENTIAL": home.work / "made.credential",
             "TOKEN": home.work / "token.json"}
    return [given.get(word, word) for word in command]


@pytest.mark.parametrize("asker", ASKERS)
def test_each_cell(crowd, asker):
    cells = table()
    pin, role = ASKERS[asker]
    # The one that removes what others need comes last.
    for name in sorted(COMMANDS, key=lambda each: each == "delete users"):
        done = crowd.cli(*words_for(crowd, COMMANDS[name]), pin=pin,
                         env={"HSM_ROLE": role} if role else {}, expect=None)
        if cells[name][asker]:
            assert done.code == 0, f"{name}: {done.text}"
        else:
            assert done.code in REFUSED, f"{name}: {done.text}"


def test_no_row_is_forgotten_here():
    # These are no commands: activation (test_cluster_setup.py), session keys and the use of keys
    # (test_openssl_*.py), lists of keys (test_hsmctl_keys.py), replication (test_clones.py),
    # zeroization (test_zeroize.py).
    elsewhere = {"activate the cluster", "list public keys", "list the keys of all users",
                 "make session keys", "use private and secret keys", "copy keys to a clone",
                 "copy users to a clone", "zeroize the cluster"}
    assert table().keys() == COMMANDS.keys() | elsewhere
