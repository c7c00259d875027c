# SPDX-License-Identifier: Apache-2.0
"""TLS by the HSM provider alone: `default` is not loaded, so whatever works came from the HSM.

`base` is loaded beside it. It reads PEM and DER files and has no cryptography.
"""

import re

import pytest

from servers import Nginx, curl
from support import free_port, wait_for

VERSIONS = ("tls1_2", "tls1_3")
GROUPS = ("P-256", "P-384", "P-521")
SUITES_13 = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256",
             "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256")


@pytest.fixture
def alone(home):
    """The home with the HSM provider and `base`, and with plain key files and certificates."""
    for name, options in (("ec", ("EC", "-pkeyopt", "ec_paramgen_curve:P-256")),
                          ("rsa", ("RSA", "-pkeyopt", "rsa_keygen_bits:2048"))):
        home.plain("genpkey", "-algorithm", *options, "-out", f"{name}.pem")
        home.openssl("req", "-x509", "-new", "-key", f"{name}.pem", "-subj", "/CN=localhost",
                     "-days", "2", "-extensions", "server_ext", "-out", f"{name}.crt")
    (home.work / "both.crt").write_text(
        (home.work / "ec.crt").read_text() + (home.work / "rsa.crt").read_text())
    home.write_conf(lambda text: text.replace("default = default_sect", "base = base_sect")
                    .replace("[default_sect]", "[base_sect]"))
    return home


@pytest.fixture
def serve(start):
    def begin(home, *options):
        port = free_port()
        server = start(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", "ec.crt",
                        "-key", "ec.pem", "-dcert", "rsa.crt", "-dkey", "rsa.pem", *options],
                       env=home.environment(), cwd=home.work)
        server.wait_until_said("ACCEPT")
        server.port = port
        return server
    return begin


def connect(run, server, *options, request=b"GET / HTTP/1.0\r\n\r\n", **more):
    return run("s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", "both.crt",
               "-verify_return_error", "-servername", "localhost", "-ign_eof", *options,
               stdin=request, **more)


def suites_of(run):
    return set(run("ciphers", "-s", "-tls1_2").text.strip().split(":"))


@pytest.mark.smoke
def test_nothing_else_is_loaded(alone):
    shown = alone.openssl("list", "-providers").text
    assert re.findall(r"^  (\w+)$", shown, re.MULTILINE) == ["base", "hsm"]


def test_a_plain_key_becomes_a_session_key(alone):
    shown = alone.openssl("pkey", "-in", "ec.pem", "-noout", "-text").text
    assert "held in the HSM" in shown
    attributes = re.search("^attributes: (.*)$", shown, re.MULTILINE)[1].split()
    assert {"private", "sign"} <= set(attributes)
    assert not {"token", "local"} & set(attributes)


@pytest.mark.smoke
def test_every_suite_of_tls12(alone, serve):
    """Each by both sides; finite-field Diffie-Hellman is there as soon as the HSM has such keys."""
    server = serve(alone, "-www", "-groups", ":".join(GROUPS))
    ours, theirs = suites_of(alone.openssl), suites_of(alone.plain)
    assert {suite for suite in theirs - ours if not suite.startswith("DHE-")} == set()
    assert len(ours) >= 20
    for suite in sorted(ours):
        shown = connect(alone.openssl, server, "-tls1_2", "-cipher", suite)
        assert f"Cipher    : {suite}" in shown.text
        assert "HTTP/1.0 200 ok" in shown.text
        assert "Verify return code: 0 (ok)" in shown.text


def test_suites_without_encrypt_then_mac(alone, serve):
    """The record layer then has the combined ciphers of AES and HMAC."""
    server = serve(alone, "-www", "-no_etm")
    for suite in ("ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384", "AES128-SHA256"):
        shown = connect(alone.openssl, server, "-tls1_2", "-cipher", suite)
        assert "HTTP/1.0 200 ok" in shown.text


@pytest.mark.parametrize("suite", SUITES_13)
def test_every_suite_of_tls13(alone, serve, suite):
    # OpenSSL 3.2 and newer have CCM_8 at the lowest security level only.
    level = ("-cipher", "DEFAULT@SECLEVEL=0")
    server = serve(alone, "-www", *level, "-ciphersuites", ":".join(SUITES_13))
    shown = connect(alone.openssl, server, "-tls1_3", *level, "-ciphersuites", suite)
    assert f"Cipher is {suite}" in shown.text
    assert "HTTP/1.0 200 ok" in shown.text


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("group", GROUPS)
def test_groups(alone, serve, group, version):
    server = serve(alone, "-www", "-groups", ":".join(GROUPS))
    shown = connect(alone.openssl, server, "-" + version, "-groups", group)
    assert "HTTP/1.0 200 ok" in shown.text


@pytest.mark.parametrize("version", VERSIONS)
def test_a_plain_client_and_a_plain_server(alone, serve, start, version):
    server = serve(alone, "-www")
    assert "HTTP/1.0 200 ok" in connect(alone.plain, server, "-" + version).text
    port = free_port()
    plain = start(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", "ec.crt", "-key",
                   "ec.pem", "-www"], env={"PATH": "/usr/bin", "OPENSSL_CONF": "/dev/null"},
                  cwd=alone.work)
    plain.wait_until_said("ACCEPT")
    plain.port = port
    assert "HTTP/1.0 200 ok" in connect(alone.openssl, plain, "-" + version).text


@pytest.mark.parametrize("options", [(), ("-no_ticket",)], ids=["tickets", "no-tickets"])
@pytest.mark.parametrize("version", VERSIONS)
def test_resumption(alone, serve, version, options):
    server = serve(alone, "-www", *options)
    first = connect(alone.openssl, server, "-" + version, "-sess_out", "session")
    assert re.search("^New, ", first.text, re.MULTILINE)
    second = connect(alone.openssl, server, "-" + version, "-sess_in", "session")
    assert re.search("^Reused, ", second.text, re.MULTILINE)
    assert "HTTP/1.0 200 ok" in second.text


def test_early_data(alone, serve, start):
    server = serve(alone, "-early_data", "-tls1_3")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", "both.crt",
               "-servername", "localhost", "-tls1_3"]
    first = start([*command, "-sess_out", "session"], env=alone.environment(), cwd=alone.work)
    session = alone.work / "session"
    wait_for(lambda: session.exists() and "END SSL" in session.read_text(), "a ticket")
    first.child.communicate(b"Q\n", timeout=30)  # a session that was not closed is not taken up
    (alone.work / "early").write_bytes(b"sent before the handshake was over\n")
    second = alone.openssl(*command[1:], "-sess_in", "session", "-early_data", "early",
                           stdin=b"Q\n")
    assert "Early data was accepted" in second.text
    server.wait_until_said("sent before the handshake was over")


@pytest.mark.parametrize("version", VERSIONS)
def test_client_certificate(alone, serve, version):
    server = serve(alone, "-www", "-Verify", "1", "-CAfile", "both.crt")
    shown = connect(alone.openssl, server, "-" + version, "-cert", "rsa.crt", "-key", "rsa.pem")
    assert "HTTP/1.0 200 ok" in shown.text


def preferring(home):
    """Both providers, and the HSM preferred for all that it offers."""
    home.write_conf(lambda text: text.replace("# alg_section", "alg_section"))
    return home


@pytest.mark.parametrize("group", [*GROUPS, "X25519"])
def test_the_hsm_preferred(alone, serve, group):
    """Groups that the HSM has no keys for come from the other provider."""
    server = serve(preferring(alone), "-www", "-groups", ":".join([*GROUPS, "X25519"]))
    shown = connect(alone.openssl, server, "-tls1_3", "-groups", group)
    assert "HTTP/1.0 200 ok" in shown.text


def test_nginx(alone):
    """The key is loaded by the master; workers, which have no right to the home, make new ones."""
    nginx = Nginx(alone, [(alone.work / f"{kind}.crt", alone.work / f"{kind}.pem")
                          for kind in ("ec", "rsa")])
    try:
        nginx.start()
        for version in ("1.2", "1.3"):
            page = curl(alone, nginx.port, alone.work / "both.crt", f"--tlsv{version}", "--tls-max",
                        version)
            assert page.text == "from nginx\n"
        assert nginx.complaints() == []
    finally:
        nginx.stop()
