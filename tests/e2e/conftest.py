# SPDX-License-Identifier: Apache-2.0
"""Fixtures: they own the homes and the processes.

HSM_BUILD_DIR names the build to test (default: build/).
"""

import os

import pytest

from support import KINDS, ROOT, Build, Process, create_cluster


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="short loops")


@pytest.fixture(scope="session")
def build():
    tree = Build(os.environ.get("HSM_BUILD_DIR", ROOT / "build"))
    if tree.missing():
        pytest.exit(f"not built: {', '.join(map(str, tree.missing()))}; run scripts/build", 1)
    return tree


@pytest.fixture(scope="session")
def quick(request):
    return request.config.getoption("--quick")


@pytest.fixture(scope="session")
def empty_template(build, tmp_path_factory):
    """A cluster without keys, made once and copied by the tests."""
    scratch = tmp_path_factory.mktemp("empty")
    return create_cluster(build, scratch / "hsm", scratch / "work")


@pytest.fixture(scope="session")
def keyed_template(empty_template, tmp_path_factory):
    """The same with a key of every kind; the labels are the names of the kinds."""
    scratch = tmp_path_factory.mktemp("keyed")
    home = empty_template.copy(scratch / "hsm", scratch / "work")
    for kind in KINDS:
        home.genpkey(kind, kind)
        home.public(kind)
    return home


@pytest.fixture
def home(empty_template, tmp_path):
    """A cluster of three HSMs: admin/adminpass1, crypto user app/apppass123, no keys."""
    return empty_template.copy(tmp_path / "hsm", tmp_path / "work")


@pytest.fixture
def keyed(keyed_template, tmp_path):
    """A home with a key of every kind, reference files KIND.ref.pem and KIND.pub.pem beside it."""
    return keyed_template.copy(tmp_path / "hsm", tmp_path / "work")


@pytest.fixture
def openssl(home):
    return home.openssl


@pytest.fixture
def cli(home):
    return home.cli


@pytest.fixture(params=["uri", "reference"])
def key_of(request):
    """Both ways to name a key to a program: key_of("p256")."""
    return {"uri": "hsm:{}", "reference": "{}.ref.pem"}[request.param].format


@pytest.fixture
def start(tmp_path):
    """start(command, env=..., cwd=...) runs a program until the test is over."""
    running = []

    def begin(command, **options):
        options.setdefault("log", tmp_path / f"process-{len(running)}.log")
        running.append(Process(command, **options))
        return running[-1]

    yield begin
    for process in reversed(running):
        process.stop()
