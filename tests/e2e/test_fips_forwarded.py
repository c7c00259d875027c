# SPDX-License-Identifier: Apache-2.0
"""What is handed on in FIPS mode: approved algorithms, and TLS with nothing else.

With OpenSSL's FIPS module it is what the module has with fips=yes, and a default query of fips=yes finds
it; without one it is a table of ours, and nothing claims fips=yes.
"""

import re

import pytest

from support import FIPS_MODULE, create_cluster, free_port
from test_fips_mode import policy_only, separate, with_module

QUERY = ("-propquery", "provider=hsm")
KEY_256, IV = "00112233445566778899aabbccddeeff" * 2, "000102030405060708090a0b0c0d0e0f"
KEY_3DES = "0123456789abcdef23456789abcdef01456789abcdef0123"
GROUPS = ("P-256", "P-384", "P-521")


@pytest.fixture(scope="module")
def template(build, tmp_path_factory):
    """A cluster in FIPS mode, and a plain key with its certificate."""
    scratch = tmp_path_factory.mktemp("fips")
    home = create_cluster(build, scratch / "hsm", scratch / "work", options=("--mode", "fips"))
    home.plain("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
               "ec.pem")
    home.openssl("req", "-x509", "-new", "-key", "ec.pem", "-subj", "/CN=localhost", "-days", "2",
                 "-extensions", "server_ext", "-out", "ec.crt.pem")
    return home


@pytest.fixture
def fips(template, tmp_path):
    return separate(template, tmp_path, "fips")


def alone(home, query=""):
    """The HSM provider and `base`, which reads files, and nothing else."""
    home.write_conf(lambda text: text.replace("default = default_sect", "base = base_sect")
                    .replace("[default_sect]", "[base_sect]")
                    .replace("# alg_section", "alg_section" if query else "# alg_section")
                    .replace("default_properties = ?provider=hsm", f"default_properties = {query}"))
    return home


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512", "sha3-256", "shake128"])
def test_approved_digests(fips, digest):
    # 3.4 and newer want a length for SHAKE.
    more = ("-xoflen", "32") if digest.startswith("shake") else ()
    ours = fips.openssl("dgst", f"-{digest}", *more, *QUERY, stdin=b"data")
    assert ours.out == fips.plain("dgst", f"-{digest}", *more, stdin=b"data").out


@pytest.mark.parametrize("digest", ["md5", "rmd160", "sm3", "blake2b512"])
def test_other_digests(fips, home, digest):
    home.openssl("dgst", f"-{digest}", *QUERY, stdin=b"data")
    result = fips.openssl("dgst", f"-{digest}", *QUERY, stdin=b"data", expect=1)
    assert "unsupported" in result.err, result


@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-256-ctr", "aes-256-ofb"])
def test_approved_ciphers(fips, cipher):
    words = ("enc", f"-{cipher}", "-K", KEY_256, "-iv", IV)
    assert fips.openssl(*words, *QUERY, stdin=b"data").out == fips.plain(*words, stdin=b"data").out


@pytest.mark.parametrize("cipher", ["chacha20", "camellia-256-cbc", "aria-256-cbc", "sm4-cbc"])
def test_other_ciphers(fips, home, cipher):
    key = KEY_256[:32] if cipher.startswith("sm4") else KEY_256
    words = ("enc", f"-{cipher}", "-K", key, "-iv", IV, *QUERY)
    home.openssl(*words, stdin=b"data")
    result = fips.openssl(*words, stdin=b"data", expect=1)
    assert "unsupported" in result.err, result


def test_3des_decrypts_and_does_not_encrypt(fips):
    words = ("enc", "-des-ede3-cbc", "-K", KEY_3DES, "-iv", IV[:16])
    encrypted = fips.plain(*words, stdin=b"data").out
    assert fips.openssl(*words, "-d", *QUERY, stdin=encrypted).out == b"data"
    refused = fips.openssl(*words, *QUERY, stdin=b"data", expect=1)
    assert "the mode of the cluster forbids this" in refused.err and "use AES" in refused.err
    assert refused.out == b""


@pytest.mark.parametrize("words, allowed", [
    (("mac", "-digest", "SHA256", "-macopt", f"hexkey:{KEY_256}", "HMAC"), True),
    (("mac", "-cipher", "AES-256-CBC", "-macopt", f"hexkey:{KEY_256}", "CMAC"), True),
    (("mac", "-macopt", f"hexkey:{KEY_256}", "KMAC256"), True),
    (("mac", "-macopt", f"hexkey:{KEY_256}", "Poly1305"), False),
    (("mac", "-macopt", f"hexkey:{KEY_256[:32]}", "SipHash"), False),
    (("kdf", "-keylen", "32", "-kdfopt", "digest:SHA256", "-kdfopt", f"hexkey:{KEY_256}", "-kdfopt",
      "salt:0123456789abcdef", "HKDF"), True),
    (("kdf", "-keylen", "32", "-kdfopt", "digest:SHA256", "-kdfopt", "pass:a long password",
      "-kdfopt", "salt:0123456789abcdef", "-kdfopt", "iter:1000", "PBKDF2"), True),
    (("kdf", "-keylen", "32", "-kdfopt", "pass:secret", "-kdfopt", "salt:salt", "-kdfopt", "n:1024",
      "-kdfopt", "r:8", "-kdfopt", "p:1", "SCRYPT"), False),
], ids=lambda value: value[-1] if isinstance(value, tuple) else "")
def test_macs_and_kdfs(fips, home, words, allowed):
    """What FIPS mode refuses is there in NON_FIPS mode."""
    plain = fips.plain(*words, stdin=b"data").out
    assert home.openssl(*words[:1], *QUERY, *words[1:], stdin=b"data").out == plain
    ours = fips.openssl(*words[:1], *QUERY, *words[1:], stdin=b"data", expect=0 if allowed else 1)
    assert (ours.out == plain) == allowed, ours


@pytest.mark.parametrize("digest", ["MD5", "SSL3-MD5", "1.2.840.113549.2.5", "md5", "RIPEMD160"])
def test_no_other_digest_inside(fips, home, digest):
    """By any of its names, in HMAC and HKDF."""
    mac = ("mac", *QUERY, "-macopt", f"hexkey:{KEY_256}", "-digest", digest, "HMAC")
    kdf = ("kdf", *QUERY, "-keylen", "32", "-kdfopt", f"hexkey:{KEY_256}", "-kdfopt",
           f"digest:{digest}", "HKDF")
    for words in (mac, kdf):
        home.openssl(*words, stdin=b"data")
        refused = fips.openssl(*words, stdin=b"data", expect=1)
        if FIPS_MODULE is None:
            assert "the mode of the cluster forbids this" in refused.err, refused
            assert f"{digest} is not approved" in refused.err, refused


def test_random_numbers(fips):
    fips.write_conf(lambda text: text.replace("# random = ", "random = "))
    assert len({fips.openssl("rand", "-hex", "32").text for _ in range(3)}) == 3


@policy_only
def test_policy_only_does_not_claim_fips(fips):
    alone(fips, "fips=yes")
    assert "unsupported" in fips.openssl("dgst", "-sha256", stdin=b"data", expect=1).err


@with_module
def test_a_default_query_of_fips_works_with_the_hsm_alone(fips):
    alone(fips, "fips=yes")
    fips.genpkey("p256", "ec")
    fips.genpkey("rsa2048", "rsa")
    (fips.work / "data").write_bytes(b"data")
    for label in ("ec", "rsa"):
        fips.openssl("dgst", "-sha256", "-sign", f"hsm:{label}", "-out", "sig", "data")
        fips.openssl("dgst", "-sha256", "-verify", fips.public(label), "-signature", "sig", "data")
        fips.openssl("dgst", "-sha256", "-sign", f"{label}.ref.pem", "-out", "sig", "data")
    ours = fips.openssl("dgst", "-sha384", "data")
    assert ours.out == fips.plain("dgst", "-sha384", "data").out
    assert "unsupported" in fips.openssl("dgst", "-md5", "data", expect=1).err
    refused = fips.openssl("genpkey", "-algorithm", "ED25519", "-pkeyopt", "hsm-label:ed", expect=1)
    assert "unsupported" in refused.err


@pytest.mark.parametrize("algorithm", ["X25519", "X448"])
def test_agreement_on_montgomery_curves_is_left_to_others(fips, algorithm):
    refused = fips.openssl("genpkey", *QUERY, "-algorithm", algorithm, expect=1)
    assert "unsupported" in refused.err
    made = fips.openssl("genpkey", "-propquery", "?provider=hsm", "-algorithm", algorithm)
    assert "BEGIN PRIVATE KEY" in made.text


def test_ed25519_signatures_of_others_are_not_verified(fips, home):
    """The key can be looked at; the use says why not."""
    for place in (fips, home):
        place.plain("genpkey", "-algorithm", "ED25519", "-out", "ed.pem")
        place.plain("pkey", "-in", "ed.pem", "-pubout", "-out", "ed.pub")
        (place.work / "data").write_bytes(b"data")
        place.plain("pkeyutl", "-sign", "-rawin", "-inkey", "ed.pem", "-in", "data", "-out", "sig")
        alone(place)
        place.openssl("pkey", "-pubin", "-in", "ed.pub", "-noout", "-text")
    words = ("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "ed.pub", "-in", "data",
             "-sigfile", "sig")
    home.openssl(*words)
    refused = fips.openssl(*words, expect=1)
    assert "the mode of the cluster forbids this" in refused.err and "EdDSA" in refused.err


# ---- TLS by the HSM provider alone, between two programs that each have a cluster in FIPS mode ----


@pytest.fixture
def serve(start):
    def begin(home, *options):
        port = free_port()
        server = start(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", "ec.crt.pem",
                        "-key", "ec.pem", "-www", *options], env=home.environment(), cwd=home.work)
        server.wait_until_said("ACCEPT")
        server.port = port
        return server
    return begin


def connect(home, server, *options, **more):
    return home.openssl("s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", "ec.crt.pem",
                        "-verify_return_error", "-servername", "localhost", "-ign_eof", *options,
                        stdin=b"GET / HTTP/1.0\r\n\r\n", **more)


@pytest.fixture
def pair(template, tmp_path):
    """A server's home and a client's."""
    homes = [separate(template, tmp_path, name) for name in ("server", "client")]
    return [alone(home, "fips=yes" if FIPS_MODULE else "") for home in homes]


@pytest.mark.smoke
@pytest.mark.parametrize("group", GROUPS)
def test_tls13(pair, serve, group):
    server, client = pair
    shown = connect(client, serve(server), "-tls1_3", "-groups", group)
    assert "HTTP/1.0 200 ok" in shown.text
    assert re.search(r"Cipher is TLS_AES_\d+_GCM_SHA\d+", shown.text)


def test_tls12(pair, serve):
    server, client = pair
    shown = connect(client, serve(server), "-tls1_2")
    assert "HTTP/1.0 200 ok" in shown.text
    assert "Cipher    : ECDHE-ECDSA-AES256-GCM-SHA384" in shown.text


def test_tls_offers_no_chacha20(pair):
    for home in pair:
        suites = home.openssl("ciphers", "-s").text
        assert "AES" in suites and "CHACHA20" not in suites


@pytest.mark.parametrize("group", ["X25519", "X448"])
def test_tls_has_no_other_curves(pair, serve, group):
    """A client that has the group from elsewhere does not find it at the server either."""
    server, client = pair
    running = serve(server)
    refused = connect(client, running, "-groups", group, expect=1)
    assert "HTTP/1.0 200 ok" not in refused.text
    refused = client.plain("s_client", "-connect", f"127.0.0.1:{running.port}", "-groups", group,
                           "-tls1_3", stdin=b"", expect=1)
    assert "alert handshake failure" in refused.err, refused
