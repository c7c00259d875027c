# SPDX-License-Identifier: Apache-2.0
"""Several clusters at once: by name and id, from the list and from openssl.cnf; blue and green."""

import shutil

import pytest

from servers import Load, Nginx, curl
from support import ADMIN_PIN, Home, create_cluster, run, secret_file, wait_for


class Clusters:
    """A list of clusters, and the tools without a home of their own."""

    def __init__(self, build, work, homes):
        self.homes = homes
        self.file = work / "hsm.cnf"
        self.write(list(homes))
        # The tools run in blue's working directory, and nothing but the list says where blue is.
        self.blue = homes["blue"]
        self.blue.write_conf(lambda text: text.replace("\nhome = $hsm_home", ""))
        self.blue.extra = {"HSM_CONFIG": str(self.file)}
        self.build = build

    def write(self, names):
        sections = "\n".join(f"[{name}]\nhome = {self.homes[name].path}" for name in names)
        self.file.write_text(f"clusters = {', '.join(names)}\n{sections}\n")

    def openssl(self, *words, **options):
        return self.blue.openssl(*words, **options)

    def cli(self, *words, pin="app:apppass123", **options):
        return run([self.build.hsmctl, "--output", "json", *words],
                   env=self.blue.environment(pin, **options.pop("env", {})), cwd=self.blue.work,
                   **options)

    def id_of(self, name):
        return self.cli("--cluster", name, "cluster", "describe", pin=None).json["data"]["cluster-id"]


def clone_of(home, path, work):
    backup = home.admin("backup", "create").json["data"]["backup"]
    other = Home(home.build, path, work)
    other.cli("cluster", "create", "--source-backup", backup["file"], "--hsms", "2", pin=ADMIN_PIN)
    return other


@pytest.fixture
def clusters(keyed, tmp_path, build):
    """blue with a key of every kind, its clone green, and red, a stranger."""
    green = clone_of(keyed, tmp_path / "green", tmp_path / "green-work")
    red = create_cluster(build, tmp_path / "red", tmp_path / "red-work", hsms=2)
    return Clusters(build, tmp_path, {"blue": keyed, "green": green, "red": red})


def sign(clusters, key, **options):
    return clusters.openssl("dgst", "-sha256", "-sign", key, "-out", "signature",
                            clusters.blue.conf, **options)


def verifies(clusters, label):
    clusters.blue.plain("dgst", "-sha256", "-verify", clusters.blue.work / f"{label}.pub.pem",
                        "-signature", "signature", clusters.blue.conf)


def test_the_first_of_the_list_is_the_default(clusters):
    sign(clusters, "hsm:p256")
    verifies(clusters, "p256")
    described = clusters.cli("cluster", "describe", pin=None).json["data"]
    assert described["home"] == str(clusters.blue.path)
    clusters.write(["red", "blue"])
    assert "no such key" in sign(clusters, "hsm:p256", expect=None).err
    described = clusters.cli("cluster", "describe", pin=None).json["data"]
    assert described["home"] == str(clusters.homes["red"].path)


def test_a_uri_names_a_cluster_by_name_and_by_id(clusters):
    for cluster in ("blue", "green", clusters.id_of("green")):
        sign(clusters, f"hsm:p256;cluster={cluster}")
        verifies(clusters, "p256")
    assert "no such key" in sign(clusters, "hsm:p256;cluster=red", expect=None).err
    # What is in one is not in the other.
    clusters.openssl("genpkey", "-propquery", "provider=hsm", "-algorithm", "EC", "-pkeyopt",
                     "group:P-256", "-pkeyopt", "hsm-label:apple", "-pkeyopt", "hsm-cluster:red",
                     "-out", "apple.ref.pem")
    sign(clusters, "hsm:apple;cluster=red")
    sign(clusters, "apple.ref.pem")  # it has the cluster's name
    assert "no such key" in sign(clusters, "hsm:apple", expect=None).err


def test_an_unknown_cluster_is_named_with_what_there_is(clusters):
    for key in ("hsm:p256;cluster=purple", "hsm:p256;cluster=cluster-aaaaaaaaaaa",
                "hsm:p256;cluster=..%2F..%2Fetc"):
        said = sign(clusters, key, expect=None)
        assert said.code != 0 and "no HSM cluster" in said.err and "blue green red" in said.err
        assert str(clusters.file) in said.err
    refused = clusters.cli("--cluster", "purple", "key", "list", expect=6)
    assert "no cluster 'purple'" in refused.json["data"]


def test_hsmctl_takes_a_cluster(clusters):
    listed = clusters.cli("cluster", "list", pin=None).json["data"]
    assert [(row["name"], row["default"]) for row in listed["clusters"]] == [
        ("blue", True), ("green", False), ("red", False)]
    assert {row["state"] for row in listed["clusters"]} == {"ACTIVE"}
    assert listed["clusters"][2]["cluster-id"] == clusters.id_of("red")
    for name, keys in (("blue", 18), ("green", 18), ("red", 0)):
        found = clusters.cli("--cluster", name, "key", "list", "--filter", "attr.token=true")
        assert found.json["data"]["total_key_count"] == keys
    # By the URI of a filter too; both have to agree.
    found = clusters.cli("key", "list", "--filter", "hsm:cluster=red").json["data"]
    assert found["total_key_count"] == 0
    refused = clusters.cli("--cluster", "blue", "key", "list", "--filter", "hsm:cluster=red",
                           expect=6)
    assert "the command line leads to blue" in refused.json["data"]
    both = clusters.cli("--cluster", "blue", "--home", clusters.blue.path, "key", "list", expect=2)
    assert "--home" in both.json["data"]


def test_the_list_shows_what_is_wrong_with_one(clusters):
    shutil.rmtree(clusters.homes["red"].path)
    listed = clusters.cli("cluster", "list", pin=None).json["data"]["clusters"]
    assert listed[0]["problem"] == "" and "no HSM cluster" in listed[2]["problem"]
    sign(clusters, "hsm:p256;cluster=green")


def test_a_home_outside_of_the_list_is_listed_as_the_default(clusters):
    clusters.write(["green"])
    env = {"HSM_HOME": clusters.blue.path}
    rows = clusters.cli("cluster", "list", pin=None, env=env).json["data"]["clusters"]
    assert [(row["name"], row["default"]) for row in rows] == [("", True), ("green", False)]


def test_keys_and_users_go_over_by_name(clusters):
    clusters.openssl("genpkey", "-propquery", "provider=hsm", "-algorithm", "EC", "-pkeyopt",
                     "group:P-256", "-pkeyopt", "hsm-label:later", "-out", "later.ref.pem")
    said = clusters.cli("key", "replicate", "--filter", "attr.label=later", "--destination-cluster",
                        "green").json["data"]
    assert said["destination-cluster-id"] == clusters.id_of("green")
    sign(clusters, "hsm:later;cluster=green")
    clusters.cli("user", "create", "--username", "bob", "--role", "crypto-user",
                 "--password-source", secret_file(clusters.blue.work, "bob", "bobpass12"),
                 pin=ADMIN_PIN, env={"HSM_ROLE": "admin"})
    clusters.cli("user", "replicate", "--username", "bob", "--destination-cluster", "green",
                 pin=ADMIN_PIN, env={"HSM_ROLE": "admin"})
    assert "bob" in clusters.cli("--cluster", "green", "user", "list", pin=None).text
    refused = clusters.cli("key", "replicate", "--filter", "attr.label=later",
                           "--destination-cluster", "red", expect=5)
    assert "no clones of each other" in refused.json["data"]
    clusters.cli("key", "replicate", "--filter", "attr.label=later", expect=2)


def test_a_list_with_a_mistake_stops_with_its_name(clusters):
    clusters.file.write_text("clusters = blue\n[blue]\nhome = /nowhere\nhomes = /x\n")
    said = sign(clusters, "hsm:p256", expect=None)
    assert said.code != 0 and "'homes' is no setting" in said.err
    assert "'homes' is no setting" in clusters.cli("key", "list", expect=2).json["data"]


def test_a_section_of_openssl_cnf_is_a_cluster_with_its_own_user(clusters):
    """With a password of its own, which comes before HSM_PIN."""
    red = clusters.homes["red"]
    red.admin("user", "create", "--username", "carol", "--role", "crypto-user", "--password-source",
              secret_file(red.work, "carol", "carolpass1"))
    pin = clusters.blue.work / "carol.pin"
    pin.write_text("carol:carolpass1\n")
    clusters.blue.write_conf(lambda text: text.replace(
        "\nhome = $hsm_home", "\nhome = $hsm_home\ncluster.fruit = hsm_fruit") + f"""
[hsm_fruit]
home = {red.path}
pin-source = file:{pin}
""")
    clusters.openssl("genpkey", "-propquery", "provider=hsm", "-algorithm", "EC", "-pkeyopt",
                     "group:P-256", "-pkeyopt", "hsm-label:pear", "-pkeyopt", "hsm-cluster:fruit",
                     "-out", "pear.ref.pem")
    sign(clusters, "pear.ref.pem")
    owned = red.cli("key", "list", "--filter", "attr.class=private-key", pin="carol:carolpass1")
    assert owned.json["data"]["total_key_count"] == 1
    sign(clusters, "hsm:p256")  # the default, with HSM_PIN
    # HSM_PIN serves where the section's user is not the one that the URI names.
    red.genpkey("p256", "plum")
    sign(clusters, "hsm:plum;cluster=fruit;user=app")


def test_a_cluster_in_another_mode_is_refused_with_a_way_out(clusters, tmp_path, build):
    clusters.homes["strict"] = create_cluster(build, tmp_path / "strict", tmp_path / "strict-work",
                                              hsms=2, options=("--mode", "fips"))
    clusters.write(["blue", "strict"])
    said = sign(clusters, "hsm:p256;cluster=strict", expect=None)
    assert "works in another mode" in said.err and "HSM_HOME" in said.err


def test_nginx_moves_from_blue_to_green(clusters, tmp_path):
    """docs/blue-green.md: no handshake fails, and blue can go afterwards."""
    blue, green = clusters.blue, clusters.homes["green"]
    clusters.write(["blue"])
    root = blue.certificate("hsm:p256", "localhost")
    clusters.cli("key", "generate-file", "--encoding", "reference-pem", "--filter",
                 "hsm:p256;cluster=blue;type=private", "--path", "blue.key")
    nginx = Nginx(blue, [(root, blue.work / "blue.key")], pin="app:apppass123").start()
    load = Load(nginx.port, 12, tmp_path / "load.log")
    try:
        load.start()
        # Green enters the list while nginx runs, and its reference the configuration.
        clusters.write(["blue", "green"])
        clusters.cli("--cluster", "green", "key", "generate-file", "--encoding", "reference-pem",
                     "--filter", "attr.label=p256", "attr.class=private-key", "--path", "green.key")
        text = (nginx.directory / "nginx.conf").read_text()
        (nginx.directory / "nginx.conf").write_text(text.replace("blue.key", "green.key"))
        before = nginx.workers()
        nginx.reload()
        wait_for(lambda: not before & nginx.workers(), "the end of the old workers")
        # Nobody asks for blue any more.
        blue.path.rename(tmp_path / "gone")
        nginx.reload()
        assert load.running()
        assert load.finish() > 0
        assert "from nginx" in curl(blue, nginx.port, root).text
        assert nginx.complaints() == []
        # It is green that signs: without the right to, the next handshake fails.
        green.cli("key", "set-attribute", "--filter", "attr.label=p256", "attr.class=private-key",
                  "--name", "sign", "--value", "false")
        curl(blue, nginx.port, root, expect=35)
    finally:
        load.stop()
        nginx.stop()
