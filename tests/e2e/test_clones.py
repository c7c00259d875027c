# SPDX-License-Identifier: Apache-2.0
"""Keys and users that are copied from a cluster to its clone."""

import pytest

from support import ADMIN_PIN, Home, create_cluster, secret_file

ELEVEN = ["--label", "later", "--key-length-bytes", "32"]


@pytest.fixture
def clone(keyed, tmp_path):
    """A clone of the keyed home, as it was before the test."""
    backup = keyed.admin("backup", "create").json["data"]["backup"]
    other = Home(keyed.build, tmp_path / "clone", tmp_path / "clone-work")
    other.cli("cluster", "create", "--source-backup", backup["file"], "--hsms", "2", pin=ADMIN_PIN)
    other.write_conf()
    return other


def replicate(home, clone, *terms, **options):
    return home.cli("key", "replicate", "--filter", *terms, "--destination-home", clone.path,
                    **options)


def test_a_new_key_goes_over_once(keyed, clone):
    keyed.genpkey("p256", "later")
    said = replicate(keyed, clone, "attr.label=later").json["data"]
    assert len(said["replicated"]) == 1 and said["present"] == []
    clone.openssl("dgst", "-sha256", "-sign", "hsm:later", "-out", "signature", clone.conf)
    clone.plain("dgst", "-sha256", "-verify", keyed.public("later"), "-signature", "signature",
                clone.conf)
    again = replicate(keyed, clone, "attr.label=later").json["data"]
    assert again["replicated"] == [] and again["present"] == said["replicated"]
    # The reference file of one is good for the other.
    reference = keyed.work / "later.ref.pem"
    clone.openssl("dgst", "-sha256", "-sign", reference, "-out", "signature", clone.conf)
    assert "hsmctl" not in clone.cli("cluster", "describe", "--verify", pin=None).err


def test_many_keys_go_over_and_what_is_there_is_passed_over(keyed, clone):
    for number in range(5):
        keyed.cli("key", "generate-symmetric", "aes", "--key-length-bytes", "16", "--label",
                  f"k{number}")
    replicate(keyed, clone, "attr.label=k3")
    said = replicate(keyed, clone, "attr.class=secret-key").json["data"]
    assert len(said["replicated"]) == 4 and len(said["present"]) == 1
    before = clone.cli("key", "list", "--max-items", "100").json["data"]["total_key_count"]
    assert before == keyed.cli("key", "list", "--max-items", "100").json["data"]["total_key_count"]


def test_an_admin_copies_what_he_cannot_use(keyed, clone):
    keyed.genpkey("p256", "later")
    said = replicate(keyed, clone, "attr.label=later", pin=ADMIN_PIN,
                     env={"HSM_ROLE": "admin"}).json["data"]
    assert len(said["replicated"]) == 1
    clone.openssl("dgst", "-sha256", "-sign", "hsm:later", "-out", "signature", clone.conf)


def test_the_same_handle_for_another_key_is_refused(keyed, clone):
    keyed.genpkey("p256", "later")
    clone.genpkey("p256", "another")  # the same number is next there
    refused = replicate(keyed, clone, "attr.label=later", expect=5)
    assert "with another content" in refused.json["data"]
    assert clone.cli("key", "list", "--filter", "attr.label=later").json["data"][
        "total_key_count"] == 0


def test_a_changed_key_is_refused(keyed, clone):
    keyed.cli("key", "set-attribute", "--filter", "attr.label=p256", "attr.class=private-key",
              "--name", "derive", "--value", "true")
    refused = replicate(keyed, clone, "attr.label=p256", expect=5)
    assert "changed since" in refused.json["data"]


def test_strangers_are_refused(keyed, build, tmp_path):
    stranger = create_cluster(build, tmp_path / "stranger", tmp_path / "stranger-work")
    refused = replicate(keyed, stranger, "attr.label=p256", expect=5)
    assert "no clones of each other" in refused.json["data"]
    refused = keyed.admin("user", "replicate", "--username", "app", "--destination-home",
                          stranger.path, expect=5)
    assert "no clones of each other" in refused.json["data"]


def test_a_cluster_is_no_clone_of_itself(keyed):
    refused = replicate(keyed, keyed, "attr.label=p256", expect=5)
    assert "both source and destination" in refused.json["data"]


def test_a_new_user_and_his_key(keyed, clone):
    keyed.admin("user", "create", "--username", "late", "--role", "crypto-user",
                "--password-source", secret_file(keyed.work, "late", "latepass12"))
    pin = "late:latepass12"
    keyed.cli("key", "generate-symmetric", "aes", *ELEVEN, pin=pin)
    refused = replicate(keyed, clone, "attr.label=later", pin=ADMIN_PIN, env={"HSM_ROLE": "admin"},
                        expect=5)
    assert "who is not in this cluster" in refused.json["data"]
    words = ["user", "replicate", "--username", "late", "--destination-home", clone.path]
    assert keyed.admin(*words).json["data"]["replicated"] is True
    assert keyed.admin(*words).json["data"]["replicated"] is False
    replicate(keyed, clone, "attr.label=later", pin=pin)
    found = clone.cli("key", "list", "--filter", "attr.label=later", pin=pin).json["data"]
    assert found["total_key_count"] == 1
    assert "takes an admin" in keyed.cli("user", "replicate", "--help", pin=None).out.decode()
    refused = keyed.cli(*words, pin=pin, env={"HSM_ROLE": "crypto-user"}, expect=5)
    assert "log in as an admin" in refused.json["data"]
    keyed.admin("user", "replicate", "--username", "nobody", "--destination-home", clone.path,
                expect=3)


def test_two_users_of_one_name_are_two(keyed, clone):
    for home, password in ((keyed, "onepass123"), (clone, "twopass123")):
        home.admin("user", "create", "--username", "twin", "--role", "crypto-user",
                   "--password-source", secret_file(home.work, "twin", password))
    refused = keyed.admin("user", "replicate", "--username", "twin", "--destination-home",
                          clone.path, expect=5)
    assert "has another user twin" in refused.json["data"]
    keyed.cli("key", "generate-symmetric", "aes", *ELEVEN, pin="twin:onepass123")
    refused = replicate(keyed, clone, "attr.label=later", pin=ADMIN_PIN, env={"HSM_ROLE": "admin"},
                        expect=5)
    assert "who is another user here" in refused.json["data"]


def test_each_side_asks_for_its_own_login(keyed, clone):
    clone.cli("user", "change-password", "--password-source",
              secret_file(clone.work, "changed", "changedpass1"))
    keyed.genpkey("p256", "later")
    replicate(keyed, clone, "attr.label=later", expect=3)
    source = secret_file(clone.work, "there", "app:changedpass1")
    said = replicate(keyed, clone, "attr.label=later", "--destination-pin-source", source)
    assert len(said.json["data"]["replicated"]) == 1
