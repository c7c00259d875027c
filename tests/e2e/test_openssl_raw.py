# SPDX-License-Identifier: Apache-2.0
"""Ed448, X25519, X448, and with OpenSSL 3.5 ML-DSA, SLH-DSA and ML-KEM, by the openssl tool."""

import pytest

from test_openssl_tls import connect, serve

SIGNING = ["ED448", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "SLH-DSA-SHA2-128f", "SLH-DSA-SHAKE-192f"]
SLH_DSA = [f"SLH-DSA-{family}-{bits}{kind}" for family in ("SHA2", "SHAKE") for bits in (128, 192, 256)
           for kind in "sf"]
# OpenSSL's instances of EdDSA, and whether a context string fits
EDDSA = [("ED25519", "Ed25519", False), ("ED25519", "Ed25519ctx", True), ("ED25519", "Ed25519ph", True),
         ("ED25519", "Ed25519ph", False), ("ED448", "Ed448", True), ("ED448", "Ed448ph", True),
         ("ED448", "Ed448ph", False)]
AGREEING = ["X25519", "X448"]
ENCAPSULATING = ["ML-KEM-512", "ML-KEM-768", "ML-KEM-1024"]


@pytest.fixture
def made(home):
    """made(ALGORITHM) makes a key in the HSM with this label, and its public key as a file."""

    def make(algorithm):
        plain_key(home, algorithm, "probe")
        home.openssl("genpkey", "-propquery", "provider=hsm", "-algorithm", algorithm, "-pkeyopt",
                     f"hsm-label:{algorithm}", "-out", f"{algorithm}.ref.pem")
        home.openssl("pkey", "-in", f"hsm:{algorithm}", "-pubout", "-out", f"{algorithm}.pub.pem")
        return f"hsm:{algorithm}"

    return make


def plain_key(home, algorithm, name):
    """A key in a file, NAME.pem and NAME.pub.pem."""
    done = home.plain("genpkey", "-algorithm", algorithm, "-out", f"{name}.pem", expect=None)
    if done.code != 0:
        pytest.skip(f"this OpenSSL has no {algorithm}")
    home.plain("pkey", "-in", f"{name}.pem", "-pubout", "-out", f"{name}.pub.pem")


@pytest.mark.parametrize("algorithm", SIGNING + AGREEING + ENCAPSULATING)
def test_key_is_made_and_named_both_ways(home, made, algorithm):
    uri = made(algorithm)
    by_file = home.openssl("pkey", "-in", f"{algorithm}.ref.pem", "-pubout").out
    assert by_file == (home.work / f"{algorithm}.pub.pem").read_bytes()
    shown = home.openssl("pkey", "-in", uri, "-noout", "-text").text
    assert f"{algorithm} Private-Key: (held in the HSM)" in shown
    assert "priv:" not in shown and "seed:" not in shown and "dk:" not in shown
    ours = home.openssl("pkey", "-pubin", "-in", f"{algorithm}.pub.pem", "-noout", "-text_pub").text
    theirs = home.plain("pkey", "-pubin", "-in", f"{algorithm}.pub.pem", "-noout", "-text_pub").text
    assert ours.split() == theirs.split()


@pytest.mark.parametrize("algorithm", [*SIGNING, *(s for s in SLH_DSA if s not in SIGNING)])
def test_signatures_pass_both_ways(home, made, algorithm):
    uri = made(algorithm)
    (home.work / "data").write_bytes(b"to be signed" * 100)
    home.openssl("pkeyutl", "-sign", "-rawin", "-in", "data", "-inkey", uri, "-out", "data.sig")
    verify = ["pkeyutl", "-verify", "-rawin", "-in", "data", "-pubin", "-sigfile", "data.sig"]
    home.plain(*verify, "-inkey", f"{algorithm}.pub.pem")
    home.openssl("pkeyutl", "-verify", "-rawin", "-in", "data", "-sigfile", "data.sig", "-inkey", uri)
    (home.work / "data").write_bytes(b"something else")
    assert home.plain(*verify, "-inkey", f"{algorithm}.pub.pem", expect=None).code != 0


def test_ml_dsa_takes_a_context_string(home, made):
    uri = made("ML-DSA-65")
    (home.work / "data").write_bytes(b"to be signed")
    context = ["-pkeyopt", "context-string:release", "-pkeyopt", "deterministic:1"]
    sign = ["pkeyutl", "-sign", "-rawin", "-in", "data", "-inkey", uri, *context, "-out"]
    home.openssl(*sign, "one.sig")
    home.openssl(*sign, "two.sig")
    assert (home.work / "one.sig").read_bytes() == (home.work / "two.sig").read_bytes()
    verify = ["pkeyutl", "-verify", "-rawin", "-in", "data", "-pubin", "-inkey",
              "ML-DSA-65.pub.pem", "-sigfile", "one.sig"]
    home.plain(*verify, "-pkeyopt", "context-string:release")
    assert home.plain(*verify, expect=None).code != 0


def has_instances(home):
    return not home.plain("version").text.startswith("OpenSSL 3.0.")


@pytest.mark.parametrize("algorithm, instance, context", EDDSA)
def test_instances_of_eddsa_pass_both_ways(home, made, algorithm, instance, context):
    if not has_instances(home):
        pytest.skip("OpenSSL 3.0 has only PureEdDSA")
    uri = made(algorithm)
    plain_key(home, algorithm, "other")
    (home.work / "data").write_bytes(b"to be signed" * 50)
    options = ["-pkeyopt", f"instance:{instance}"]
    if context:
        options += ["-pkeyopt", "context-string:release"]
    data = ["-rawin", "-in", "data"]
    home.openssl("pkeyutl", "-sign", *data, "-inkey", uri, *options, "-out", "data.sig")
    verify = ["pkeyutl", "-verify", *data, "-sigfile", "data.sig"]
    home.plain(*verify, "-pubin", "-inkey", f"{algorithm}.pub.pem", *options)
    home.openssl(*verify, "-inkey", uri, *options)
    if instance not in ("Ed25519", "Ed448") or context:
        for run, key in ((home.plain, ["-pubin", "-inkey", f"{algorithm}.pub.pem"]),
                         (home.openssl, ["-inkey", uri])):
            assert run(*verify, *key, expect=None).code != 0
    # The other way: a plain key signs, the provider verifies with its public half.
    home.plain("pkeyutl", "-sign", *data, "-inkey", "other.pem", *options, "-out", "data.sig")
    home.openssl(*verify, "-propquery", "?provider=hsm", "-pubin", "-inkey", "other.pub.pem",
                 *options)


@pytest.mark.parametrize("instance, options, text", [
    ("Ed25519ctx", [], "needs a context string"),
    ("Ed25519", ["-pkeyopt", "context-string:x"], "takes no context string"),
    ("Ed448ph", [], "has the instances Ed25519, Ed25519ctx, Ed25519ph"),
    ("Ed25519ph", ["-pkeyopt", "hexcontext-string:" + 256 * "ab"], "at most 255 bytes"),
])
def test_instances_that_do_not_fit_are_named(home, made, instance, options, text):
    uri = made("ED25519")
    (home.work / "data").write_bytes(b"to be signed")
    failed = home.openssl("pkeyutl", "-sign", "-rawin", "-in", "data", "-inkey", uri, "-pkeyopt",
                          f"instance:{instance}", *options, expect=None)
    assert failed.code != 0 and failed.out == b""
    old = not has_instances(home) and instance in ("Ed25519ctx", "Ed25519ph")
    assert ("needs OpenSSL 3.2" if old else text) in failed.err


@pytest.mark.parametrize("algorithm", ["ED448", "ML-DSA-65"])
def test_certificates_and_requests(home, made, algorithm):
    uri = made(algorithm)
    root = home.certificate(uri, "root", extensions="root_ca_ext", digest=None)
    home.plain("verify", "-check_ss_sig", "-CAfile", root, root)
    leaf = home.certificate(uri, "leaf", issuer=(root, uri), digest=None)
    home.plain("req", "-in", "leaf.csr", "-verify", "-noout")
    home.plain("verify", "-CAfile", root, leaf)


@pytest.mark.parametrize("algorithm", ["ED448", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
def test_tls_server(home, made, start, algorithm):
    uri = made(algorithm)
    root = home.certificate(uri, "root", extensions="root_ca_ext", digest=None)
    leaf = home.certificate(uri, "leaf", issuer=(root, uri), digest=None)
    server = serve(home, start, leaf, f"{algorithm}.ref.pem")
    shown = connect(home.plain, server, root, "-tls1_3", "-ign_eof")
    assert "Verify return code: 0 (ok)" in shown.text
    assert "HTTP/1.0 200 ok" in shown.text


@pytest.mark.parametrize("group, algorithm", [
    ("X25519", "X25519"), ("X448", "X448"), ("MLKEM768", "ML-KEM-768")])
def test_tls_key_exchange_in_the_hsm(home, made, start, group, algorithm):
    """With ?provider=hsm both sides make and use their ephemeral keys in the HSM."""
    plain_key(home, algorithm, "probe")
    uri = made("ED448")
    root = home.certificate(uri, "root", extensions="root_ca_ext", digest=None)
    leaf = home.certificate(uri, "leaf", issuer=(root, uri), digest=None)
    through = ["-propquery", "?provider=hsm", "-groups", group]
    server = serve(home, start, leaf, uri, *through)
    for run, options in ((home.openssl, through), (home.plain, ["-groups", group])):
        shown = connect(run, server, root, "-tls1_3", "-ign_eof", *options)
        assert "Verify return code: 0 (ok)" in shown.text
        assert "HTTP/1.0 200 ok" in shown.text


@pytest.mark.parametrize("algorithm", AGREEING)
def test_agreement_gives_the_same_secret_on_both_sides(home, made, algorithm):
    uri = made(algorithm)
    plain_key(home, algorithm, "peer")
    ours = home.openssl("pkeyutl", "-derive", "-inkey", uri, "-peerkey", "peer.pub.pem").out
    theirs = home.plain("pkeyutl", "-derive", "-inkey", "peer.pem", "-peerkey",
                        f"{algorithm}.pub.pem").out
    assert ours == theirs and len(ours) == {"X25519": 32, "X448": 56}[algorithm]


def test_a_peer_of_small_order_is_refused(home, made):
    uri = made("X25519")
    (home.work / "zero.der").write_bytes(bytes.fromhex("302a300506032b656e032100") + bytes(32))
    failed = home.openssl("pkeyutl", "-derive", "-inkey", uri, "-peerform", "DER", "-peerkey",
                          "zero.der", expect=None)
    assert failed.code != 0 and failed.out == b""
    assert "small order" in failed.err


def test_agreement_needs_derive(home, made):
    uri = made("X25519")
    home.cli("key", "set-attribute", "--filter", "attr.label=X25519", "--filter",
             "attr.class=private-key", "--name", "derive", "--value", "false")
    failed = home.openssl("pkeyutl", "-derive", "-inkey", uri, "-peerkey", "probe.pub.pem",
                          expect=None)
    assert failed.code != 0 and "'derive' is false" in failed.err


@pytest.mark.parametrize("algorithm", ENCAPSULATING)
def test_kem_gives_the_same_secret_on_both_sides(home, made, algorithm):
    uri = made(algorithm)
    out = ["-out", "cipher", "-secret"]
    home.plain("pkeyutl", "-encap", "-pubin", "-inkey", f"{algorithm}.pub.pem", *out, "sent")
    home.openssl("pkeyutl", "-decap", "-inkey", uri, "-in", "cipher", "-secret", "got")
    assert (home.work / "sent").read_bytes() == (home.work / "got").read_bytes()
    plain_key(home, algorithm, "peer")
    home.openssl("pkeyutl", "-encap", "-inkey", uri, *out, "sent")
    home.openssl("pkeyutl", "-decap", "-inkey", uri, "-in", "cipher", "-secret", "got")
    assert (home.work / "sent").read_bytes() == (home.work / "got").read_bytes()


def test_rsasve(home, made):
    plain_key(home, "ML-KEM-512", "probe")  # pkeyutl -encap is as old
    home.openssl("genpkey", "-propquery", "provider=hsm", "-algorithm", "RSA", "-pkeyopt",
                 "hsm-label:rsa", "-out", "rsa.ref.pem")
    home.public("rsa")
    home.plain("pkeyutl", "-encap", "-kemop", "RSASVE", "-pubin", "-inkey", "rsa.pub.pem", "-out",
               "cipher", "-secret", "sent")
    home.openssl("pkeyutl", "-decap", "-kemop", "RSASVE", "-inkey", "hsm:rsa", "-in", "cipher",
                 "-secret", "got")
    assert (home.work / "sent").read_bytes() == (home.work / "got").read_bytes()


@pytest.mark.parametrize("algorithm", SIGNING + AGREEING + ENCAPSULATING)
def test_import(home, algorithm):
    plain_key(home, algorithm, "outside")
    home.cli("key", "import", "pem", "--path", "outside.pem", "--label", "in")
    inside = home.openssl("pkey", "-in", "hsm:in", "-pubout").out
    assert inside == (home.work / "outside.pub.pem").read_bytes()


@pytest.mark.parametrize("algorithm", ["ML-DSA-44", "ML-KEM-768"])
@pytest.mark.parametrize("form", ["seed-only", "priv-only", "seed-priv"])
def test_import_of_every_private_form(home, algorithm, form):
    plain_key(home, algorithm, "outside")
    family = algorithm.lower().rsplit("-", 1)[0]
    home.plain("pkey", "-in", "outside.pem", "-provparam", f"{family}.output_formats={form}", "-out",
               "form.pem")
    home.cli("key", "import", "pem", "--path", "form.pem", "--label", "in")
    assert home.openssl("pkey", "-in", "hsm:in", "-pubout").out == \
        (home.work / "outside.pub.pem").read_bytes()


@pytest.mark.parametrize("words, key_type", [
    (["ec", "--curve", "x25519"], "x25519"),
    (["ec", "--curve", "x448"], "x448"),
    (["ec", "--curve", "ed448"], "ed448"),
    (["ml-dsa", "--mldsa-algorithm", "ML-DSA-65"], "ml-dsa-65"),
    (["ml-kem", "--parameter-set", "ml-kem-768"], "ml-kem-768"),
    (["slh-dsa", "--parameter-set", "SLH-DSA-SHA2-128f"], "slh-dsa-sha2-128f"),
])
def test_hsmctl_makes_them(home, words, key_type):
    plain_key(home, key_type.upper().replace("128F", "128f"), "probe")
    home.cli("key", "generate-asymmetric-pair", *words, "--label", "new")
    found = home.cli("key", "list", "--verbose", "--filter", "attr.label=new", "--filter",
                     "attr.class=private-key").json["data"]["matched_keys"]
    assert [key["attributes"]["key-type"] for key in found] == [key_type]


def test_an_algorithm_that_openssl_lacks_is_named(home):
    if home.plain("genpkey", "-algorithm", "ML-DSA-44", "-out", "probe.pem", expect=None).code == 0:
        pytest.skip("this OpenSSL has ML-DSA")
    failed = home.cli("key", "generate-asymmetric-pair", "ml-dsa", "--mldsa-algorithm", "ML-DSA-44",
                      "--label", "new", expect=None)
    assert failed.code != 0 and "ML-DSA-44 is not in this OpenSSL" in failed.err + failed.text
    assert home.labels() == []
