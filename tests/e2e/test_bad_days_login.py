# SPDX-License-Identifier: Apache-2.0
"""Wrong passwords, unknown users, and where the password comes from, as OpenSSL programs see it."""

import pytest

from hsmctl_terminal import Terminal
from support import APP_PIN, secret_file, wait_for

PUBLIC = ("pkey", "-noout", "-in")


def user(home, name="app"):
    return next(row for row in home.cli("user", "list", pin=None).json["data"]["users"]
                if row["username"] == name)


def refused(home, *words, **options):
    options.setdefault("stdin", b"")
    result = home.openssl(*words, expect=None, **options)
    assert result.code != 0, str(result)
    return result.err


@pytest.mark.smoke
def test_wrong_password_is_named_and_counts_once(keyed, key_of):
    error = refused(keyed, *PUBLIC, key_of("p256"), pin="app:not-the-password")
    assert "wrong password" in error and "app" in error
    assert "not-the-password" not in error
    assert user(keyed)["failed-logins"] == 1


def test_a_good_login_forgets_nothing_else(keyed):
    refused(keyed, *PUBLIC, "hsm:p256", pin="app:not-the-password")
    keyed.openssl(*PUBLIC, "hsm:p256")
    assert user(keyed)["locked"] == "false"


def test_more_than_five_wrong_passwords_lock(keyed):
    for _ in range(5):
        assert "wrong password" in refused(keyed, *PUBLIC, "hsm:p256", pin="app:not-it")
        assert user(keyed)["locked"] == "false"
    refused(keyed, *PUBLIC, "hsm:p256", pin="app:not-it")
    assert user(keyed)["locked"] == "true"
    assert "user is locked" in refused(keyed, *PUBLIC, "hsm:p256")


def test_unknown_user(keyed):
    assert "no such user" in refused(keyed, *PUBLIC, "hsm:p256", pin="nobody:whatever1")


def test_an_admin_cannot_use_keys(keyed):
    error = refused(keyed, *PUBLIC, "hsm:p256", pin="admin:adminpass1")
    assert "role" in error or "no such user" in error or "no such key" in error


def test_no_password_anywhere(keyed):
    assert "login required" in refused(keyed, *PUBLIC, "hsm:p256", pin=None,
                                       start_new_session=True)


@pytest.mark.parametrize("pin, reason", [
    ("", "login required"),  # as if it were not set
    (":", "PIN is not of the form user:password"),
    ("app:", "PIN is not of the form user:password"),
    (":apppass123", "PIN is not of the form user:password"),
])
def test_broken_pin(keyed, pin, reason):
    error = refused(keyed, *PUBLIC, "hsm:p256", pin=pin, start_new_session=True)
    assert f":hsm::{reason}:" in error
    assert user(keyed)["failed-logins"] == 0


def test_public_keys_need_no_password(keyed):
    keyed.openssl("pkey", "-pubin", "-in", "hsm:p256", "-noout", pin=None)
    keyed.openssl("pkey", "-pubin", "-in", "hsm:object=p256;type=public", "-noout", pin="app:not-it")


def answer(program, prompt, text):
    """Types when the prompt is there and, as it should be, nothing that is typed shows any more."""
    program.wait_for(prompt)
    wait_for(lambda: not program.echo(), "a terminal without echo")
    program.type(text + "\n")


class TestPrompt:
    """OpenSSL's own prompt, at a terminal."""

    @pytest.fixture
    def terminal(self, keyed):
        """terminal(WORD...) starts openssl without any password at hand."""
        return lambda *words: Terminal(["openssl", *words], keyed.environment(pin=None),
                                       keyed.work)

    def test_asks_for_the_only_user(self, terminal, keyed, key_of):
        with terminal(*PUBLIC, key_of("p256")) as openssl:
            answer(openssl, "HSM user app:", "apppass123")
            code, _, err, shown = openssl.finish()
            assert code == 0, err
            assert "apppass123" not in shown
        assert user(keyed)["failed-logins"] == 0

    def test_a_wrong_answer_is_one_try(self, terminal, keyed):
        with terminal(*PUBLIC, "hsm:p256") as openssl:
            answer(openssl, "HSM user app:", "not-the-password")
            code, _, err, shown = openssl.finish()
            assert code != 0 and ":hsm::wrong password:" in err
            assert "not-the-password" not in err + shown
        assert user(keyed)["failed-logins"] == 1

    def test_with_several_users_the_answer_names_one(self, terminal, keyed):
        keyed.admin("user", "create", "--username", "second", "--role", "crypto-user",
                    "--password-source", secret_file(keyed.work, "second", "secondpass1"))
        with terminal(*PUBLIC, "hsm:p256") as openssl:
            answer(openssl, "HSM user (user:password):", "app:apppass123")
            code, _, err, _ = openssl.finish()
            assert code == 0, err


class TestOrderOfSources:
    """The first source that is there is used; a wrong one is an error and not passed over."""

    def with_setting(self, home, setting):
        home.write_conf(lambda text: text.replace("# user = app", setting))

    def test_pin_value_first(self, keyed):
        keyed.openssl(*PUBLIC, "hsm:p256?pin-value=apppass123", pin="app:not-it")
        keyed.openssl(*PUBLIC, "hsm:p256?pin-value=app:apppass123", pin=None)
        refused(keyed, *PUBLIC, "hsm:p256?pin-value=not-it")

    def test_then_the_pin_source_of_the_uri(self, keyed):
        source = secret_file(keyed.work, "app", "app:apppass123")
        keyed.openssl(*PUBLIC, f"hsm:p256?pin-source={source}", pin="app:not-it")
        keyed.openssl(*PUBLIC, f"hsm:p256?pin-source={source.removeprefix('file:')}", pin=None)

    def test_then_the_environment(self, keyed):
        self.with_setting(keyed, "pin = app:not-it")
        keyed.openssl(*PUBLIC, "hsm:p256")

    def test_then_the_configured_source_before_the_configured_pin(self, keyed):
        source = secret_file(keyed.work, "app", "apppass123")
        self.with_setting(keyed, f"user = app\npin = not-it\npin-source = {source}")
        keyed.openssl(*PUBLIC, "hsm:p256", pin=None)

    def test_then_the_configured_pin(self, keyed):
        self.with_setting(keyed, "pin = app:apppass123")
        keyed.openssl(*PUBLIC, "hsm:p256", pin=None)
        keyed.openssl(*PUBLIC, "p256.ref.pem", "-passin", "pass:not-it", pin=None)

    def test_then_the_password_of_the_program(self, keyed, key_of):
        keyed.openssl(*PUBLIC, key_of("p256"), "-passin", "pass:apppass123", pin=None)
        assert "wrong password" in refused(keyed, *PUBLIC, key_of("p256"), "-passin",
                                           "pass:not-it", pin=None)
        assert user(keyed)["failed-logins"] == 1

    def test_a_pin_for_somebody_else_is_skipped(self, keyed):
        self.with_setting(keyed, f"pin = {APP_PIN}")
        keyed.openssl(*PUBLIC, "hsm:object=p256;user=app", pin="other:whatever1")

    @pytest.mark.parametrize("content", [None, "", "\n"])
    def test_a_source_that_cannot_be_read(self, keyed, content):
        path = keyed.work / "empty.pin"
        if content is not None:
            path.write_text(content)
        error = refused(keyed, *PUBLIC, f"hsm:p256?pin-source=file:{path}", pin=None)
        assert "PIN" in error and "empty.pin" in error

    def test_machine_credential(self, keyed):
        keyed.cli("user", "create-machine-credential", "--path", "app.machine")
        path = keyed.work / "app.machine"
        keyed.openssl(*PUBLIC, f"hsm:p256?pin-source=file:{path}", pin=None)
        self.with_setting(keyed, f"pin-source = file:{path}")
        keyed.openssl(*PUBLIC, "hsm:p256", pin=None)


class TestWhichKey:
    def test_no_such_key(self, keyed):
        error = refused(keyed, *PUBLIC, "hsm:no-such-label")
        assert "no such key" in error and "no-such-label" in error

    def test_a_reference_to_a_deleted_key(self, keyed):
        keyed.cli("key", "delete", "--filter", "attr.label=p256")
        assert "no such key" in refused(keyed, *PUBLIC, "p256.ref.pem")

    def test_several_matches_are_listed(self, home):
        home.genpkey("ed25519", "twice", "-out", "one.pem")
        home.genpkey("ed25519", "twice", "-out", "two.pem")
        error = refused(home, *PUBLIC, "hsm:twice")
        assert "more than one key matches" in error and error.count("0x0") >= 2
        # The references tell them apart.
        first, second = (home.openssl("pkey", "-in", name, "-pubout").out
                         for name in ("one.pem", "two.pem"))
        assert first != second
