# SPDX-License-Identifier: Apache-2.0
"""The steps to a cluster of a CA's owner, with OpenSSL as the CA, and a cluster's end."""

import pytest

from support import ADMIN_PIN, APP_PIN, Home


@pytest.fixture
def bare(build, tmp_path):
    return Home(build, tmp_path / "hsm", tmp_path / "work")


def state_of(home):
    return home.cli("cluster", "describe", pin=None).json["data"]["state"]


def test_the_steps_of_docs_cluster_md(bare):
    home = bare
    home.cli("cluster", "create", "--uninitialized", "--password-hash-cost", "low", pin=None)
    assert state_of(home) == "UNINITIALIZED"
    refused = home.cli("key", "list", expect=5)
    assert "UNINITIALIZED" in refused.json["data"] and "hsm create" in refused.json["data"]
    assert "has no CSR" in home.cli("cluster", "csr", pin=None, expect=5).json["data"]

    home.cli("hsm", "create", "--zone", "rack-1", pin=None)
    csr = home.cli("cluster", "csr", "--output", "table", pin=None).text
    (home.work / "cluster.csr").write_text(csr)
    home.plain("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt",
               "-days", "30", "-subj", "/CN=Owner CA", "-addext", "basicConstraints=critical,CA:TRUE")
    home.plain("x509", "-req", "-in", "cluster.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
               "-CAcreateserial", "-days", "20", "-out", "cluster.crt")
    wrong = home.cli("cluster", "initialize", "--signed-cert", "ca.crt", "--trust-anchor", "ca.crt",
                     pin=None, expect=2)
    assert "another key than its CSR's" in wrong.json["data"]
    home.cli("cluster", "initialize", "--signed-cert", "cluster.crt", "--trust-anchor", "ca.crt",
             pin=None)
    assert state_of(home) == "INITIALIZED"
    home.cli("hsm", "create", pin=None)

    (home.work / "password").write_text(ADMIN_PIN.split(":")[1])
    (home.work / "password").chmod(0o600)
    active = home.cli("cluster", "activate", "--password-source", "file:password",
                      pin=None).json["data"]
    assert active["state"] == "ACTIVE" and active["owner-proved"]
    (home.work / "cluster.pem").write_text(active["certificates"]["cluster-certificate"])
    assert "OK" in home.plain("verify", "-CAfile", "ca.crt", "cluster.pem").text
    assert len(home.cli("backup", "list", pin=None).json["data"]["backups"]) == 1

    (home.work / "app").write_text(APP_PIN.split(":")[1])
    (home.work / "app").chmod(0o600)
    home.admin("user", "create", "--username", "app", "--role", "crypto-user", "--password-source",
               "file:app")
    home.genpkey("p256", "tls")


def test_down_to_no_hsm_and_back_and_deleted(keyed):
    home = keyed
    for hsm in home.cli("hsm", "list", pin=None).json["data"]["hsms"]:
        home.cli("hsm", "delete", "--hsm-id", hsm["hsm-id"], "--last", pin=None)
    (home.work / "data").write_text("data")
    sign = ("pkeyutl", "-sign", "-rawin", "-inkey", "hsm:p256", "-in", "data", "-out", "sig")
    assert "has no HSM" in home.openssl(*sign, expect=1).err
    home.cli("hsm", "create", pin=ADMIN_PIN)
    home.openssl(*sign)

    last = home.cli("hsm", "list", pin=None).json["data"]["hsms"][0]["hsm-id"]
    assert "has 1 HSMs" in home.cli("cluster", "delete", pin=None, expect=5).json["data"]
    home.cli("hsm", "delete", "--hsm-id", last, "--last", pin=None)
    home.cli("cluster", "delete", pin=None)
    assert sorted(path.name for path in home.path.iterdir()) == ["backups"]
    assert "holds the backups" in home.cli(
        "cluster", "create", "--uninitialized", pin=None, expect=6).json["data"]
