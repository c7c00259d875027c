# SPDX-License-Identifier: Apache-2.0
"""With `?provider=hsm` and the `[random]` section a program uses the HSM provider and nothing else.

`default` is active beside the HSM here, as in the example configuration, so libcrypto could take
anything from it. Two proofs are in these tests. One needs no tool: a program on `base` and `hsm`
alone has nothing else to take (test_forwarded_tls.py). But it says nothing of a program that has
`default`; that is what tests/support/provider_trace.cc is for. It watches the functions of OpenSSL's
own algorithms in which every use begins, in the running program, libcrypto's own uses included, and
writes down by which provider they are called. The HSM provider's forwarded algorithms are the same
functions, called by another library context: "private". That they are seen is the proof that the
tracing works, and so is the first test, in which nobody asks for the HSM.

Files are not watched: keys and certificates are decoded by OpenSSL's provider, and a plain
key becomes a session key of the HSM when it is first used.
"""

import re

import pytest

from servers import Haproxy, Nginx, bundle, curl
from support import OPENSSL, free_port, run, wait_for

PLAIN = {"PATH": "/usr/bin:/bin", "OPENSSL_CONF": "/dev/null"}
REQUEST = b"GET / HTTP/1.0\r\n\r\n"
CBC = "ECDHE-RSA-AES128-SHA256"

# A program each: what it does, and an algorithm that it cannot do without. The KEMs share one table
# of functions, so all have the first one's name.
SPEED = ("speed", "-seconds", "1")
PROGRAMS = {
    "rand": (("rand", "-hex", "32"), ("rand", "CTR-DRBG")),
    "dgst": (("dgst", "-sha512", "ec.crt"), ("digest", "SHA2-512")),
    "enc": (("enc", "-aes-256-ctr", "-pbkdf2", "-k", "password", "-in", "ec.crt"), ("kdf", "PBKDF2")),
    "speed of a digest": ((*SPEED, "-bytes", "1024", "-evp", "sha256"), ("digest", "SHA2-256")),
    "speed of a cipher": ((*SPEED, "-bytes", "1024", "-evp", "aes-256-gcm"),
                          ("cipher", "AES-256-GCM")),
    "speed of a MAC": ((*SPEED, "-bytes", "1024", "-hmac", "sha256"), ("mac", "HMAC")),
    "speed of signatures": ((*SPEED, "rsa2048"), ("signature", "RSA")),
    "speed of an agreement": ((*SPEED, "ecdhx25519"), ("keyexch", "X25519")),
    "speed of a KEM": ((*SPEED, "ML-KEM-768"), ("kem", "ML-KEM-512")),
    "certificates": (("verify", "-check_ss_sig", "-CAfile", "both.crt", "ec.crt"), ("signature", "ECDSA")),
    "requests": (("req", "-new", "-key", "rsa.pem", "-subj", "/CN=x", "-out", "new.csr"),
                 ("signature", "RSA")),
}


class Traced:
    """A home whose programs are traced, each into a file of its own."""

    def __init__(self, home):
        self.home = home
        self.tracer = home.build.directory / "lib/provider_trace.so"

    def environment(self, name):
        env = self.home.environment()
        before = env.get("LD_PRELOAD")
        env["LD_PRELOAD"] = f"{before}:{self.tracer}" if before else str(self.tracer)
        env["HSM_PROVIDER_TRACE"] = str(self.home.work / f"{name}.trace")
        return env

    def openssl(self, name, *words, **options):
        return run(["openssl", *words], env=self.environment(name), cwd=self.home.work, **options)

    def used(self, name):
        """{provider: {(operation, algorithm)}}"""
        found = {}
        for line in (self.home.work / f"{name}.trace").read_text().splitlines():
            provider, operation, algorithm = line.split(" ")
            found.setdefault(provider, set()).add((operation, algorithm))
        return found

    def expect_hsm_only(self, name, *needed):
        used = self.used(name)
        assert list(used) == ["private"], f"another provider was used: {used}"
        assert set(needed) <= used["private"], f"the trace misses what was used: {used}"

    def expect_default(self, name, *needed):
        used = self.used(name)
        assert list(used) == ["default"], f"nobody asked for the HSM: {used}"
        assert set(needed) <= used["default"], f"the trace misses what was used: {used}"


@pytest.fixture
def unasked(home):
    """`default` and `hsm` active, nothing preferred; plain keys and certificates of both kinds."""
    for name, options in (("ec", ("EC", "-pkeyopt", "ec_paramgen_curve:P-256")),
                          ("rsa", ("RSA", "-pkeyopt", "rsa_keygen_bits:2048"))):
        home.plain("genpkey", "-algorithm", *options, "-out", f"{name}.pem")
        home.openssl("req", "-x509", "-new", "-key", f"{name}.pem", "-subj", "/CN=localhost",
                     "-days", "2", "-extensions", "server_ext", "-out", f"{name}.crt")
    (home.work / "both.crt").write_text(
        (home.work / "ec.crt").read_text() + (home.work / "rsa.crt").read_text())
    return Traced(home)


@pytest.fixture
def preferring(unasked):
    """The same with both sections of the example switched on."""
    unasked.home.write_conf(lambda text: text.replace("# alg_section", "alg_section").replace(
        "# random = ", "random = "))
    return unasked


@pytest.fixture
def serve(start):
    def begin(traced, *options):
        port = free_port()
        server = start(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", "ec.crt",
                        "-key", "ec.pem", "-dcert", "rsa.crt", "-dkey", "rsa.pem", *options],
                       env=traced.environment("server"), cwd=traced.home.work)
        server.wait_until_said("ACCEPT")
        server.port = port
        return server
    return begin


def connect(traced, server, *options):
    shown = traced.openssl("client", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile",
                           "both.crt", "-verify_return_error", "-servername", "localhost",
                           "-ign_eof", *options, stdin=REQUEST)
    assert "HTTP/1.0 200 ok" in shown.text, str(shown)
    return shown


def program(name):
    if "KEM" in name and OPENSSL < (3, 5):
        pytest.skip("OpenSSL 3.0 has no KEM that openssl speed knows")
    return PROGRAMS[name]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_does_not_ask_uses_default(unasked, name):
    words, needed = program(name)
    unasked.openssl("program", *words)
    unasked.expect_default("program", needed)


@pytest.mark.smoke
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_asks_uses_the_hsm_only(preferring, name):
    words, needed = program(name)
    preferring.openssl("program", *words)
    preferring.expect_hsm_only("program", needed)


@pytest.mark.smoke
def test_s_server_and_s_client(preferring, serve):
    """Every kind of key exchange, ticket and signature; each with keys from plain files."""
    server = serve(preferring, "-www", "-groups", "X25519:P-256:X448:P-384:ffdhe2048" + (
        ":X25519MLKEM768:SecP256r1MLKEM768" if OPENSSL >= (3, 5) else ""))
    connect(preferring, server, "-tls1_3", "-sess_out", "session")
    again = connect(preferring, server, "-tls1_3", "-sess_in", "session")
    assert re.search("^Reused, ", again.text, re.MULTILINE)
    for group in ("P-256", "X448", "ffdhe2048"):
        connect(preferring, server, "-tls1_3", "-groups", group, "-sigalgs", "RSA-PSS+SHA256")
    connect(preferring, server, "-tls1_3", "-cipher", "DEFAULT", "-ciphersuites",
            "TLS_CHACHA20_POLY1305_SHA256")
    for suite in ("AES256-GCM-SHA384", "DHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-GCM-SHA384", CBC):
        connect(preferring, server, "-tls1_2", "-cipher", suite, "-sess_out", "session")
        again = connect(preferring, server, "-tls1_2", "-cipher", suite, "-sess_in", "session")
        assert re.search("^Reused, ", again.text, re.MULTILINE)
    both = [("rand", "CTR-DRBG"), ("kdf", "TLS13-KDF"), ("kdf", "TLS1-PRF"), ("keymgmt", "DH"),
            ("keyexch", "DH"), ("keyexch", "X25519"), ("signature", "RSA"), ("signature", "ECDSA"),
            ("cipher", "AES-256-GCM"), ("cipher", "ChaCha20-Poly1305"), ("mac", "HMAC")]
    if OPENSSL >= (3, 5):
        for group in ("X25519MLKEM768", "SecP256r1MLKEM768"):
            connect(preferring, server, "-tls1_3", "-groups", group)
            both.append(("keymgmt", group))
    preferring.expect_hsm_only("server", *both)
    preferring.expect_hsm_only("client", *both)


def test_s_server_that_does_not_ask(unasked, serve):
    server = serve(unasked, "-www")
    connect(unasked, server, "-tls1_3")
    connect(unasked, server, "-tls1_2", "-cipher", "DHE-RSA-AES128-SHA")
    for side in ("server", "client"):
        unasked.expect_default(side, ("keyexch", "DH"), ("keyexch", "X25519"), ("kdf", "TLS13-KDF"),
                               ("signature", "RSA"), ("rand", "CTR-DRBG"))


def test_parameters_of_a_file_are_an_exception(preferring, serve):
    """libcrypto keeps them in the provider that read the file, and makes the keys for them there."""
    preferring.home.plain("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt",
                          "group:ffdhe2048", "-out", "dh.pem")
    server = serve(preferring, "-www", "-dhparam", "dh.pem")
    connect(preferring, server, "-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384")
    used = preferring.used("server")
    assert used["default"] == {("keymgmt", "DH")} and set(used) == {"default", "private"}
    assert ("keyexch", "DH") in used["private"]
    preferring.expect_hsm_only("client", ("keymgmt", "DH"), ("keyexch", "DH"))


def test_early_data_and_client_certificates(preferring, serve, start):
    server = serve(preferring, "-early_data", "-tls1_3", "-Verify", "1", "-CAfile", "both.crt")
    words = ["s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", "both.crt", "-servername",
             "localhost", "-tls1_3", "-cert", "rsa.crt", "-key", "rsa.pem"]
    work = preferring.home.work
    first = start(["openssl", *words, "-sess_out", "session"], env=preferring.environment("client"),
                  cwd=work)
    wait_for(lambda: (work / "session").exists() and "END SSL" in (work / "session").read_text(),
             "a ticket")
    first.child.communicate(b"Q\n", timeout=30)
    (work / "early").write_bytes(b"sent before the handshake was over\n")
    second = preferring.openssl("client", *words, "-sess_in", "session", "-early_data", "early",
                                stdin=b"Q\n")
    assert "Early data was accepted" in second.text
    server.wait_until_said("sent before the handshake was over")
    preferring.expect_hsm_only("server", ("signature", "ECDSA"), ("kdf", "TLS13-KDF"))
    preferring.expect_hsm_only("client", ("signature", "RSA"), ("kdf", "TLS13-KDF"))


def held_keys(home):
    """[(certificate, key)] of keys in the HSM, with certificates beside those of the plain keys."""
    for kind in ("p256", "rsa2048"):
        home.genpkey(kind, kind)
        home.openssl("req", "-x509", "-new", "-key", f"hsm:{kind}", "-subj", "/CN=localhost", "-days",
                     "2", "-extensions", "server_ext", "-out", f"{kind}.crt")
        with open(home.work / "both.crt", "a", encoding="ascii") as trusted:
            trusted.write((home.work / f"{kind}.crt").read_text())
    return [(f"{home.work}/{kind}.crt", f"{home.work}/{kind}.ref.pem") for kind in ("p256", "rsa2048")]


def plain_keys(home):
    return [(f"{home.work}/{kind}.crt", f"{home.work}/{kind}.pem") for kind in ("ec", "rsa")]


@pytest.mark.parametrize("keys", [held_keys, plain_keys])
def test_nginx(preferring, keys):
    """With tickets and Diffie-Hellman parameters; the workers inherit the trace.

    They have no right to the home. Ephemeral keys are made and plain keys are brought into the HSM
    there all the same.
    """
    home = preferring.home
    certificates = keys(home)
    home.plain("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out",
               "dh.pem")
    nginx = Nginx(
        home, certificates,
        sessions="ssl_session_cache shared:tls:1m; ssl_session_tickets on; ssl_early_data on;",
        server=f"ssl_dhparam {home.work}/dh.pem; ssl_ciphers DEFAULT; "
               "ssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256;")
    nginx.env = preferring.environment("nginx")
    try:
        nginx.start()
        for version in ("1.2", "1.3"):
            page = curl(home, nginx.port, home.work / "both.crt", f"--tlsv{version}", "--tls-max",
                        version)
            assert page.text == "from nginx\n"
            talk = ["s_client", "-connect", f"127.0.0.1:{nginx.port}", "-servername", "localhost",
                    f"-tls{version.replace('.', '_')}", "-ign_eof", "-CAfile", "both.crt"]
            home.plain(*talk, "-sess_out", "session", stdin=REQUEST)
            again = home.plain(*talk, "-sess_in", "session", stdin=REQUEST)
            assert re.search("^Reused, ", again.text, re.MULTILINE) and "from nginx" in again.text
        shown = home.plain(*talk[:5], "-tls1_2", "-ign_eof", "-cipher", "DHE-RSA-AES256-GCM-SHA384",
                           stdin=REQUEST)
        assert "from nginx" in shown.text
        assert nginx.complaints() == []
    finally:
        nginx.stop()
    preferring.expect_hsm_only(
        "nginx", ("rand", "CTR-DRBG"), ("keyexch", "DH"), ("cipher", "ChaCha20-Poly1305"),
        ("kdf", "TLS13-KDF"), ("kdf", "TLS1-PRF"), ("signature", "ECDSA"), ("signature", "RSA"))


@pytest.mark.parametrize("keys", [held_keys, plain_keys])
def test_haproxy(preferring, keys):
    """As nginx: its worker has no right to the home."""
    home = preferring.home
    haproxy = Haproxy(home, bundle(home, "bundle.pem", *keys(home)[0]))
    haproxy.env = preferring.environment("haproxy")
    try:
        haproxy.start()
        for version in ("1.2", "1.3"):
            page = curl(home, haproxy.port, home.work / "both.crt", f"--tlsv{version}", "--tls-max",
                        version)
            assert page.text == "from haproxy\n"
        assert haproxy.complaints() == []
    finally:
        haproxy.stop()
    preferring.expect_hsm_only("haproxy", ("rand", "CTR-DRBG"), ("signature", "ECDSA"),
                               ("kdf", "TLS13-KDF"), ("kdf", "TLS1-PRF"), ("keyexch", "X25519"))
