# SPDX-License-Identifier: Apache-2.0
"""hsmctl cluster."""

import pytest

from support import run, secret_file


@pytest.fixture
def create(build, tmp_path):
    """cluster create in an empty place; the words come after it."""
    def call(*words, **options):
        source = secret_file(tmp_path, "admin", "adminpass1")
        return run([build.hsmctl, "--home", tmp_path / "new", "--output", "json", "cluster",
                    "create", "--password-source", source, "--password-hash-cost", "low", *words],
                   env=build.environment(tmp_path), cwd=tmp_path, **options)
    return call


def test_create_describes_what_it_made(create, tmp_path):
    data = create().json["data"]
    assert data["state"] == "ACTIVE" and data["mode"] == "NON_FIPS"
    assert data["hsm-type"] == "hsm2m.medium"
    assert data["cluster-id"].startswith("cluster-")
    assert data["home"] == str(tmp_path / "new")
    assert len(data["hsms"]) == 3
    for hsm in data["hsms"]:
        assert hsm["hsm-id"].startswith("hsm-")
        assert hsm["state"] == "ACTIVE" and hsm["problem"] == ""
        assert hsm["path"].startswith(str(tmp_path / "new"))
        assert hsm["users"] == 1 and hsm["keys"] == 0


def test_create_takes_directories_mode_type_and_admin(create, tmp_path):
    paths = [tmp_path / "disk1", tmp_path / "disk2"]
    data = create("--hsm-path", paths[0], "--hsm-path", paths[1], "--mode", "fips", "--type",
                  "unlimited", "--admin", "root_admin").json["data"]
    assert [hsm["path"] for hsm in data["hsms"]] == [str(path) for path in paths]
    assert data["mode"] == "FIPS" and data["hsm-type"] == "unlimited"
    assert data["quotas"]["keys"] == {"used": 0, "limit": "unlimited"}


def test_create_takes_a_relative_directory(create, tmp_path):
    data = create("--hsm-path", "here").json["data"]
    assert [hsm["path"] for hsm in data["hsms"]] == [str(tmp_path / "here")]


def test_create_refuses_a_type_that_is_none_and_a_mode_that_it_has_not(create, tmp_path):
    assert "there are hsm1.medium, hsm2m.medium, unlimited" in \
        create("--type", "hsm9x.large", expect=2).json["data"]
    assert "add --mode fips" in create("--type", "hsm1.medium", expect=2).json["data"]
    assert not (tmp_path / "new").exists()
    data = create("--type", "hsm1.medium", "--mode", "fips").json["data"]
    assert data["quotas"]["users"] == {"used": 1, "limit": 250}


@pytest.mark.parametrize("count", ["0", "29"])
def test_create_refuses_counts_out_of_range(create, tmp_path, count):
    assert create("--hsms", count, expect=2).json["error_code"] == 2
    assert not (tmp_path / "new").exists()


def test_create_without_the_name_of_a_directory_is_refused(create, tmp_path):
    create("--hsm-path", "", expect=2)
    assert not (tmp_path / "new").exists()


def test_create_twice_is_6_and_leaves_the_first(create, build, tmp_path):
    first = create().json["data"]["cluster-id"]
    assert create(expect=6).json["error_code"] == 6
    again = run([build.hsmctl, "--home", tmp_path / "new", "cluster", "describe", "--output",
                 "json"], env=build.environment(tmp_path))
    assert again.json["data"]["cluster-id"] == first


def test_create_points_at_the_next_step(create):
    assert "user create" in create().err


def test_create_without_a_password_makes_nothing(build, tmp_path):
    done = run([build.hsmctl, "--home", tmp_path / "new", "cluster", "create"],
               env=build.environment(tmp_path), expect=3, start_new_session=True)
    assert "no terminal" in done.err
    assert not (tmp_path / "new").exists()


def test_describe_needs_no_login_and_shows_every_hsm(home):
    table = home.cli("cluster", "describe", "--output", "table", pin=None)
    data = home.cli("cluster", "describe", "--verify", pin=None).json["data"]
    assert data["cluster-id"] in table.text
    for hsm in data["hsms"]:
        assert hsm["hsm-id"] in table.text and hsm["path"] in table.text


def test_describe_shows_a_lost_hsm_and_sync_brings_it_back(home):
    lost = home.cli("cluster", "describe").json["data"]["hsms"][1]
    for file in (home.path / "hsms" / lost["hsm-id"]).iterdir():
        file.unlink()
    data = home.cli("cluster", "describe").json["data"]
    assert data["state"] == "DEGRADED"
    shown = {hsm["hsm-id"]: hsm for hsm in data["hsms"]}[lost["hsm-id"]]
    assert shown["state"] == "DEGRADED" and "cluster sync" in shown["problem"]
    assert "cluster sync" in home.cli("cluster", "describe", "--output", "table").text
    synced = home.cli("cluster", "sync").json["data"]
    assert synced["repaired"] == [lost["hsm-id"]]
    assert home.cli("cluster", "describe", "--verify").json["data"]["state"] == "ACTIVE"
    assert home.cli("cluster", "sync").json["data"]["repaired"] == []


def test_the_home_comes_from_the_environment_too(home):
    done = run([home.build.hsmctl, "cluster", "describe"], env=home.environment(HSM_HOME=home.path))
    assert str(home.path) in done.text
