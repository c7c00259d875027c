# SPDX-License-Identifier: Apache-2.0
"""The HSM and nothing else: `provider=hsm` as default property query."""

import pytest


@pytest.fixture
def only_hsm(keyed):
    keyed.write_conf(lambda text: text.replace("# alg_section", "alg_section").replace(
        "\ndefault_properties = ?provider=hsm", "\ndefault_properties = provider=hsm"))
    return keyed


def test_keys_are_used_by_uri(only_hsm):
    assert only_hsm.openssl("pkey", "-in", "hsm:p256", "-pubout").out == \
        only_hsm.public("p256").read_bytes()
    for kind in ("rsa2048", "p256"):
        only_hsm.openssl("dgst", "-sha256", "-sign", f"hsm:{kind}", "-out", "signature",
                         only_hsm.conf)
        only_hsm.plain("dgst", "-sha256", "-verify", only_hsm.public(kind), "-signature",
                       "signature", only_hsm.conf)


def test_a_key_is_made(only_hsm):
    only_hsm.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "group:P-256", "-pkeyopt",
                     "hsm-label:new", "-out", "new.pem")
    assert "new" in only_hsm.labels()


def test_no_file_is_opened(only_hsm):
    """Files are read by a store loader of the providers `default` and `base`."""
    for file in ("p256.ref.pem", only_hsm.public("p256")):
        refused = only_hsm.openssl("pkey", "-in", file, "-noout", expect=None)
        assert refused.code != 0
        assert "default or base providers" in refused.err
