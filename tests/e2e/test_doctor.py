# SPDX-License-Identifier: Apache-2.0
"""hsmctl doctor: each check finds what it is for, names it and says how to mend it."""

import os
import re
import resource
import shutil
import time

import pytest

from support import FIPS_MODULE, create_cluster, run

NAMES = ["home", "directories above", "cluster files", "HSM directories", "stores", "backups", "cluster",
         "credentials", "module", "clock", "locked memory", "core dumps", "core pattern", "open files",
         "swap", "ptrace scope", "hsmctl", "SQLite", "libsodium", "OpenSSL", "FIPS module"]
SWAPS = "Filename\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


@pytest.fixture
def machine(tmp_path):
    """The kernel's files of a machine where all is well; machine(path, text) changes one."""
    def put(path, text):
        file = tmp_path / "machine" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return tmp_path / "machine"
    put("proc/swaps", SWAPS)
    put("proc/sys/kernel/yama/ptrace_scope", "1\n")
    put("proc/sys/kernel/core_pattern", "core\n")
    return put


@pytest.fixture
def ill(home, machine, tmp_path):
    """ill(check) is what doctor says of a check; without one, all that is not ok."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "hsm.so").write_bytes(b"")
    (modules / "hsm.so").chmod(0o644)
    root = machine("proc/sys/kernel/core_pattern", "core\n")

    def examine(check=None, *words, expect=None, env=None, **options):
        done = home.cli(*words, "doctor", "--root", root, pin=None, expect=None,
                        env={"OPENSSL_MODULES": modules, "HSM_CONFIG": config(home)} | (env or {}),
                        **options)
        data = done.json["data"]
        rows = {row["check"]: row for row in data["checks"]}
        assert list(rows) == NAMES
        states = [row["state"] for row in rows.values()]
        assert (data["problems"], data["warnings"]) == (states.count("problem"), states.count("warning"))
        assert done.code == done.json["error_code"] == (7 if data["problems"] else 0)
        for row in rows.values():
            assert row["found"], row
            assert row["mend"] or row["state"] != "problem", row
        if check is None:
            return [row for row in rows.values() if row["state"] != "ok"]
        assert expect is None or rows[check]["state"] == expect, rows[check]
        return "\n".join(rows[check]["found"]), "\n".join(rows[check]["mend"])

    return examine


def config(home, text=None):
    """An hsm.cnf that names nothing else than the home."""
    file = home.work / "hsm.cnf"
    if text is not None or not file.exists():
        file.write_text(text or f"clusters = here\n[here]\nhome = {home.path}\n")
    file.chmod(0o600)
    return file


def mended(ill, check, mend, what):
    """What the doctor says to do is done, and helps."""
    run(["sh", "-ec", mend], env={"PATH": "/usr/bin:/bin"})
    assert ill(check, expect="ok")[0], what


def test_a_healthy_home_on_a_healthy_machine(ill, home):
    assert ill() == []
    assert ill("SQLite", expect="ok")[0].startswith("3.")
    assert re.match(r"3\.\d+\.\d+", ill("OpenSSL", expect="ok")[0])
    assert home.path.name in ill("home")[0]


def test_the_table_is_for_people(home):
    home.path.chmod(0o777)
    done = home.cli("doctor", "--output", "table", pin=None, expect=7)
    assert re.search(r"^home +problem +others may write .*hsm \(mode 0777\)$", done.text, re.M)
    assert re.search(r"^ +to mend it: chmod go-rwx .*hsm$", done.text, re.M)
    assert re.search(r"^[1-9] problems, \d+ warnings$", done.text, re.M)


@pytest.mark.parametrize("check, pattern, mode, state", [
    ("home", "", 0o750, "warning"),
    ("home", "", 0o720, "problem"),
    ("cluster files", "cluster.json", 0o644, "warning"),
    ("cluster files", "cluster.json", 0o602, "problem"),
    ("cluster files", "generation", 0o660, "problem"),
    ("cluster files", "lock", 0o602, "problem"),
    ("HSM directories", "hsms/*", 0o755, "warning"),
    ("HSM directories", "hsms/*", 0o770, "problem"),
    ("stores", "hsms/*/store.db", 0o640, "problem"),
    ("stores", "hsms/*/store.db-wal", 0o604, "problem"),
    ("backups", "backups", 0o711, "warning"),
    ("backups", "backups/*.hsmbackup", 0o644, "problem"),
])
def test_rights(ill, home, check, pattern, mode, state):
    files = sorted(home.path.glob(pattern)) if pattern else [home.path]
    assert files
    files[-1].chmod(mode)
    found, mend = ill(check, expect=state)
    assert str(files[-1]) in found and f"(mode {mode:04o})" in found
    mended(ill, check, mend, files[-1])


def test_the_owners_key_is_the_owners_only(build, tmp_path):
    home = create_cluster(build, tmp_path / "hsm", tmp_path / "work", hsms=1)
    (home.path / "identity.key").write_text("a key")
    (home.path / "identity.key").chmod(0o640)
    said = home.cli("doctor", pin=None, expect=7).text
    assert "identity.key (mode 0640)" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_root_left_behind(ill, home):
    os.chown(home.path / "generation", 12345, -1)
    found, mend = ill("cluster files", expect="problem")
    assert "belongs to user 12345" in found
    mended(ill, "cluster files", mend, "generation")


def test_a_directory_above_that_everybody_may_write(ill, home):
    home.path.parent.chmod(0o777)
    found, mend = ill("directories above", expect="problem")
    assert str(home.path.parent) in found
    mended(ill, "directories above", mend, home.path.parent)
    home.path.parent.chmod(0o1777)  # as /tmp: what is there cannot be renamed by others
    ill("directories above", expect="ok")


def test_an_hsm_that_is_away(ill, home):
    hsm = sorted((home.path / "hsms").iterdir())[0]
    shutil.move(hsm, home.work / "elsewhere")
    assert str(hsm) in ill("HSM directories", expect="problem")[0]
    found, mend = ill("cluster", expect="warning")
    assert "DEGRADED" in found and hsm.name in found and "cluster sync" in mend


@pytest.mark.parametrize("damage", ["garbage", "absent"])
def test_a_damaged_home(ill, home, damage):
    file = home.path / ("cluster.json" if damage == "garbage" else "generation")
    if damage == "garbage":
        file.write_text("{")
    else:
        file.unlink()
    assert file.name in ill("cluster", expect="problem")[0]
    store = sorted(home.path.glob("hsms/*/store.db"))[0]
    store.chmod(0o644)
    assert str(store) in ill("stores", expect="problem")[0]


def test_without_a_cluster(home, tmp_path):
    done = run([home.build.hsmctl, "--home", tmp_path / "nowhere", "doctor", "--output", "json"],
               env=home.environment(None), cwd=home.work, expect=None)
    rows = {row["check"]: row for row in done.json["data"]["checks"]}
    assert rows["home"]["state"] == rows["cluster"]["state"] == "warning"
    assert "cluster create" in rows["home"]["mend"][0]


def test_a_setting_that_is_wrong(build, home):
    broken = config(home, "clusters = here\n")
    env = build.environment(home.work) | {"HSM_CONFIG": str(broken), "HOME": str(home.work)}
    done = run([build.hsmctl, "doctor", "--output", "json"], env=env, cwd=home.work, expect=7)
    rows = {row["check"]: row for row in done.json["data"]["checks"]}
    assert "[here]" in rows["home"]["found"][0] and rows["home"]["state"] == "problem"


def test_credentials(ill, home):
    secret = home.work / "app.pin"
    config(home, f"clusters = here\n[here]\nhome = {home.path}\npin-source = file:{secret}\n")
    assert str(secret) in ill("credentials", expect="problem")[0]
    home.cli("user", "create-machine-credential", "--path", secret)
    ill("credentials", expect="ok")
    secret.chmod(0o640)
    found, mend = ill("credentials", expect="problem")
    assert f"{secret} (mode 0640)" in found
    mended(ill, "credentials", mend, secret)
    other = home.work / "other.pin"
    other.write_text("app:apppass123\n")
    other.chmod(0o604)
    assert str(other) in ill("credentials", "--pin-source", f"file:{other}", expect="problem")[0]
    found, _ = ill("credentials", env={"HSM_PIN": "app:apppass123"}, expect="warning")
    assert "HSM_PIN" in found and "apppass123" not in found


def test_credentials_that_openssl_cnf_names(ill, home):
    secret = home.work / "app.pin"
    secret.write_text("app:apppass123\n")
    secret.chmod(0o644)
    home.write_conf(lambda text: text + f"\n[more]\npin-source = file:{secret}\npin = app:apppass123\n")
    found, _ = ill("credentials", expect="problem")
    assert f"{secret} (mode 0644)" in found and "openssl.cnf" in found and "apppass123" not in found


def test_the_module(ill, tmp_path):
    module = tmp_path / "modules" / "hsm.so"
    module.chmod(0o666)
    found, mend = ill("module", expect="problem")
    assert str(module) in found
    mended(ill, "module", mend, module)
    module.unlink()
    assert str(module.parent) in ill("module", expect="warning")[0]


def test_what_comes_from_the_future(ill, home):
    later = time.time() + 86400
    os.utime(sorted(home.path.glob("hsms/*/store.db"))[1], (later, later))
    found, mend = ill("clock", expect="problem")
    assert "store.db is of" in found and "clock" in mend


def limited(kind, soft):
    return {"preexec_fn": lambda: resource.setrlimit(kind, (soft, resource.getrlimit(kind)[1]))}


def test_locked_memory(ill, home):
    """Root has the capability to lock what it likes; without it, the limit counts."""
    done = run(["sh", "-c", "ulimit -l 0 && exec \"$@\"", "sh",
                *(["setpriv", "--bounding-set=-ipc_lock"] if os.geteuid() == 0 else []),
                home.build.hsmctl, "--home", home.path, "doctor", "--output", "json"],
               env=home.environment(None), cwd=home.work, expect=None)
    row = next(row for row in done.json["data"]["checks"] if row["check"] == "locked memory")
    assert row["state"] == "warning" and "0 bytes" in row["found"][0] and "ulimit -l" in row["mend"][0]
    ill("locked memory", expect="ok")


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, reason="core files are off for good")
def test_core_dumps(ill):
    found, mend = ill("core dumps", expect="warning", **limited(resource.RLIMIT_CORE, 4096))
    assert "4096 bytes" in found and "ulimit -c 0" in mend


def test_core_dumps_are_off(ill):
    ill("core dumps", expect="ok", **limited(resource.RLIMIT_CORE, 0))


def test_core_dumps_that_a_program_takes(ill, machine):
    machine("proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P\n")
    found, mend = ill("core pattern", expect="warning")
    assert "/usr/lib/systemd/systemd-coredump" in found and "coredump.conf" in mend


def test_open_files(ill):
    found, mend = ill("open files", expect="problem", **limited(resource.RLIMIT_NOFILE, 70))
    assert found.startswith("70,") and "3 HSMs" in found and "ulimit -n" in mend


@pytest.mark.parametrize("device, facts, state", [
    ("/dev/sda2", {}, "warning"),
    ("/swap.img", {}, "warning"),
    ("/dev/dm-77", {"sys/block/dm-77/dm/uuid": "LVM-abc\n"}, "warning"),
    ("/dev/dm-77", {"sys/block/dm-77/dm/uuid": "CRYPT-PLAIN-swap\n"}, "ok"),
    ("/dev/zram0", {"sys/block/zram0/backing_dev": "none\n"}, "ok"),
    ("/dev/zram0", {"sys/block/zram0/backing_dev": "/dev/sda3\n"}, "warning"),
])
def test_swap(ill, machine, device, facts, state):
    machine("proc/swaps", SWAPS + f"{device}\t\tpartition\t100\t0\t-2\n")
    for path, text in facts.items():
        machine(path, text)
    found, mend = ill("swap", expect=state)
    assert device in found
    assert bool(mend) == (state != "ok")


def test_ptrace(ill, machine, tmp_path):
    machine("proc/sys/kernel/yama/ptrace_scope", "0\n")
    assert "ptrace_scope=1" in ill("ptrace scope", expect="warning")[1]
    (tmp_path / "machine/proc/sys/kernel/yama/ptrace_scope").unlink()
    assert "no Yama" in ill("ptrace scope", expect="warning")[0]


@pytest.mark.skipif(FIPS_MODULE is not None, reason="this system has the module")
def test_fips_mode_without_the_module(build, tmp_path):
    home = create_cluster(build, tmp_path / "hsm", tmp_path / "work", options=("--mode", "fips"))
    rows = home.cli("doctor", pin=None, expect=None).json["data"]["checks"]
    assert rows[-1]["state"] == "warning" and "there is none" in rows[-1]["found"][0]


def test_nothing_is_changed(ill, home):
    def state():
        return {path: (path.stat().st_mode, path.stat().st_size, path.read_bytes() if
                       path.suffix == ".json" else b"") for path in home.path.rglob("*") if path.is_file()
                and not path.name.endswith("-shm")}
    before = state()
    ill()
    assert state() == before
