# SPDX-License-Identifier: Apache-2.0
"""TLS by the HSM provider alone: `default` is not loaded, so whatever works came from the HSM.

`base` is loaded beside it. It reads PEM and DER files and has no cryptography.
"""

import re

import pytest

from servers import Nginx, curl
from support import OPENSSL, free_port, wait_for

VERSIONS = ("tls1_2", "tls1_3")
CURVES = ("P-256", "P-384", "P-521", "X25519", "X448")
FINITE_FIELDS = ("ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192")
KEMS = () if OPENSSL < (3, 5) else (
    "X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "MLKEM512", "MLKEM768", "MLKEM1024")
GROUPS = CURVES + FINITE_FIELDS + KEMS
# TLS 1.2 names no group for finite fields (the server chooses) and has no KEMs.
GROUPS_OF = {"tls1_2": CURVES, "tls1_3": GROUPS}
KINDS = ("ec", "rsa")
SCHEMES = {"ec": "ECDSA+SHA256", "rsa": "RSA-PSS+SHA256"}
SIGNATURES = {"ec": "ecdsa", "rsa": "rsa.pss"}  # before a "_" on newer versions
TEMPORARY_KEY = re.compile("^(?:Server|Peer) Temp Key: .*$|^Negotiated TLS1.3 group: .*$", re.MULTILINE)
PLAIN = {"PATH": "/usr/bin:/bin", "OPENSSL_CONF": "/dev/null"}
PSK = ("-psk", "00112233445566778899aabbccddeeff", "-psk_identity", "Client_identity")
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
    """serve(home, option...) with both kinds of key; env=PLAIN: without the HSM."""
    def begin(home, *options, env=None):
        port = free_port()
        server = start(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", "ec.crt",
                        "-key", "ec.pem", "-dcert", "rsa.crt", "-dkey", "rsa.pem", *options],
                       env=env or home.environment(), cwd=home.work)
        server.wait_until_said("ACCEPT")
        server.port = port
        return server
    return begin


def connect(run, server, *options, request=b"GET / HTTP/1.0\r\n\r\n", **more):
    return run("s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", "both.crt",
               "-verify_return_error", "-servername", "localhost", "-ign_eof", *options,
               stdin=request, **more)


def suites_of(run, *options):
    return run("ciphers", "-s", *(options or ("-tls1_2",))).text.strip().split(":")


def read_page(run, server, *options):
    shown = connect(run, server, *options)
    assert "HTTP/1.0 200 ok" in shown.text, str(shown)
    assert "Verify return code: 0 (ok)" in shown.text, str(shown)
    return shown


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


def test_every_suite_and_group_is_there(alone):
    """By the lists, before each is tried; what needs a PSK or a password is in the next lists."""
    for options in (("-tls1_2",), ("-tls1_3",), ("-tls1_2", "-psk"), ("-tls1_2", "-srp")):
        assert suites_of(alone.openssl, *options) == suites_of(alone.plain, *options)
    assert set(suites_of(alone.openssl, "-tls1_3")) <= set(SUITES_13)


@pytest.mark.skipif(OPENSSL < (3, 5), reason="OpenSSL 3.0 has no list of groups")
@pytest.mark.parametrize("version", VERSIONS)
def test_every_group_that_openssl_lists(alone, version):
    """All but those whose keys the HSM cannot make."""
    def groups_of(run):
        return set(run("list", "-tls-groups", f"-{version}").text.strip().split(":"))
    missing = groups_of(alone.plain) - groups_of(alone.openssl)
    assert {group for group in missing if not group.startswith(("brainpool", "sect", "secp", "prime",
                                                                "curveSM2"))} == set()


@pytest.mark.smoke
def test_every_suite_of_tls12(alone, serve):
    """Each by both sides, with the kinds of key that it goes with."""
    server = serve(alone, "-www", "-groups", ":".join(CURVES))
    ours = suites_of(alone.openssl)
    assert len(ours) >= 20 and len([suite for suite in ours if suite.startswith("DHE-")]) >= 7
    for suite in ours:
        shown = read_page(alone.openssl, server, "-tls1_2", "-cipher", suite)
        assert f"Cipher    : {suite}" in shown.text


def test_every_suite_of_tls12_with_a_psk(alone, serve):
    """SRP is not among them: s_server looks its user up by a name that is freed by then."""
    server = serve(alone, "-www", *PSK)
    ours = [suite for suite in suites_of(alone.openssl, "-tls1_2", "-psk") if "PSK" in suite]
    assert len(ours) >= 20
    for suite in ours:
        shown = connect(alone.openssl, server, "-tls1_2", "-cipher", suite, *PSK)
        assert f"Cipher    : {suite}" in shown.text, str(shown)
        assert "HTTP/1.0 200 ok" in shown.text, str(shown)


def test_a_psk_in_tls13(alone, serve):
    """Such a key has no digest of its own, so SHA-256 is taken (RFC 8446 4.2.11)."""
    server = serve(alone, "-www", *PSK)
    shown = connect(alone.openssl, server, "-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256", *PSK)
    assert re.search("^Reused, TLSv1.3", shown.text, re.MULTILINE)
    assert "HTTP/1.0 200 ok" in shown.text


def test_suites_without_encrypt_then_mac(alone, serve):
    """The record layer then has the combined ciphers of AES and HMAC."""
    server = serve(alone, "-www", "-no_etm")
    for suite in ("ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384", "AES128-SHA256"):
        shown = connect(alone.openssl, server, "-tls1_2", "-cipher", suite)
        assert "HTTP/1.0 200 ok" in shown.text


@pytest.mark.parametrize("kind", KINDS)
def test_every_suite_of_tls13(alone, serve, kind):
    # OpenSSL 3.2 and newer have CCM_8 at the lowest security level only.
    level = ("-cipher", "DEFAULT@SECLEVEL=0")
    server = serve(alone, "-www", *level, "-ciphersuites", ":".join(SUITES_13))
    for suite in SUITES_13:
        shown = read_page(alone.openssl, server, "-tls1_3", *level, "-ciphersuites", suite, "-sigalgs",
                          SCHEMES[kind])
        assert f"Cipher is {suite}" in shown.text
        assert re.search(f"^Peer signature type: {SIGNATURES[kind]}", shown.text, re.M | re.I)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_group(alone, serve, kind, version):
    """Between two programs on the HSM, and with a program on either side that is not."""
    groups = GROUPS_OF[version]
    server = serve(alone, "-www", "-groups", ":".join(groups))
    plain = serve(alone, "-www", "-groups", ":".join(groups), env=PLAIN)
    for group in groups:
        # In TLS 1.2 the groups are also the curves that the certificate may have.
        asked = group if version == "tls1_3" or group == "P-256" else f"{group}:P-256"
        options = ("-" + version, "-groups", asked, "-sigalgs", SCHEMES[kind])
        for run, other in ((alone.openssl, server), (alone.plain, server), (alone.openssl, plain)):
            shown = read_page(run, other, *options)
            agreed = TEMPORARY_KEY.search(shown.text)[0]
            assert group == "P-256" or not re.search("prime256v1|secp256r1$", agreed), agreed
            assert group not in KEMS or agreed.endswith(group)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_group_that_openssl_would_choose(alone, serve, version):
    """The lists in their default order: the HSM must not change what is agreed on."""
    chosen = [TEMPORARY_KEY.search(read_page(run, serve(alone, "-www", env=env), "-" + version).text)
              for run, env in ((alone.openssl, None), (alone.plain, PLAIN))]
    assert chosen[0][0] == chosen[1][0]
    if version == "tls1_3" and OPENSSL >= (3, 5):
        assert "X25519MLKEM768" in chosen[0][0]


SCHEMES_OF = {"ED25519": "ed25519", "ED448": "ed448"} | ({} if OPENSSL < (3, 5) else {
    "ML-DSA-44": "mldsa44", "ML-DSA-65": "mldsa65", "ML-DSA-87": "mldsa87"})


@pytest.mark.parametrize("algorithm", SCHEMES_OF)
def test_other_signatures(alone, serve, algorithm):
    """As server and as client, with a plain key, in TLS 1.3, which all of them are for."""
    alone.plain("genpkey", "-algorithm", algorithm, "-out", "other.pem")
    alone.openssl("req", "-x509", "-new", "-key", "other.pem", "-subj", "/CN=localhost", "-days", "2",
                  "-extensions", "server_ext", "-out", "other.crt")
    with open(alone.work / "both.crt", "a", encoding="ascii") as trusted:
        trusted.write((alone.work / "other.crt").read_text())
    own = ("-cert", "other.crt", "-key", "other.pem")
    server = serve(alone, "-www", "-Verify", "1", "-CAfile", "both.crt", *own)
    for run in (alone.openssl, alone.plain):
        shown = read_page(run, server, "-tls1_3", "-sigalgs", SCHEMES_OF[algorithm], *own)
        assert re.search(f"^Peer signature type: {SCHEMES_OF[algorithm]}$", shown.text, re.M | re.I)


@pytest.mark.skipif(OPENSSL < (3, 5), reason="OpenSSL 3.0 has no list of signature schemes")
def test_every_signature_scheme_that_openssl_lists(alone):
    """All but those of DSA, which the HSM has no keys for and TLS 1.3 has dropped."""
    ours, theirs = (set(run("list", "-tls-signature-algorithms").text.strip().split(":"))
                    for run in (alone.openssl, alone.plain))
    assert {scheme for scheme in theirs - ours if not scheme.startswith("dsa_")} == set()
    assert "mldsa65" in ours


def test_diffie_hellman_parameters_from_files(alone, serve):
    """Named, of the program's own making (PKCS #3) and of X9.42, made by the HSM provider."""
    for name, options in (("named", ("DH", "-pkeyopt", "group:ffdhe3072")),
                          ("x942", ("DHX", "-pkeyopt", "dh_rfc5114:2"))):
        alone.openssl("genpkey", "-genparam", "-algorithm", *options, "-out", f"{name}.pem")
    # A safe prime takes long to find: this one is RFC 3526's, as a group without a name, generator 5.
    alone.openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:modp_2048", "-out",
                  "modp.pem")
    for name in ("named", "modp", "x942"):
        assert "ok" in (checked := alone.openssl("dhparam", "-check", "-noout", "-in", f"{name}.pem",
                                                 expect=None)).text + checked.err, str(checked)
        server = serve(alone, "-www", "-dhparam", f"{name}.pem")
        for run in (alone.openssl, alone.plain):
            shown = read_page(run, server, "-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384")
            assert f"Temp Key: DH, {3072 if name == 'named' else 2048}" in shown.text


@pytest.mark.parametrize("version", VERSIONS)
def test_a_plain_client_and_a_plain_server(alone, serve, version):
    server = serve(alone, "-www")
    assert "HTTP/1.0 200 ok" in connect(alone.plain, server, "-" + version).text
    plain = serve(alone, "-www", env=PLAIN)
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


def test_the_hsm_required(home, start):
    """`provider=hsm` excludes `default`, which is active; no file can be read, so with a PSK."""
    home.write_conf(lambda text: text.replace("# alg_section", "alg_section").replace(
        "= ?provider=hsm", "= provider=hsm").replace("# random = ", "random = "))
    port = free_port()
    server = start(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-nocert", "-www", "-groups",
                    ":".join(GROUPS), *PSK], env=home.environment(), cwd=home.work)
    server.wait_until_said("ACCEPT")
    for group in GROUPS:
        for run in (home.openssl, home.plain):
            shown = run("s_client", "-connect", f"127.0.0.1:{port}", "-ign_eof", "-tls1_3", "-groups",
                        group, "-ciphersuites", "TLS_AES_128_GCM_SHA256", *PSK,
                        stdin=b"GET / HTTP/1.0\r\n\r\n")
            assert re.search("^Reused, TLSv1.3", shown.text, re.MULTILINE), str(shown)
            assert "HTTP/1.0 200 ok" in shown.text


@pytest.mark.parametrize("asked", [True, False], ids=["preferred", "not-preferred"])
def test_tls_opens_the_home_where_the_hsm_is_preferred(home, start, asked):
    """Then workers that are forked later can use it. Without a certificate nothing else would do so."""
    if asked:
        preferring(home)
    port = free_port()
    server = start(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-nocert"],
                   env=home.environment(), cwd=home.work)
    server.wait_until_said("ACCEPT")
    with open(f"/proc/{server.pid}/maps", encoding="utf-8") as maps:
        assert (str(home.path) in maps.read()) == asked


@pytest.mark.parametrize("asked", [True, False], ids=["preferred", "not-preferred"])
def test_setting_up_tls_needs_no_home(home, asked):
    section = "alg_section" if asked else "# alg_section"
    home.write_conf(lambda text: text.replace(str(home.path), "/nonexistent").replace(
        "# alg_section", section))
    listed = home.openssl("ciphers", "-s", "-tls1_3")
    assert listed.text.startswith("TLS_AES_256_GCM_SHA384") and listed.err == ""


def preferring(home):
    """Both providers, and the HSM preferred for all that it offers."""
    home.write_conf(lambda text: text.replace("# alg_section", "alg_section"))
    return home


def test_the_hsm_preferred(alone, serve):
    server = serve(preferring(alone), "-www", "-groups", ":".join(GROUPS))
    for group in GROUPS:
        read_page(alone.openssl, server, "-tls1_3", "-groups", group)


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
