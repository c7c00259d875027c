# SPDX-License-Identifier: Apache-2.0
"""hsmctl backup, and a cluster that is made from one."""

import os
import pathlib
import pty
import random
import shutil
import subprocess
import time

import pytest

from support import ADMIN_PIN, APP_PIN, Home, run


def backup_of(answer):
    return answer.json["data"]["backup"]


@pytest.fixture
def backed_up(keyed):
    """A home with keys, and a backup of it."""
    return keyed, backup_of(keyed.admin("backup", "create"))


def restore(home, backup, to, *more, pin=ADMIN_PIN, **options):
    """Another home from the backup's file."""
    clone = Home(home.build, to / "hsm", to / "work")
    made = clone.cli("cluster", "create", "--source-backup", backup["file"], *more, pin=pin,
                     **options)
    return clone, made


def test_a_new_cluster_has_a_backup(home):
    data = home.cli("backup", "list", pin=None).json["data"]
    assert len(data["backups"]) == 1 and data["backup-retention-days"] == 90
    assert data["backups"][0]["backup-state"] == "READY"


def test_a_backup_is_made_listed_described_and_verified(backed_up):
    home, backup = backed_up
    assert backup["backup-id"].startswith("backup-") and backup["mode"] == "NON_FIPS"
    assert pathlib.Path(backup["file"]).stat().st_mode & 0o777 == 0o600
    listed = home.cli("backup", "list", pin=None).json["data"]["backups"]
    assert listed[-1] == backup
    selection = ["--backup-id", backup["backup-id"]]
    assert backup_of(home.cli("backup", "describe", *selection, pin=None)) == backup
    verified = backup_of(home.admin("backup", "verify", "--file", backup["file"]))
    keys = home.cli("key", "list", "--max-items", "1000").json["data"]["total_key_count"]
    assert verified["keys"] == keys and verified["users"] == 2


def test_what_is_inside_is_listed_for_an_admin_only(backed_up):
    home, backup = backed_up
    inside = home.admin("backup", "keys", "--file", backup["file"]).json["data"]
    labels = {key["attributes"]["label"] for key in inside["matched_keys"]}
    assert {"rsa2048", "p256"} <= labels
    assert {user["username"] for user in inside["users"]} == {"admin", "app"}
    refused = home.cli("backup", "keys", "--file", backup["file"], env={"HSM_ROLE": "crypto-user"},
                       expect=5)
    assert "may not manage backups" in refused.json["data"]
    home.cli("backup", "keys", "--file", backup["file"], pin=None, expect=3)


def test_a_lost_cluster_comes_back(backed_up, tmp_path):
    """All that is left is a copy of the backup on another disk, and the admin's password."""
    home, backup = backed_up
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    copy = backup_of(home.admin("backup", "copy", "--backup-id", backup["backup-id"], "--to",
                                elsewhere))
    public = home.public("p256")
    reference = (home.work / "p256.ref.pem").read_text()
    shutil.rmtree(home.path)
    clone, made = restore(home, copy, tmp_path / "again", "--hsms", "2")
    data = made.json["data"]
    assert data["source-backup-id"] == backup["backup-id"] and len(data["hsms"]) == 2
    assert data["cluster-id"] != backup["cluster-id"] and data["state"] == "ACTIVE"

    clone.write_conf()
    (clone.work / "old.ref.pem").write_text(reference)  # reference files stay good
    for name in ("hsm:p256", "old.ref.pem"):
        clone.openssl("dgst", "-sha256", "-sign", name, "-out", "signature", clone.conf)
        clone.plain("dgst", "-sha256", "-verify", public, "-signature", "signature", clone.conf)
    # It goes on by itself.
    clone.genpkey("p256", "new")
    # Its first use was worth a backup of its own.
    assert len(clone.cli("backup", "list", pin=None).json["data"]["backups"]) == 1
    backup_of(clone.admin("backup", "create"))


def test_restoring_asks_for_an_admin_of_the_backup(backed_up, tmp_path):
    home, backup = backed_up
    for pin, code, text in ((f"admin:{'x' * 10}", 3, "password of 'admin' is another"),
                            (APP_PIN, 5, "opens for its admins only, who are: admin"),
                            (None, 3, "--user NAME")):
        _, refused = restore(home, backup, tmp_path / "no", pin=pin, expect=code)
        assert text in refused.json["data"]
        assert not (tmp_path / "no/hsm/cluster.json").exists()
    _, refused = restore(home, backup, tmp_path / "no", "--mode", "fips", expect=2)
    assert "--mode" in refused.json["data"]


@pytest.mark.parametrize("how", ["cut", "edited", "empty", "foreign", "missing"])
def test_a_bad_backup_changes_nothing(backed_up, how, tmp_path):
    home, backup = backed_up
    path = pathlib.Path(backup["file"])
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": content[:-1], "empty": b"", "foreign": os.urandom(5000),
                          "edited": content[:-30] + b"x" + content[-29:]}[how])
    _, refused = restore(home, backup, tmp_path / "no", expect=6)
    assert ("there is no backup" if how == "missing" else "take another backup") \
        in refused.json["data"]
    assert not (tmp_path / "no/hsm/cluster.json").exists()
    assert not (tmp_path / "no/hsm/hsms").exists()
    home.admin("backup", "verify", "--file", backup["file"], expect=6)


def test_one_key_comes_back(backed_up):
    home, backup = backed_up
    home.openssl("dgst", "-sha256", "-sign", "hsm:p256", "-out", "before", home.conf)
    public = home.public("p256")
    reference = home.cli("key", "list", "--filter", "attr.label=p256", "attr.class=private-key") \
        .json["data"]["matched_keys"][0]["key-reference"]
    home.cli("key", "delete", "--filter", "attr.label=p256")
    refused = home.openssl("dgst", "-sha256", "-sign", "hsm:p256", "-out", "x", home.conf,
                           expect=None)
    assert refused.code != 0
    words = ["backup", "restore-key", "--file", backup["file"], "--key-reference"]
    restored = home.admin(*words, reference).json["data"]["key"]
    assert restored["key-reference"] == reference
    home.openssl("dgst", "-sha256", "-sign", "hsm:p256", "-out", "after", home.conf)
    home.plain("dgst", "-sha256", "-verify", public, "-signature", "after", home.conf)
    assert "is in the cluster" in home.admin(*words, reference, expect=5).json["data"]
    home.admin(*words, "0x7000", expect=4)
    home.admin(*words, "p256", expect=2)


def test_a_deleted_backup_can_be_brought_back_and_the_newest_stays(backed_up):
    home, backup = backed_up
    selection = ["--backup-id", backup["backup-id"]]
    assert "never deleted" in home.admin("backup", "delete", *selection, expect=5).json["data"]
    home.cli("key", "generate-symmetric", "aes", "--key-length-bytes", "16", "--label", "more")
    backup_of(home.admin("backup", "create"))
    deleted = backup_of(home.admin("backup", "delete", *selection))
    assert deleted["backup-state"] == "PENDING_DELETION"
    assert abs(deleted["delete-timestamp"] - time.time() - 7 * 86400) < 600
    assert backup_of(home.admin("backup", "restore-deleted", *selection)) == backup


def test_retention(home):
    words = ["cluster", "modify", "--backup-retention-days"]
    assert home.admin(*words, "7").json["data"]["backup-retention-days"] == 7
    # What was not asked for stays as it is.
    assert home.cli("cluster", "describe", pin=None).json["data"]["key-availability-check"] is True
    assert home.cli("backup", "list", pin=None).json["data"]["backup-retention-days"] == 7
    for days in ("6", "380", "-1", "x"):
        home.admin(*words, days, expect=2)


def test_once_a_day_is_enough(home):
    said = home.cli("backup", "create", "--if-due", pin=None).json["data"]
    assert said["backup"] is None
    shutil.rmtree(home.path / "backups")
    assert home.cli("backup", "create", "--if-due", pin=None).json["data"]["backup"]["bytes"] > 0


def backups_of(home):
    return list((home.path / "backups").glob("*.hsmbackup"))


def test_whoever_uses_the_cluster_makes_the_daily_one(keyed):
    """Without any backup one is due, as it is a day after the newest (unit tests have the clock)."""
    def gone():
        shutil.rmtree(keyed.path / "backups")
        (keyed.path / "backups").mkdir(mode=0o700)

    sign = ["dgst", "-sha256", "-sign", "hsm:p256", "-out", "s", keyed.conf]
    gone()
    assert keyed.cli("cluster", "describe", pin=None).json["data"]["newest-backup"] is None
    keyed.openssl(*sign)
    made = backups_of(keyed)
    assert len(made) == 1
    newest = keyed.cli("cluster", "describe", pin=None).json["data"]["newest-backup"]
    assert newest["backup-id"] == made[0].stem
    assert abs(newest["create-timestamp"] - time.time()) < 600
    keyed.admin("backup", "verify", "--file", made[0])
    keyed.openssl(*sign)
    assert backups_of(keyed) == made
    gone()
    said = keyed.cli("key", "list", "--output", "table")
    assert len(backups_of(keyed)) == 1
    assert f"made the daily backup {backups_of(keyed)[0].stem}" in said.err
    # One that fails stops nobody, and hsmctl tells.
    gone()
    (keyed.path / "backups").rmdir()
    (keyed.path / "backups").write_text("a file where the directory was")
    keyed.openssl(*sign)
    said = keyed.cli("key", "list")
    assert "the daily backup could not be made" in said.err and "backups" in said.err
    (keyed.path / "backups").unlink()
    data = keyed.admin("cluster", "modify", "--disable-automatic-backups").json["data"]
    assert data["automatic-backups"] is False, data
    shutil.rmtree(keyed.path / "backups", ignore_errors=True)
    keyed.openssl(*sign)
    keyed.cli("key", "list")
    assert backups_of(keyed) == []
    assert keyed.cli("backup", "list", pin=None).json["data"]["automatic-backups"] is False
    keyed.admin("cluster", "modify", "--enable-automatic-backups")
    assert len(backups_of(keyed)) == 1


def test_a_full_place_for_copies_is_told(backed_up):
    home, backup = backed_up
    refused = home.admin("backup", "copy", "--backup-id", backup["backup-id"], "--to",
                         home.work / "not-there", expect=6)
    assert "not-there" in refused.json["data"]


def test_a_killed_backup_leaves_none(home):
    for number in range(30):
        home.cli("key", "generate-symmetric", "aes", "--key-length-bytes", "16", "--label",
                 f"key-{number}")
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(20):
        child = subprocess.Popen([home.build.hsmctl, "--home", home.path, "backup", "create"],
                                 env=home.environment(None), stdout=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, 0.05))
        child.kill()
        child.wait()
    backup_of(home.cli("backup", "create", pin=None))  # also sweeps
    assert not list((home.path / "backups").glob("*.unfinished"))
    for backup in home.cli("backup", "list", pin=None).json["data"]["backups"]:
        home.admin("backup", "verify", "--file", backup["file"])
    home.cli("key", "generate-symmetric", "aes", "--key-length-bytes", "16", "--label", "after")


def test_a_bar_is_shown_on_a_terminal_only(home):
    master, slave = pty.openpty()
    command = [home.build.hsmctl, "--home", home.path, "backup", "create"]
    subprocess.run(command, env=home.environment(None), stdout=subprocess.PIPE, stderr=slave,
                   check=True)
    os.close(slave)
    shown = os.read(master, 65536).decode()
    os.close(master)
    assert "Backing up [" in shown and "100 %" in shown
    silent = run(command, env=home.environment(None), cwd=home.work)
    assert silent.err == ""
