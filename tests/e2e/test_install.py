# SPDX-License-Identifier: Apache-2.0
"""What a newcomer does: install, run as a plain user, run the demo."""

import os
import pathlib
import subprocess
import tempfile

import pytest

from support import ADMIN_PIN, APP_PIN, ROOT, Build, Home, run

IS_ROOT = os.geteuid() == 0
STRANGER = {"user": "nobody", "group": "nogroup", "extra_groups": []} if IS_ROOT else {}
STEPS = 12


@pytest.fixture
def everybodys():
    """A directory that a plain user can reach and write to."""
    with tempfile.TemporaryDirectory(prefix="hsm-install-", dir="/tmp") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o777)
        yield directory


@pytest.fixture
def installed(build, everybodys):
    """A build that is installed below a directory, with the module as far down as OpenSSL's is."""
    root = everybodys / "root"
    env = {"PATH": "/usr/bin:/bin", "DESTDIR": str(root)}
    run(["cmake", "--install", build.directory], env=env)
    modules = list(root.rglob("hsm.so"))
    assert len(modules) == 1 and list(root.rglob("hsmctl")) == [root / "usr/local/bin/hsmctl"]
    place = run(["openssl", "version", "-m"], env={"PATH": "/usr/bin"}).text
    assert f'MODULESDIR: "/{modules[0].parent.relative_to(root)}"' in place
    tree = Build(build.directory)
    tree.module, tree.hsmctl = modules[0], root / "usr/local/bin/hsmctl"
    return tree


def test_installed_module_is_found_by_name(installed, everybodys):
    """`module = hsm.so`, as it stands in the README; OPENSSL_MODULES is where OpenSSL looks."""
    home = Home(installed, everybodys / "hsm", everybodys / "work")
    home.write_conf(lambda text: text.replace(str(installed.module), "hsm.so"))
    assert "hsm_module = hsm.so\n" in home.conf.read_text()
    shown = home.openssl("list", "-providers", env={"OPENSSL_MODULES": installed.module.parent})
    assert "\n  hsm\n" in shown.text and "HSM provider" in shown.text
    elsewhere = home.openssl("list", "-providers", env={"OPENSSL_MODULES": everybodys / "work"},
                             expect=None)
    assert "HSM provider" not in elsewhere.text


def test_a_plain_user_does_everything(installed, everybodys):
    """From nothing to a signature, without root and without a right to anything but his own."""
    home = Home(installed, everybodys / "hsm", everybodys / "work")
    home.work.chmod(0o777)
    home.conf.chmod(0o644)
    home.cli("cluster", "create", "--password-hash-cost", "low", pin=None,
             env={"HSM_NEW_PASSWORD": "adminpass1"}, **STRANGER)
    home.cli("user", "create", "--username", "app", "--role", "crypto-user", pin=ADMIN_PIN,
             env={"HSM_ROLE": "admin", "HSM_NEW_PASSWORD": APP_PIN.partition(":")[2]}, **STRANGER)
    home.genpkey("p256", "mine", **STRANGER)
    home.openssl("dgst", "-sha256", "-sign", "hsm:mine", "-out", "signature", home.conf, **STRANGER)
    home.openssl("pkey", "-in", "mine.ref.pem", "-pubout", "-out", "mine.pub.pem", **STRANGER)
    home.plain("dgst", "-sha256", "-verify", "mine.pub.pem", "-signature", "signature", home.conf)
    if IS_ROOT:
        owners = {path.stat().st_uid for path in [home.path, *home.path.rglob("*")]}
        assert len(owners) == 1 and 0 not in owners
    assert home.path.stat().st_mode & 0o077 == 0


def test_demo(build, tmp_path):
    """Every step, both servers in both versions of TLS, and nothing left behind."""
    if build.directory != ROOT / "build":
        pytest.skip("the demo shows build/, and another build is tested")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = run([ROOT / "scripts/demo"], env=env, cwd=tmp_path, guard=900)
    lines = done.text.splitlines()
    assert [line.split(". ")[0] for line in lines if line[:1].isdigit()] == \
        [str(number) for number in range(1, STEPS + 1)]
    assert lines.count("    Hello from HAProxy") == 2
    assert lines.count("    Hello from nginx") == 3  # once more from the restored cluster
    assert any(line.endswith("each with a new handshake; 0 failed.") for line in lines)
    assert "    web.pem: OK" in lines and "    web.pem: good" in lines
    assert lines[-1].startswith("All done")
    assert "PRIVATE KEY" not in done.text
    assert not list(tmp_path.glob("hsm-demo.*"))
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(tmp_path) not in processes.stdout
