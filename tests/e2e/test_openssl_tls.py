# SPDX-License-Identifier: Apache-2.0
"""s_server and s_client: both sides with keys in the HSM, TLS 1.2 and 1.3."""

import pytest

from support import KINDS, free_port

TLS_KINDS = ("rsa2048", "rsapss", "p256", "p384", "p521", "ed25519")
VERSIONS = ("tls1_2", "tls1_3")


@pytest.fixture
def pki(keyed):
    """pki(kind, key, extensions): a certificate by one root, whose key is in the HSM."""
    root = keyed.certificate("hsm:rsa3072", "root", extensions="root_ca_ext")

    def issue(kind, key, extensions):
        return keyed.certificate(key, f"{extensions}-{kind}", issuer=(root, "hsm:rsa3072"),
                                 extensions=extensions, digest=KINDS[kind].digest)
    issue.root = root
    return issue


def serve(keyed, start, certificate, key, *options):
    port = free_port()
    server = start(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificate,
                    "-key", key, "-www", *options], env=keyed.environment(), cwd=keyed.work)
    server.wait_until_said("ACCEPT")
    server.port = port
    return server


def connect(run, server, root, *options, **more):
    return run("s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", root,
               "-verify_return_error", "-servername", "localhost", *options,
               stdin=b"GET / HTTP/1.0\r\n\r\n", **more)


@pytest.mark.smoke
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", TLS_KINDS)
def test_server(keyed, start, pki, kind, version, key_of):
    server = serve(keyed, start, pki(kind, key_of(kind), "server_ext"), key_of(kind))
    shown = connect(keyed.plain, server, pki.root, "-" + version, "-ign_eof")
    assert "Verify return code: 0 (ok)" in shown.text
    assert "HTTP/1.0 200 ok" in shown.text


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", TLS_KINDS)
def test_client_certificate(keyed, start, pki, kind, version, key_of):
    server = serve(keyed, start, pki("p256", "hsm:p256", "server_ext"), "hsm:p256", "-Verify", "3",
                   "-verify_return_error", "-CAfile", pki.root)
    client = pki(kind, key_of(kind), "client_ext")
    shown = connect(keyed.openssl, server, pki.root, "-" + version, "-ign_eof", "-cert", client,
                    "-key", key_of(kind))
    assert "Verify return code: 0 (ok)" in shown.text
    assert "HTTP/1.0 200 ok" in shown.text


@pytest.mark.parametrize("suite", ["AES128-SHA", "AES256-GCM-SHA384", "AES128-SHA256"])
def test_rsa_key_exchange(keyed, start, pki, suite, key_of):
    server = serve(keyed, start, pki("rsa2048", key_of("rsa2048"), "server_ext"),
                   key_of("rsa2048"))
    shown = connect(keyed.plain, server, pki.root, "-tls1_2", "-cipher", suite, "-ign_eof")
    assert f"Cipher    : {suite}" in shown.text
    assert "HTTP/1.0 200 ok" in shown.text


@pytest.mark.parametrize("suite", ["ECDHE-RSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"])
def test_signed_key_exchange(keyed, start, pki, suite):
    server = serve(keyed, start, pki("rsa2048", "hsm:rsa2048", "server_ext"), "hsm:rsa2048")
    shown = connect(keyed.plain, server, pki.root, "-tls1_2", "-cipher", suite, "-ign_eof")
    assert f"Cipher    : {suite}" in shown.text


@pytest.mark.parametrize("scheme", ["rsa_pkcs1_sha256", "rsa_pkcs1_sha512", "rsa_pss_rsae_sha256",
                                    "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"])
def test_signature_schemes(keyed, start, pki, scheme):
    server = serve(keyed, start, pki("rsa2048", "hsm:rsa2048", "server_ext"), "hsm:rsa2048")
    version = "-tls1_2" if "pkcs1" in scheme else "-tls1_3"
    shown = connect(keyed.plain, server, pki.root, version, "-sigalgs", scheme, "-ign_eof")
    assert "Verify return code: 0 (ok)" in shown.text


def test_old_protocol_versions(keyed, start, pki):
    """TLS 1.0 signs MD5 and SHA-1 together."""
    server = serve(keyed, start, pki("rsa2048", "hsm:rsa2048", "server_ext"), "hsm:rsa2048",
                   "-cipher", "ALL:@SECLEVEL=0")
    shown = connect(keyed.plain, server, pki.root, "-tls1", "-cipher",
                    "ECDHE-RSA-AES128-SHA:@SECLEVEL=0", "-ign_eof")
    assert "Protocol  : TLSv1" in shown.text


def test_resumption_and_renegotiation_leave_the_key_usable(keyed, start, pki):
    server = serve(keyed, start, pki("p256", "hsm:p256", "server_ext"), "hsm:p256")
    for _ in range(5):
        shown = connect(keyed.plain, server, pki.root, "-tls1_2", "-reconnect")
        assert "Verify return code: 0 (ok)" in shown.text
        assert "Reused" in shown.text
