# SPDX-License-Identifier: Apache-2.0
"""nginx and HAProxy from Debian with keys in the HSM: under load, across reloads and upgrades."""

import pathlib

import pytest

from servers import IS_ROOT, Haproxy, Load, Nginx, bundle, curl, nginx_version
from support import KINDS, secret_file, wait_for

KINDS_SERVED = ("rsa2048", "p256")

# How nginx can name a key in the HSM; by URI from 1.29 on.
NGINX_KEYS = ["reference"] + (["store"] if nginx_version() >= (1, 29) else [])


@pytest.fixture
def pki(keyed):
    """A root in the HSM, and a server certificate for every key that is served."""
    root = keyed.certificate("hsm:p384", "root", extensions="root_ca_ext")
    for kind in (*KINDS_SERVED, "ed25519"):
        keyed.certificate(f"hsm:{kind}", f"server-{kind}", issuer=(root, "hsm:p384"),
                          digest=KINDS[kind].digest)
    return root


@pytest.fixture
def pin_source(keyed):
    """The password in a file that the configuration names, so that it is nowhere in an environment."""
    source = secret_file(keyed.work, "pin", "app:apppass123")
    keyed.write_conf(lambda text: text.replace("# pin-source = file:/etc/hsm/app.pin",
                                               f"pin-source = {source}"))


@pytest.fixture
def serve():
    """serve(server) starts it; it is stopped after the test, also when its start failed."""
    started = []

    def begin(server):
        started.append(server)
        return server.start()

    yield begin
    for server in reversed(started):
        server.stop()


def pairs(keyed, *kinds):
    return [(keyed.work / f"server-{kind}.pem", keyed.work / f"{kind}.ref.pem") for kind in kinds]


def haproxy_bundle(keyed, kind):
    return bundle(keyed, f"bundle-{kind}.pem", f"server-{kind}.pem", f"{kind}.ref.pem")


def load_while(server, seconds, log, action, serve, at_least):
    """Puts load on the server, does `action` meanwhile, at least so often, and wants no failure.

    A slow machine gets more rounds of the load, until there was enough of both.
    """
    actions = requests = 0
    for _ in range(20):
        load = serve(Load(server.port, seconds, log))
        while load.running():
            action()
            actions += 1
        requests += load.finish()
        if actions >= at_least and requests > 50:
            break
    assert actions >= at_least and requests > 50
    assert server.complaints() == []


@pytest.mark.smoke
@pytest.mark.parametrize("kind", [*KINDS_SERVED, "ed25519"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("named", NGINX_KEYS)
def test_nginx_serves(keyed, pki, pin_source, serve, kind, version, named):
    [(certificate, reference)] = pairs(keyed, kind)
    key = {"reference": reference, "store": f"store:hsm:{kind}"}[named]
    server = serve(Nginx(keyed, [(certificate, key)], protocol=f"TLSv{version}"))
    for _ in range(4):
        assert curl(keyed, server.port, pki).text == "from nginx\n"
    assert server.complaints() == []


@pytest.mark.parametrize("kind", [*KINDS_SERVED, "ed25519"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_haproxy_serves(keyed, pki, pin_source, serve, kind, version):
    server = serve(Haproxy(keyed, haproxy_bundle(keyed, kind),
                           versions=f"ssl-min-ver TLSv{version} ssl-max-ver TLSv{version}"))
    for _ in range(4):
        assert curl(keyed, server.port, pki).text == "from haproxy\n"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_nginx_reloads_under_load(keyed, pki, pin_source, serve, tmp_path, quick, version):
    server = serve(Nginx(keyed, pairs(keyed, *KINDS_SERVED), protocol=f"TLSv{version}"))
    load_while(server, 3 if quick else 8, tmp_path / "wrk", server.reload, serve, at_least=2)
    assert curl(keyed, server.port, pki).text == "from nginx\n"


@pytest.mark.parametrize("kind", KINDS_SERVED)
def test_nginx_binary_upgrade_under_load(keyed, pki, pin_source, serve, tmp_path, quick, kind):
    # The new binary gets only what the configuration hands on.
    server = serve(Nginx(keyed, pairs(keyed, kind), top="env OPENSSL_CONF;"))
    load_while(server, 3 if quick else 8, tmp_path / "wrk", server.upgrade, serve, at_least=1)
    assert curl(keyed, server.port, pki).text == "from nginx\n"


@pytest.mark.parametrize("kind", KINDS_SERVED)
def test_haproxy_reloads_under_load(keyed, pki, pin_source, serve, tmp_path, quick, kind):
    server = serve(Haproxy(keyed, haproxy_bundle(keyed, kind)))
    load_while(server, 3 if quick else 8, tmp_path / "wrk", server.reload, serve, at_least=2)
    assert curl(keyed, server.port, pki).text == "from haproxy\n"


def test_nginx_workers_need_neither_home_nor_environment(keyed, pki, serve):
    """The password is in the master's environment alone, and the home goes away after the start."""
    server = serve(Nginx(keyed, pairs(keyed, "rsa2048"), pin="app:apppass123"))
    assert server.env["HSM_PIN"] == "app:apppass123" and len(server.workers()) == 2
    assert keyed.path.stat().st_mode & 0o077 == 0
    for worker in server.workers():
        if IS_ROOT:  # a worker changes its user after the fork
            wait_for(lambda process=pathlib.Path(f"/proc/{worker}"):
                     process.stat().st_uid != keyed.path.stat().st_uid, "a worker's own user")
        environment = pathlib.Path(f"/proc/{worker}/environ").read_bytes()
        assert b"HSM_PIN" not in environment and b"apppass123" not in environment
    keyed.path.rename(keyed.path.with_name("away"))
    for _ in range(8):
        assert curl(keyed, server.port, pki).text == "from nginx\n"
    keyed.path.with_name("away").rename(keyed.path)
    server.reload()
    assert curl(keyed, server.port, pki).text == "from nginx\n"
    assert server.complaints() == []


def test_nginx_password_file(keyed, pki, serve):
    passwords = keyed.work / "passwords"
    passwords.write_text("apppass123\n")
    server = serve(Nginx(keyed, pairs(keyed, "p256"), server=f"ssl_password_file {passwords};"))
    assert curl(keyed, server.port, pki).text == "from nginx\n"


def test_nginx_says_what_is_wrong(keyed, pki):
    server = Nginx(keyed, pairs(keyed, "p256"), pin="app:not-the-password")
    refused = server.nginx("-t", expect=None)
    assert refused.code != 0
    assert "wrong password" in refused.err
    keyed.path.rename(keyed.path.with_name("away"))
    refused = server.nginx("-t", expect=None)
    assert "no HSM cluster at this home" in refused.err


def test_haproxy_says_that_the_key_cannot_be_read(keyed, pki):
    """HAProxy keeps the cause to itself; `openssl pkey -in` the same file tells it."""
    server = Haproxy(keyed, haproxy_bundle(keyed, "p256"), pin="app:not-the-password")
    refused = server.check(expect=1)
    assert "No Private Key found" in refused.err
    told = keyed.openssl("pkey", "-in", haproxy_bundle(keyed, "p256"), "-noout", expect=1,
                         pin="app:not-the-password")
    assert "wrong password" in told.err
    server.env = keyed.environment()
    server.check()


def test_nginx_without_the_key_in_the_hsm(keyed, pki, pin_source, serve):
    """A key that is deleted while it is served is gone at once."""
    server = serve(Nginx(keyed, pairs(keyed, "p256")))
    assert curl(keyed, server.port, pki).text == "from nginx\n"
    keyed.cli("key", "delete", "--filter", "attr.label=p256", "--filter",
              "attr.class=private-key")
    assert curl(keyed, server.port, pki, expect=None).code != 0


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", ["rsa2048", "p256", "ed25519"])
def test_curl_with_a_client_key_in_the_hsm(keyed, pki, pin_source, serve, kind, version):
    server = serve(Nginx(keyed, pairs(keyed, "rsa2048"), protocol=f"TLSv{version}",
                         server=f"ssl_verify_client on; ssl_client_certificate {pki};"))
    client = keyed.certificate(f"hsm:{kind}", "client", issuer=(pki, "hsm:p384"),
                               extensions="client_ext", digest=KINDS[kind].digest)
    answer = curl(keyed, server.port, pki, "--cert", client, "--key",
                  keyed.work / f"{kind}.ref.pem", env=keyed.environment())
    assert answer.text == "from nginx\n"
    # The password as curl's own option.
    prompted = keyed.environment(pin=None)
    answer = curl(keyed, server.port, pki, "--cert", client, "--key",
                  keyed.work / f"{kind}.ref.pem", "--pass", "apppass123", env=prompted)
    assert answer.text == "from nginx\n"
    assert "400" in curl(keyed, server.port, pki).text
