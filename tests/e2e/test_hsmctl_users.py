# SPDX-License-Identifier: Apache-2.0
"""hsmctl user, and who logs in with what."""

import os
import pathlib
import signal
import stat
import subprocess

import pytest

from hsmctl_terminal import Terminal
from support import ADMIN_PIN, APP_PIN, secret_file

LIST = ["key", "list"]


def user(home, name):
    users = home.cli("user", "list", pin=None).json["data"]["users"]
    return {entry["username"]: entry for entry in users}.get(name)


def new_password(home, text):
    return ["--password-source", secret_file(home.work, "new", text)]


def terminal(home, *words, pin=None):
    return Terminal([home.build.hsmctl, "--home", home.path, *words], home.environment(pin),
                    home.work)


# ---- user list, create, change-password ----


def test_list_needs_no_login(home):
    users = home.cli("user", "list", pin=None).json["data"]["users"]
    assert [(entry["username"], entry["role"]) for entry in users] == [
        ("admin", "admin"), ("app", "crypto-user")]
    app = users[1]
    assert app["locked"] == "false" and app["failed-logins"] == 0
    assert app["mfa"] == [] and app["quorum"] == [] and app["cluster-coverage"] == "full"
    assert app["machine-credentials"] == 0 and app["create-timestamp"] > 1_700_000_000
    table = home.cli("user", "list", "--output", "table", pin=None).text
    assert "crypto-user" in table and " UTC" in table


def test_create_answers_with_name_and_role(home):
    done = home.cli("user", "create", "--username", "web", "--role", "crypto-user",
                    *new_password(home, "webpass123"), pin=ADMIN_PIN)
    assert done.json["error_code"] == 0
    assert done.json["data"]["username"] == "web" and done.json["data"]["role"] == "crypto-user"
    home.cli(*LIST, pin="web:webpass123")


def test_create_by_a_crypto_user_is_a_policy_error(home):
    done = home.cli("user", "create", "--username", "web", "--role", "crypto-user",
                    *new_password(home, "webpass123"), env={"HSM_ROLE": "crypto-user"}, expect=5)
    assert done.json["error_code"] == 5
    assert user(home, "web") is None


def test_create_a_second_time_is_a_policy_error(home):
    done = home.cli("user", "create", "--username", "app", "--role", "crypto-user",
                    *new_password(home, "otherpass1"), pin=ADMIN_PIN, expect=5)
    assert "app" in done.json["data"]
    home.cli(*LIST)


@pytest.mark.parametrize("name, password, code", [
    ("web-1", "webpass123", 2),
    ("x" * 32, "webpass123", 2),
    ("web", "short", 5),
    ("web", "x" * 33, 5),
])
def test_names_and_passwords_have_rules(home, name, password, code):
    done = home.cli("user", "create", "--username", name, "--role", "crypto-user",
                    *new_password(home, password), pin=ADMIN_PIN, expect=code)
    assert password not in done.text
    assert len(home.cli("user", "list").json["data"]["users"]) == 2


def test_new_password_from_the_environment(home):
    home.cli("user", "create", "--username", "web", "--role", "crypto-user", pin=ADMIN_PIN,
             env={"HSM_NEW_PASSWORD": "webpass123"})
    home.cli(*LIST, pin="web:webpass123")


def test_one_file_serves_as_new_password_and_as_pin_source(home):
    source = secret_file(home.work, "web", "web:webpass123")
    home.cli("user", "create", "--username", "web", "--role", "crypto-user", "--password-source",
             source, pin=ADMIN_PIN)
    home.cli(*LIST, "--pin-source", source, pin=None)
    done = home.cli("user", "create", "--username", "other", "--role", "crypto-user",
                    "--password-source", source, pin=ADMIN_PIN, expect=3)
    assert "web" in done.json["data"]


def test_a_password_source_may_be_relative(home):
    secret_file(home.work, "web", "webpass123")
    home.cli("user", "create", "--username", "web", "--role", "crypto-user", "--password-source",
             "file:web.password", pin=ADMIN_PIN)
    home.cli(*LIST, pin="web:webpass123")


@pytest.mark.parametrize("pin, name", [(APP_PIN, "app"), (ADMIN_PIN, "admin")])
def test_everybody_changes_his_own_password(home, pin, name):
    done = home.cli("user", "change-password", *new_password(home, "fresh-pass-1"), pin=pin)
    assert done.json["data"]["username"] == name
    home.cli("user", "change-password", *new_password(home, "fresh-pass-2"), pin=pin, expect=3)
    home.cli("user", "change-password", *new_password(home, "fresh-pass-2"),
             pin=f"{name}:fresh-pass-1")


def test_keys_outlive_a_change_of_password(home):
    home.cli("key", "generate-asymmetric-pair", "ed25519", "--label", "kept")
    home.cli("user", "change-password", *new_password(home, "fresh-pass-1"))
    home.cli("key", "generate-file", "--encoding", "reference-pem", "--path", "kept.pem",
             "--filter", "attr.label=kept", pin="app:fresh-pass-1")


# ---- Which password ----


def test_without_a_login_the_error_names_every_way(home):
    done = home.cli(*LIST, pin=None, expect=3)
    assert all(way in done.json["data"] for way in ("--user", "--pin-source", "HSM_PIN"))


def test_pin_source_comes_before_the_environment(home):
    source = secret_file(home.work, "app", APP_PIN)
    home.cli(*LIST, "--pin-source", source, pin="nobody:wrongpass1")


def test_user_skips_a_pin_for_somebody_else(home):
    with terminal(home, "--user", "app", *LIST, pin=ADMIN_PIN) as tty:
        tty.wait_for("Password for app: ")
        tty.type("apppass123\n")
        assert tty.finish()[0] == 0


def test_user_and_a_pin_source_for_somebody_else_is_an_error(home):
    source = secret_file(home.work, "app", APP_PIN)
    done = home.cli(*LIST, "--user", "admin", "--pin-source", source, pin=None, expect=3)
    assert "app" in done.json["data"] and "admin" in done.json["data"]


def test_a_pin_may_lack_the_user_when_the_line_names_him(home):
    home.cli(*LIST, "--user", "app", pin="apppass123")
    home.cli(*LIST, "--user", "APP", pin=APP_PIN)


def test_a_filter_uri_names_user_and_pin_source(home):
    home.cli("key", "generate-asymmetric-pair", "ed25519", "--label", "web")
    secret_file(home.work, "app", "apppass123")
    uri = f"hsm:object=web;user=app?pin-source=file:{home.work}/app.password"
    home.cli("key", "show", "--filter", uri, pin=None)


@pytest.mark.parametrize("pin, role", [
    ("app:wrongpass1", None),
    ("nobody:apppass123", None),
    (ADMIN_PIN, None),
    (APP_PIN, "admin"),
    (":apppass123", None),
    ("app:hsm-machine-1.AAAAAAAA", None),
])
def test_bad_logins_are_3(home, pin, role):
    done = home.cli(*LIST, pin=pin, env={"HSM_ROLE": role} if role else {}, expect=3)
    assert done.json["error_code"] == 3
    assert pin.split(":")[1] not in done.text + done.err


def test_an_unknown_role_is_a_usage_error(home):
    assert "HSM_ROLE" in home.cli(*LIST, env={"HSM_ROLE": "king"}, expect=2).json["data"]


@pytest.mark.parametrize("source", ["file:/nowhere/pin", "file:", "empty.pin"])
def test_an_unreadable_pin_source_is_3(home, source):
    (home.work / "empty.pin").touch()
    done = home.cli(*LIST, "--pin-source", source, pin=None, expect=3)
    assert done.json["data"].startswith("PIN source cannot be read")


def test_more_than_five_bad_logins_lock_a_user(home):
    for _ in range(5):
        home.cli(*LIST, pin="app:wrongpass1", expect=3)
    assert user(home, "app")["failed-logins"] == 5
    home.cli(*LIST)
    assert user(home, "app")["locked"] == "false"
    for _ in range(6):
        home.cli(*LIST, pin="app:wrongpass1", expect=3)
    assert user(home, "app")["locked"] == "true"
    assert "locked" in home.cli(*LIST, expect=3).json["data"]
    home.cli("user", "change-password", *new_password(home, "fresh-pass-1"), pin=APP_PIN, expect=3)
    home.cli("user", "create", "--username", "web", "--role", "crypto-user",
             *new_password(home, "webpass123"), pin=ADMIN_PIN)


# ---- The terminal ----


def test_the_terminal_is_asked_with_echo_off(home):
    with terminal(home, "--user", "app", "--output", "json", *LIST) as tty:
        tty.wait_for("Password for app: ")
        assert not tty.echo()
        arguments = pathlib.Path(f"/proc/{tty.child.pid}/cmdline").read_bytes()
        tty.type("apppass123\n")
        code, out, err, shown = tty.finish()
        assert code == 0 and '"error_code": 0' in out and err == ""
        assert tty.echo()
        assert "apppass123" not in shown + out and b"apppass123" not in arguments


def test_new_passwords_are_asked_twice(home):
    with terminal(home, "user", "change-password", pin=APP_PIN) as tty:
        tty.wait_for("New password for app: ")
        tty.type("fresh-pass-1\n")
        tty.wait_for("once more: ")
        tty.type("fresh-pass-1\n")
        assert tty.finish()[0] == 0
    home.cli(*LIST, pin="app:fresh-pass-1")


def test_two_different_entries_change_nothing(home):
    with terminal(home, "user", "change-password", pin=APP_PIN) as tty:
        tty.wait_for("New password for app: ")
        tty.type("fresh-pass-1\n")
        tty.wait_for("once more: ")
        tty.type("fresh-pass-2\n")
        code, _, err, shown = tty.finish()
        assert code == 5 and "differ" in err
        assert "fresh-pass" not in err + shown
        assert tty.echo()
    home.cli(*LIST)


@pytest.mark.parametrize("answer", ["\n", "\x04", "x" * 2000 + "\n"])
def test_an_answer_that_is_no_password_is_3(home, answer):
    with terminal(home, "--user", "app", *LIST) as tty:
        tty.wait_for("Password for app: ")
        tty.type(answer)
        code, _, err, _ = tty.finish()
        assert code == 3 and err.startswith("hsmctl: login required")
        assert tty.echo()
    assert user(home, "app")["failed-logins"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_prompt_puts_the_terminal_back(home, number):
    with terminal(home, "--user", "app", *LIST) as tty:
        tty.wait_for("Password for app: ")
        assert not tty.echo()
        tty.child.send_signal(number)
        assert tty.finish()[0] == -number
        assert tty.echo()


def test_control_c_at_the_prompt_ends_it(home):
    with terminal(home, "--user", "app", *LIST) as tty:
        tty.wait_for("Password for app: ")
        tty.type("half a passw\x03")
        assert tty.finish()[0] == -signal.SIGINT
        assert tty.echo()


# ---- Machine credentials ----


@pytest.fixture
def credential(home):
    home.cli("user", "create-machine-credential", "--path", "app.pin")
    return home.work / "app.pin"


def test_a_machine_credential_logs_in(home, credential):
    text = credential.read_text()
    assert text.startswith("app:hsm-machine-1.") and text.endswith("\n") and text.count("\n") == 1
    assert stat.S_IMODE(credential.stat().st_mode) == 0o600
    home.cli(*LIST, "--pin-source", f"file:{credential}", pin=None)
    home.cli(*LIST, pin=text.strip())
    assert user(home, "app")["machine-credentials"] == 1


def test_the_file_of_a_credential_ignores_a_wide_umask(home):
    before = os.umask(0)
    try:
        home.cli("user", "create-machine-credential", "--path", "app.pin")
    finally:
        os.umask(before)
    assert stat.S_IMODE((home.work / "app.pin").stat().st_mode) == 0o600
    assert [path.name for path in home.work.iterdir() if path.name.startswith(".")] == []


def test_a_credential_is_not_shown(home):
    done = home.cli("user", "create-machine-credential", "--path", "app.pin")
    secret = (home.work / "app.pin").read_text().strip().split(":")[1]
    assert secret not in done.text + done.err
    assert done.json["data"]["path"] == "app.pin"


def test_an_existing_file_is_kept_and_no_credential_made(home):
    (home.work / "app.pin").write_text("mine")
    done = home.cli("user", "create-machine-credential", "--path", "app.pin", expect=1)
    assert "app.pin exists already" in done.json["data"]
    assert (home.work / "app.pin").read_text() == "mine"
    assert user(home, "app")["machine-credentials"] == 0


@pytest.mark.parametrize("path", ["/nowhere/app.pin", "/proc/app.pin"])
def test_a_file_that_cannot_be_made_leaves_no_credential(home, path):
    home.cli("user", "create-machine-credential", "--path", path, expect=1)
    assert user(home, "app")["machine-credentials"] == 0


def test_machine_credentials_are_taken_back_all_at_once(home, credential):
    home.cli("user", "create-machine-credential", "--path", "second.pin")
    assert user(home, "app")["machine-credentials"] == 2
    home.cli("user", "delete-machine-credentials")
    for name in ("app.pin", "second.pin"):
        home.cli(*LIST, "--pin-source", f"file:{home.work / name}", pin=None, expect=3)
    home.cli(*LIST)
    assert user(home, "app")["machine-credentials"] == 0


def test_a_credential_outlives_a_change_of_password(home, credential):
    home.cli("user", "change-password", *new_password(home, "fresh-pass-1"))
    home.cli(*LIST, "--pin-source", f"file:{credential}", pin=None)


def test_no_password_is_found_in_the_home(home, credential):
    secret = credential.read_text().strip().split(":")[1]
    for text in ("adminpass1", "apppass123", secret):
        done = subprocess.run(["grep", "-rlF", text, home.path], capture_output=True, check=False)
        assert done.returncode == 1, done.stdout


def test_an_admin_resets_a_password_and_the_keys_stay(home):
    home.cli("key", "generate-symmetric", "aes", "--label", "kept", "--key-length-bytes", "32")
    done = home.cli("user", "change-password", "--username", "app", "--role", "crypto-user",
                    *new_password(home, "resetpass1"), pin=ADMIN_PIN)
    assert done.json["data"]["username"] == "app" and done.json["data"]["role"] == "crypto-user"
    home.cli(*LIST, expect=3)
    keys = home.cli("key", "list", pin="app:resetpass1").json["data"]
    assert keys["total_key_count"] == 1


def test_somebody_elses_password_needs_his_role(home):
    done = home.cli("user", "change-password", "--username", "app",
                    *new_password(home, "resetpass1"), pin=ADMIN_PIN, expect=2)
    assert "--role" in done.json["data"]


def test_delete_hands_keys_over_with_the_owners_consent(home):
    home.cli("user", "create", "--username", "web", "--role", "crypto-user",
             *new_password(home, "webpass123"), pin=ADMIN_PIN)
    home.genpkey("p256", "tls")
    words = ["user", "delete", "--username", "app", "--role", "crypto-user"]
    refused = home.cli(*words, pin=ADMIN_PIN, expect=5)
    assert "owns 1 key" in refused.json["data"]
    refused = home.cli(*words, "--transfer-keys-to", "web", pin=ADMIN_PIN, expect=3)
    assert "--owner-pin-source" in refused.json["data"]
    consent = secret_file(home.work, "consent", APP_PIN)
    home.cli(*words, "--transfer-keys-to", "web", "--owner-pin-source", consent,
             pin=ADMIN_PIN)
    assert user(home, "app") is None
    # The same reference file, in the hands of another user.
    (home.work / "data").write_text("data")
    home.openssl("dgst", "-sha256", "-sign", "tls.ref.pem", "-out", "sig", "data", pin="web:webpass123")
