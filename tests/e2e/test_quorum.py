# SPDX-License-Identifier: Apache-2.0
"""MFA and quorum, with the commands of docs/quorum.md: tokens are signed by openssl alone."""

import concurrent.futures
import json
import re
import shutil

import pytest

from support import ADMIN_PIN, APP_PIN, ROOT, run, secret_file

PASSWORD = "somepass12"
LIST = ["key", "list"]


def script(name):
    """The block of docs/quorum.md that begins with ```sh NAME."""
    text = (ROOT / "docs/quorum.md").read_text()
    return re.search(rf"^```sh {name}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[1]


def shell(home, name, **variables):
    env = {"PATH": "/usr/bin:/bin", "OPENSSL_CONF": "/dev/null"}
    run(["bash", "-e", "-o", "pipefail", "-c", script(name)],
        env=env | {key: str(value) for key, value in variables.items()}, cwd=home.work)


@pytest.fixture
def keys(home):
    """rsa.key and ed25519.key, made as the document says."""
    shell(home, "make-keys")
    return home


def pin_of(name):
    return ADMIN_PIN if name == "admin" else f"{name}:{PASSWORD}"


def as_admin(home, name, *words, role="admin", **options):
    return home.cli(*words, pin=pin_of(name), env={"HSM_ROLE": role}, **options)


def register(home, name, key, role="admin"):
    token = home.work / f"{name}.register.json"
    as_admin(home, name, "quorum", "token-sign", "generate", "--service", "registration", "--token",
             token, role=role)
    shell(home, "sign-tokens", KEY=f"{key}.key", FILE=token)
    as_admin(home, name, "user", "change-quorum", "token-sign", "register", "--public-key",
             f"{key}.pem", "--signed-token", token, role=role)


def make_approvers(home, role):
    """alice (RSA) and bob (Ed25519), who have registered their keys."""
    for name, key in (("alice", "rsa"), ("bob", "ed25519")):
        home.cli("user", "create", "--username", name, "--role", role, "--password-source",
                 secret_file(home.work, name, PASSWORD), pin=ADMIN_PIN)
        register(home, name, key, role)
    return home


@pytest.fixture
def admins(keys):
    """admin, alice and bob; the last two have registered their keys."""
    return make_approvers(keys, "admin")


def set_value(home, service, value, *more, **options):
    return home.admin("quorum", "token-sign", "set-quorum-value", "--service", service, "--value",
                      value, *more, **options)


def token_for(home, service, name="t.json"):
    path = home.work / name
    path.unlink(missing_ok=True)
    home.admin("quorum", "token-sign", "delete")
    home.admin("quorum", "token-sign", "generate", "--service", service, "--token", path)
    return path


def signed(home, token, *names, role="admin"):
    """--approval for copies of the token that each has signed."""
    words = []
    for name in names:
        copy = home.work / f"{token.stem}-{name}.json"
        shutil.copy(token, copy)
        shell(home, "sign-approval", KEY={"alice": "rsa.key", "bob": "ed25519.key"}[name],
              NAME=name, ROLE=role, FILE=copy)
        words += ["--approval", copy]
    return words


def token_copy(home, token):
    """The token without the approvals that are in the file."""
    content = json.loads(token.read_text())
    content["signatures"] = []
    copy = home.work / "unsigned.json"
    copy.write_text(json.dumps(content, indent=2) + "\n")
    return copy


def create(home, name, *more, **options):
    return home.admin("user", "create", "--username", name, "--role", "crypto-user",
                      "--password-source", secret_file(home.work, name, PASSWORD), *more, **options)


def expect_whole(home):
    """Every record is genuine, and the audit log holds."""
    assert home.cli("cluster", "sync", pin=None).json["data"]["repaired"] == []
    home.admin("audit", "verify")


# ---- Quorum ----


def test_values_and_registered_keys_are_listed(admins):
    values = admins.cli("quorum", "token-sign", "list-quorum-values", pin=None).json["data"]
    assert values == {"user": 1, "quorum": 1, "cluster": 1}
    users = {user["username"]: user for user in admins.cli("user", "list").json["data"]["users"]}
    assert users["alice"]["quorum"] == [{"strategy": "token-sign", "status": "enabled"}]
    assert users["admin"]["quorum"] == []


def test_two_admins_approve_by_openssl_alone(admins):
    set_value(admins, "user", 2)
    assert "quorum" in create(admins, "web", expect=5).json["data"]
    token = token_for(admins, "user")
    live = admins.cli("quorum", "token-sign", "list", pin=None).json["data"]["tokens"]
    assert [(each["username"], each["service"], each["minimum-token-count"]) for each in live] == [
        ("admin", "user", 1)]
    create(admins, "web", *signed(admins, token, "alice"), expect=5)
    approvals = signed(admins, token, "alice", "bob")
    create(admins, "web", *approvals)
    admins.cli(*LIST, pin=f"web:{PASSWORD}")
    done = create(admins, "web2", *approvals, expect=3)
    assert "used already" in done.json["data"]
    assert admins.cli("quorum", "token-sign", "list").json["data"]["tokens"] == []


def test_of_two_processes_with_one_token_one_succeeds(admins):
    set_value(admins, "user", 2)
    approvals = signed(admins, token_for(admins, "user"), "alice", "bob")
    names = ["one", "two", "three"]
    for name in names:
        secret_file(admins.work, name, PASSWORD)
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        done = list(pool.map(lambda name: create(admins, name, *approvals, expect=None), names))
    assert sorted(each.code for each in done) == [0, 3, 3]
    listed = {user["username"] for user in admins.cli("user", "list").json["data"]["users"]}
    assert len(listed & set(names)) == 1


def test_a_token_of_another_cluster_or_an_edited_one_is_refused(admins):
    set_value(admins, "user", 2)
    token = token_for(admins, "user")
    approvals = signed(admins, token, "alice", "bob")
    content = json.loads((admins.work / "t-bob.json").read_text())
    content["signatures"][0]["username"] = "alice"
    (admins.work / "t-bob.json").write_text(json.dumps(content))
    create(admins, "web", *approvals, expect=3)
    content["token"] = content["approval_data"]
    (admins.work / "t-bob.json").write_text(json.dumps(content))
    create(admins, "web", *approvals, expect=2)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"version": "2.0"}',
                                  '{"version": 2}', "\x00" * 100, "[" * 50000])
def test_a_file_that_is_no_token_is_a_usage_error(admins, text):
    (admins.work / "bad.json").write_text(text)
    create(admins, "web", "--approval", "bad.json", expect=2)
    assert "bad.json" in create(admins, "web", "--approval", "bad.json", expect=2).json["data"]


def test_a_reset_takes_approvals_by_login(admins):
    set_value(admins, "user", 2)
    reset = ["user", "change-password", "--username", "app", "--role", "crypto-user",
             "--password-source", secret_file(admins.work, "new", "brandnewpw1")]
    token = token_for(admins, "user")
    done = admins.admin(*reset, *signed(admins, token, "alice", "bob"), expect=5)
    assert "quorum token-sign approve" in done.json["data"]
    for name in ("alice", "bob"):
        as_admin(admins, name, "quorum", "token-sign", "approve", "--token", token)
    admins.admin(*reset, "--approval", token)
    admins.cli(*LIST, pin="app:brandnewpw1")
    admins.cli(*LIST, expect=3)
    admins.admin(*reset, "--approval", token, expect=3)
    expect_whole(admins)


def test_a_quorum_hands_over_the_keys_of_who_is_gone(admins):
    create(admins, "heir")
    admins.cli("key", "generate-symmetric", "aes", "--label", "left", "--attributes",
               "encrypt=true")
    words = ["user", "delete", "--username", "app", "--role", "crypto-user", "--transfer-keys-to",
             "heir"]
    done = admins.admin(*words, expect=3)
    assert "quorum" in done.json["data"]
    set_value(admins, "user", 2)
    token = token_for(admins, "user")
    for name in ("alice", "bob"):
        as_admin(admins, name, "quorum", "token-sign", "approve", "--token", token)
    admins.admin(*words, "--approval", token)
    keys = admins.cli("key", "list", "--filter", "attr.label=left", pin=f"heir:{PASSWORD}")
    assert keys.json["data"]["total_key_count"] == 1
    deleted = [each for each in admins.admin("audit", "show").json["data"]["records"]
               if each["event"] == "user-delete" and each["response"] == 0]
    assert deleted[-1]["detail"] == "keys to heir; approved by alice, bob"
    expect_whole(admins)


def test_an_admin_is_made_and_deleted_with_shares(admins):
    """Each time the recovery key is made anew, and every user's record with it."""
    set_value(admins, "user", 2)
    change = ["--username", "carol", "--role", "admin"]
    source = ["--password-source", secret_file(admins.work, "carol", PASSWORD)]
    token = token_for(admins, "user")
    as_admin(admins, "bob", "quorum", "token-sign", "approve", "--token", token)
    approvals = ["--approval", token, *signed(admins, token_copy(admins, token), "alice")]
    admins.admin("user", "create", *change, *source, *approvals)
    token = token_for(admins, "user")
    for name in ("carol", "bob"):
        as_admin(admins, name, "quorum", "token-sign", "approve", "--token", token)
    admins.admin("user", "delete", *change, expect=5)
    admins.admin("user", "delete", *change, "--approval", token)
    assert len(admins.cli("user", "list").json["data"]["users"]) == 4
    admins.cli(*LIST)
    expect_whole(admins)


def test_the_audit_log_tells_of_approvals_and_of_who_had_none(admins):
    set_value(admins, "user", 2)
    create(admins, "web", expect=5)
    token = token_for(admins, "user")
    as_admin(admins, "bob", "quorum", "token-sign", "approve", "--token", token)
    create(admins, "web", "--approval", token, *signed(admins, token_copy(admins, token), "alice"),
           expect=0)
    records = admins.admin("audit", "show").json["data"]["records"]
    told = [(each["event"], each["detail"], each["response"]) for each in records]
    assert ("quorum-set-value", "user=2", 0) in told
    assert ("quorum-token", "generate user", 0) in told
    assert ("quorum-approval", "user", 0) in told
    assert [each[2] for each in told if each[0] == "user-create"][-2:] == [70, 0]
    admins.admin("audit", "verify")


def test_a_value_is_lowered_with_its_own_quorum(admins):
    set_value(admins, "cluster", 2)
    set_value(admins, "cluster", 1, expect=5)
    admins.admin("cluster", "modify", "--backup-retention-days", "30", expect=5)
    token = token_for(admins, "cluster")
    admins.admin("cluster", "modify", "--backup-retention-days", "30",
                 *signed(admins, token, "alice", "bob"))
    token = token_for(admins, "quorum")
    set_value(admins, "cluster", 1, *signed(admins, token, "alice", "bob"))
    admins.admin("cluster", "modify", "--backup-retention-days", "31")


def test_a_second_live_token_is_refused_and_no_file_stays(admins):
    token_for(admins, "user")
    done = as_admin(admins, "alice", "quorum", "token-sign", "generate", "--service", "user",
                    "--token", "second.json", expect=3)
    assert "delete" in done.json["data"]
    assert not (admins.work / "second.json").exists()


# ---- Quorum of a key ----


@pytest.fixture
def ca(keys):
    """app's key "ca", with which he signs and which he changes when alice and bob approve."""
    make_approvers(keys, "crypto-user")
    keys.cli("key", "generate-asymmetric-pair", "ec", "--curve", "secp256r1", "--label", "ca",
             "--private-attributes", "sign=true", "--share-crypto-users", "alice,bob",
             "--use-key-quorum-value", "2", "--manage-private-key-quorum-value", "2")
    keys.ca = ["--filter", "attr.label=ca", "attr.class=private-key"]
    return keys


def key_token(home, service, name="k.json", **options):
    path = home.work / name
    path.unlink(missing_ok=True)
    home.cli("quorum", "token-sign", "generate", "--service", service, "--token", path, *home.ca,
             **options)
    return path


def approved(home, token, *names):
    """HSM_APPROVAL with the copies of the token that each has signed."""
    words = signed(home, token, *names, role="crypto-user")
    return {"HSM_APPROVAL": ":".join(str(path) for path in words[1::2])}


def test_a_ca_signs_with_approvals(ca):
    info = ca.cli("key", "show", *ca.ca).json["data"]["matched_keys"][0]["key-info"]
    assert info["key-quorum-values"] == {"manage-key-quorum-value": 2, "use-key-quorum-value": 2}
    assert [each["username"] for each in info["shared-users"]] == ["alice", "bob"]
    make = ["req", "-x509", "-new", "-key", "hsm:ca", "-subj", "/CN=ca", "-days", "30", "-addext",
            "basicConstraints=critical,CA:TRUE", "-out", "ca.pem"]
    refused = ca.openssl(*make, expect=None)
    assert refused.code != 0 and "takes the approval of 2 of its users" in refused.err
    token = key_token(ca, "key-usage")
    one = approved(ca, token, "alice")
    assert ca.openssl(*make, env=one, expect=None).code != 0
    both = approved(ca, token, "alice", "bob")
    ca.openssl(*make, env=both)
    ca.plain("x509", "-in", "ca.pem", "-noout", "-text")
    ca.plain("req", "-new", "-newkey", "ed25519", "-nodes", "-keyout", "s.key", "-subj", "/CN=s",
             "-out", "s.csr")
    sign = ["x509", "-req", "-in", "s.csr", "-CA", "ca.pem", "-CAkey", "hsm:ca", "-out", "s.pem"]
    again = ca.openssl(*sign, env=both, expect=None)
    assert again.code != 0 and "used already" in again.err
    ca.openssl(*sign, env=approved(ca, key_token(ca, "key-usage"), "alice", "bob"))
    ca.plain("verify", "-CAfile", "ca.pem", "s.pem")
    records = ca.admin("audit", "show").json["data"]["records"]
    assert [each["detail"] for each in records if each["event"] == "key-use"] == [
        "sign; approved by alice, bob"] * 2
    expect_whole(ca)


def test_several_signatures_take_several_tokens(ca):
    (ca.work / "message").write_text("message")
    names = [key_token(ca, "key-usage", f"k{i}.json") for i in range(2)]
    listed = ca.cli("quorum", "token-sign", "list", pin=None).json["data"]["tokens"]
    reference = ca.cli("key", "show", *ca.ca).json["data"]["matched_keys"][0]["key-reference"]
    assert [(each["service"], each["username"], each["key-reference"]) for each in listed] == [
        ("key-usage", "app", reference)] * 2
    env = {"HSM_APPROVAL": ":".join(approved(ca, name, "alice", "bob")["HSM_APPROVAL"]
                                    for name in names)}
    sign = ["dgst", "-sha256", "-sign", "hsm:ca", "-out", "sig", "message"]
    ca.openssl(*sign, env=env)
    # The first one is spent: a new process goes on to the second when it was told.
    env["HSM_APPROVAL"] = approved(ca, names[1], "alice", "bob")["HSM_APPROVAL"]
    ca.openssl(*sign, env=env)
    assert ca.openssl(*sign, env=env, expect=None).code != 0


@pytest.mark.parametrize("words", [
    ["set-attribute", "--name", "label", "--value", "renamed"], ["share", "--username", "admin2"],
    ["unshare", "--username", "alice"], ["disable"], ["rotate"]])
def test_a_change_takes_approvals(ca, words):
    ca.cli("user", "create", "--username", "admin2", "--role", "crypto-user", "--password-source",
           secret_file(ca.work, "admin2", PASSWORD), pin=ADMIN_PIN)
    command = ["key", words[0], *ca.ca, *words[1:]]
    done = ca.cli(*command, expect=5)
    assert "--service key-management" in done.json["data"]
    token = key_token(ca, "key-management")
    ca.cli(*command, *signed(ca, token, "alice", role="crypto-user"), expect=5)
    ca.cli(*command, *signed(ca, token, "alice", "bob", role="crypto-user"))
    expect_whole(ca)


def test_a_key_leaves_with_the_approval_for_both_keys(ca):
    for label, value in (("kek", "1"), ("data", "2")):
        ca.cli("key", "generate-symmetric", "aes", "--label", label, "--attributes", "wrap=true",
               "unwrap=true", "--share-crypto-users", "alice", "bob", "--manage-key-quorum-value",
               value)
    wrap = ["key", "wrap", "aes-zero-pad", "--payload-filter", "attr.label=data",
            "--wrapping-filter", "attr.label=kek", "--path", "data.wrapped"]
    words = []
    for label, option, names in (("kek", "--wrapping-approval", ["bob"]),
                                 ("data", "--payload-approval", ["alice", "bob"])):
        ca.cli(*wrap, *words, expect=5)
        ca.ca = ["--filter", f"attr.label={label}"]
        token = key_token(ca, "key-management", f"{label}.json")
        for path in signed(ca, token, *names, role="crypto-user")[1::2]:
            words += [option, path]
    ca.cli(*wrap, *words)
    unwrap = ["key", "unwrap", "aes-zero-pad", "--filter", "attr.label=kek", "--data-path",
              "data.wrapped", "--key-type-class", "aes", "--label", "back",
              "--share-crypto-users", "bob", "--use-key-quorum-value", "2"]
    ca.cli(*unwrap, expect=5)
    ca.ca = ["--filter", "attr.label=kek"]
    done = ca.cli(*unwrap, *signed(ca, key_token(ca, "key-management"), "alice",
                                   role="crypto-user"))
    assert done.json["data"]["key"]["key-info"]["key-quorum-values"]["use-key-quorum-value"] == 2


def test_one_approves_by_logging_in(ca):
    token = key_token(ca, "key-usage")
    for name in ("alice", "bob"):
        done = as_admin(ca, name, "quorum", "token-sign", "approve", "--token", token,
                        role="crypto-user")
        assert "key-usage" in done.json["data"]["approved"]
    (ca.work / "message").write_text("message")
    ca.openssl("dgst", "-sha256", "-sign", "hsm:ca", "-out", "sig", "message",
               env={"HSM_APPROVAL": str(token)})


def test_of_two_processes_with_one_token_one_signs(ca):
    (ca.work / "message").write_text("message")
    env = approved(ca, key_token(ca, "key-usage"), "alice", "bob")
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda i: ca.openssl(
            "dgst", "-sha256", "-sign", "hsm:ca", "-out", f"sig{i}", "message", env=env,
            expect=None), range(3)))
    assert sorted(each.code == 0 for each in done) == [False, False, True]


@pytest.mark.parametrize("value, said", [
    ("none.json", "none.json"), ("bad.json", "no token file"), ("/dev/null", "HSM_APPROVAL"),
    (".", "HSM_APPROVAL")])
def test_an_approval_that_cannot_be_read_is_named(ca, value, said):
    (ca.work / "bad.json").write_text('{"version": "2.0"}')
    (ca.work / "message").write_text("message")
    done = ca.openssl("dgst", "-sha256", "-sign", "hsm:ca", "-out", "sig", "message",
                      env={"HSM_APPROVAL": value}, expect=None)
    assert done.code != 0 and said in done.err


@pytest.mark.parametrize("words, code", [
    (["--share-crypto-users", "nobody"], 3), (["--use-key-quorum-value", "2"], 2),
    (["--use-key-quorum-value", "9"], 2), (["--share-crypto-users", "app"], 2),
    (["--session", "--use-key-quorum-value", "1"], 5)])
def test_a_quorum_that_nobody_could_have_is_refused(ca, words, code):
    ca.cli("key", "generate-symmetric", "aes", "--label", "no", *words, expect=code)
    assert ca.cli("key", "list", "--filter", "attr.label=no").json["data"]["total_key_count"] == 0


def test_a_new_key_has_dates_and_a_limit(home):
    made = home.cli("key", "generate-symmetric", "generic-secret", "--label", "dated",
                    "--attributes", "start-date=2020-01-01", "end-date=2099-12-31", "use-limit=2")
    attributes = made.json["data"]["key"]["attributes"]
    assert attributes["start-date"] == "2020-01-01T00:00:00Z"
    assert attributes["end-date"] == "2099-12-31T00:00:00Z"
    assert attributes["use-limit"] == 2
    home.cli("key", "generate-symmetric", "generic-secret", "--label", "bad", "--attributes",
             "start-date=2020-01-01", "end-date=2019-12-31", expect=2)


# ---- MFA ----


def change_mfa(home, *more, user="app", role="crypto-user", pin=APP_PIN, **options):
    return home.cli("user", "change-mfa", "token-sign", "--username", user, "--role", role, *more,
                    pin=pin, **options)


@pytest.fixture(params=["rsa", "ed25519"])
def mfa(keys, request):
    """app logs in with a token that is signed with this key."""
    change_mfa(keys, "--token", "r.json")
    shell(keys, "sign-tokens", KEY=f"{request.param}.key", FILE="r.json")
    change_mfa(keys, "--token", "r.json", "--public-key", f"{request.param}.pem")
    keys.mfa_key = f"{request.param}.key"
    return keys


def login_token(home, name="login.json"):
    (home.work / name).unlink(missing_ok=True)
    home.cli("user", "mfa-token", "--username", "app", "--role", "crypto-user", "--token", name,
             pin=None)
    shell(home, "sign-tokens", KEY=home.mfa_key, FILE=name)
    return ["--mfa-token", name]


def test_a_login_takes_a_signed_token(mfa):
    done = mfa.cli(*LIST, expect=3)
    assert "mfa-token" in done.json["data"] and "create-machine-credential" in done.json["data"]
    token = login_token(mfa)
    mfa.cli(*LIST, *token)
    assert "used already" in mfa.cli(*LIST, *token, expect=3).json["data"]
    users = mfa.cli("user", "list", pin=None).json["data"]["users"]
    assert users[1]["mfa"] == [{"strategy": "token-sign", "status": "enabled"}]


def test_of_two_logins_with_one_token_one_succeeds(mfa):
    token = login_token(mfa)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: mfa.cli(*LIST, *token, expect=None), range(3)))
    assert sorted(each.code for each in done) == [0, 3, 3]


def test_a_token_that_is_not_signed_is_a_usage_error(mfa):
    mfa.cli("user", "mfa-token", "--username", "app", "--role", "crypto-user", "--token", "u.json",
            pin=None)
    assert "signed" in mfa.cli(*LIST, "--mfa-token", "u.json", expect=2).json["data"]


def test_a_program_is_told_to_take_a_machine_credential(mfa):
    mfa.cli("key", "generate-asymmetric-pair", "ed25519", "--label", "web",
            "--private-attributes", "sign=true", *login_token(mfa))
    (mfa.work / "message").write_text("message")
    sign = ["pkeyutl", "-sign", "-rawin", "-inkey", "hsm:web", "-in", "message", "-out", "sig"]
    refused = mfa.openssl(*sign, expect=None)
    assert refused.code != 0 and "create-machine-credential" in refused.err
    mfa.cli("user", "create-machine-credential", "--path", "app.pin", *login_token(mfa))
    mfa.openssl(*sign, pin=(mfa.work / "app.pin").read_text().strip())


def test_a_new_password_keeps_mfa_and_deregistering_takes_it_away(mfa):
    mfa.cli("user", "change-password", "--password-source",
            secret_file(mfa.work, "new", "brandnewpw1"), *login_token(mfa))
    mfa.cli(*LIST, pin="app:brandnewpw1", expect=3)
    mfa.cli(*LIST, *login_token(mfa), pin="app:brandnewpw1")
    change_mfa(mfa, "--deregister", pin="app:brandnewpw1", expect=3)
    change_mfa(mfa, "--deregister", *login_token(mfa), pin="app:brandnewpw1")
    mfa.cli(*LIST, pin="app:brandnewpw1")


def test_an_admin_changes_the_mfa_of_another_with_his_password(keys):
    by_admin = {"pin": ADMIN_PIN, "env": {"HSM_ROLE": "admin"}}
    new = ["--change-password", secret_file(keys.work, "given", "givenpass12")]
    change_mfa(keys, "--user", "admin", "--token", "r.json", **by_admin)
    change_mfa(keys, "--user", "admin", "--token", "r.json", "--public-key", "rsa.pem", *new,
               expect=2, **by_admin)
    shell(keys, "sign-tokens", KEY="rsa.key", FILE="r.json")
    change_mfa(keys, "--user", "admin", "--token", "r.json", "--public-key", "rsa.pem", *new,
               **by_admin)
    keys.mfa_key = "rsa.key"
    keys.cli(*LIST, pin="app:givenpass12", expect=3)
    keys.cli(*LIST, *login_token(keys), pin="app:givenpass12")
    # A token is for one registration.
    change_mfa(keys, "--user", "admin", "--token", "r.json", "--public-key", "rsa.pem", *new,
               expect=3, **by_admin)
    change_mfa(keys, "--user", "admin", "--deregister", *new, **by_admin)
    keys.cli(*LIST, pin="app:givenpass12")
    expect_whole(keys)


def test_who_is_no_admin_changes_his_own_mfa_only(keys):
    keys.cli("user", "create", "--username", "other", "--role", "crypto-user",
             "--password-source", secret_file(keys.work, "other", PASSWORD), pin=ADMIN_PIN)
    change_mfa(keys, "--user", "app", "--token", "r.json", user="other", expect=3)
    assert not (keys.work / "r.json").exists()
    change_mfa(keys, "--deregister", "--change-password", "file:/dev/null", expect=2)


def test_other_keys_are_refused(keys):
    keys.plain("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
               "ec.key")
    keys.plain("pkey", "-in", "ec.key", "-pubout", "-out", "ec.pem")
    change_mfa(keys, "--token", "r.json")
    shell(keys, "sign-tokens", KEY="rsa.key", FILE="r.json")
    assert "RSA-2048" in change_mfa(keys, "--token", "r.json", "--public-key", "ec.pem",
                                    expect=2).json["data"]
    # Another one than the one that has signed.
    change_mfa(keys, "--token", "r.json", "--public-key", "ed25519.pem", expect=3)
    keys.cli(*LIST)
