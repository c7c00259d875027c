# SPDX-License-Identifier: Apache-2.0
"""A private CA whose keys are in the HSM: req, x509, ca, crl, ocsp, ts, verify."""

import pytest

from support import KINDS, free_port


def digest_of(kind):
    digest = KINDS[kind].digest
    return ["-" + digest] if digest else []


@pytest.mark.parametrize("kind", KINDS)
def test_request(keyed, kind, key_of):
    keyed.openssl("req", "-new", "-key", key_of(kind), *digest_of(kind), "-subj", "/CN=one", "-out",
                  "one.csr")
    keyed.plain("req", "-in", "one.csr", "-verify", "-noout")
    public = keyed.plain("req", "-in", "one.csr", "-pubkey", "-noout").out
    assert public == keyed.public(kind).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_self_signed_certificate(keyed, kind, key_of):
    keyed.openssl("req", "-x509", "-key", key_of(kind), *digest_of(kind), "-subj", "/CN=root",
                  "-extensions", "root_ca_ext", "-out", "root.pem")
    keyed.plain("verify", "-check_ss_sig", "-CAfile", "root.pem", "root.pem")


def test_pss_request_and_certificate(keyed):
    pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
    keyed.openssl("req", "-new", "-key", "hsm:rsa2048", "-sha384", *pss, "-subj", "/CN=one", "-out",
                  "one.csr")
    keyed.plain("req", "-in", "one.csr", "-verify", "-noout")
    keyed.openssl("req", "-x509", "-key", "hsm:rsa2048", "-sha384", *pss, "-subj", "/CN=root",
                  "-extensions", "root_ca_ext", "-out", "root.pem")
    keyed.plain("verify", "-check_ss_sig", "-CAfile", "root.pem", "root.pem")
    assert "rsassaPss" in keyed.plain("x509", "-in", "root.pem", "-text", "-noout").text


@pytest.mark.smoke
@pytest.mark.parametrize("kind", KINDS)
def test_x509_issues_a_certificate(keyed, kind, key_of):
    root = keyed.certificate(key_of(kind), "root", extensions="root_ca_ext",
                             digest=KINDS[kind].digest)
    leaf = keyed.certificate("hsm:p256", "leaf", issuer=(root, key_of(kind)))
    keyed.plain("verify", "-CAfile", root, leaf)


class Authority:
    """`openssl ca` with its books in a directory."""

    def __init__(self, home, key):
        self.home = home
        self.key = key
        self.certificate = home.certificate(key, "ca", extensions="root_ca_ext")
        (home.work / "index.txt").touch()
        (home.work / "crlnumber").write_text("01\n")

    def ca(self, *words, **options):
        return self.home.openssl("ca", "-batch", "-notext", "-keyfile", self.key, "-cert",
                                 self.certificate, *words, **options)

    def issue(self, key, name, extensions="server_ext"):
        self.home.openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out",
                          f"{name}.csr")
        self.ca("-in", f"{name}.csr", "-out", f"{name}.pem", "-extensions", extensions)
        return self.home.work / f"{name}.pem"


@pytest.fixture(params=["rsa2048", "p384"])
def authority(keyed, key_of, request):
    return Authority(keyed, key_of(request.param))


def test_ca_signs_revokes_and_makes_a_crl(authority):
    home = authority.home
    good, bad = authority.issue("hsm:p256", "good"), authority.issue("hsm:rsa3072", "bad")
    home.plain("verify", "-CAfile", authority.certificate, good, bad)
    authority.ca("-revoke", bad)
    authority.ca("-gencrl", "-out", "ca.crl")
    home.plain("crl", "-in", "ca.crl", "-CAfile", authority.certificate, "-noout")
    checked = ("verify", "-crl_check", "-CRLfile", "ca.crl", "-CAfile", authority.certificate)
    home.plain(*checked, good)
    assert "revoked" in home.plain(*checked, bad, expect=2).err


def test_ca_takes_its_key_from_the_configuration(keyed):
    keyed.write_conf(lambda text: text.replace("$dir/ca.ref.pem", "hsm:p256"))
    authority = Authority(keyed, "hsm:p256")
    keyed.openssl("req", "-new", "-key", "hsm:rsa2048", "-subj", "/CN=one", "-out", "one.csr")
    keyed.openssl("ca", "-batch", "-notext", "-in", "one.csr", "-out", "one.pem")
    keyed.plain("verify", "-CAfile", authority.certificate, "one.pem")


def test_ocsp_answer_offline(authority):
    home = authority.home
    good, bad = authority.issue("hsm:p256", "good"), authority.issue("hsm:rsa3072", "bad")
    authority.ca("-revoke", bad)
    responder = authority.issue("hsm:p521", "responder", "ocsp_ext")
    home.plain("ocsp", "-issuer", authority.certificate, "-cert", good, "-cert", bad, "-reqout",
               "request.der", "-no_nonce")
    home.openssl("ocsp", "-index", "index.txt", "-CA", authority.certificate, "-rsigner",
                 responder, "-rkey", "hsm:p521", "-reqin", "request.der", "-respout", "answer.der",
                 "-ndays", "1")
    shown = home.plain("ocsp", "-issuer", authority.certificate, "-cert", good, "-cert", bad,
                       "-respin", "answer.der", "-CAfile", authority.certificate, "-no_nonce")
    assert "good.pem: good" in shown.text and "bad.pem: revoked" in shown.text
    assert "Response verify OK" in shown.err


def test_ocsp_responder_on_a_port(keyed, start):
    authority = Authority(keyed, "hsm:rsa2048")
    leaf = authority.issue("hsm:p256", "leaf")
    responder = authority.issue("hsm:p384", "responder", "ocsp_ext")
    port = free_port()
    server = start(["openssl", "ocsp", "-index", "index.txt", "-CA", authority.certificate,
                    "-rsigner", responder, "-rkey", "hsm:p384", "-port", port, "-ignore_err"],
                   env=keyed.environment(), cwd=keyed.work)
    # A connection that asks nothing would keep the responder busy.
    server.wait_until_said("aiting for OCSP client connections")
    for _ in range(3):
        shown = keyed.plain("ocsp", "-issuer", authority.certificate, "-cert", leaf, "-url",
                            f"http://127.0.0.1:{port}", "-CAfile", authority.certificate)
        assert "leaf.pem: good" in shown.text and "Response verify OK" in shown.err


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_time_stamps(keyed, kind):
    """ts of OpenSSL 3.0 opens its key as a file; a URI is no file."""
    root = keyed.certificate("hsm:rsa3072", "root", extensions="root_ca_ext")
    signer = keyed.certificate(f"{kind}.ref.pem", "tsa", issuer=(root, "hsm:rsa3072"),
                               extensions="tsa_ext")
    data = keyed.work / "data"
    data.write_text("what was there")
    (keyed.work / "tsa-serial").write_text("01\n")
    keyed.openssl("ts", "-query", "-data", data, "-sha256", "-cert", "-out", "query.tsq")
    keyed.openssl("ts", "-reply", "-queryfile", "query.tsq", "-signer", signer, "-inkey",
                  f"{kind}.ref.pem", "-out", "reply.tsr")
    checked = keyed.plain("ts", "-verify", "-in", "reply.tsr", "-queryfile", "query.tsq",
                          "-CAfile", root)
    assert "Verification: OK" in checked.text + checked.err


def test_two_level_authority(keyed):
    root = keyed.certificate("hsm:p384", "root", extensions="root_ca_ext")
    middle = keyed.certificate("hsm:rsa3072", "middle", issuer=(root, "hsm:p384"),
                               extensions="intermediate_ca_ext")
    for kind in ("ed25519", "rsapss", "p224"):
        leaf = keyed.certificate(f"hsm:{kind}", f"leaf-{kind}", issuer=(middle, "hsm:rsa3072"),
                                 digest=KINDS[kind].digest)
        keyed.plain("verify", "-x509_strict", "-CAfile", root, "-untrusted", middle, leaf)
