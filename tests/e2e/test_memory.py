# SPDX-License-Identifier: Apache-2.0
"""hsmctl and the memory of its own process: no core file, and a line when it cannot be locked."""

import os
import resource
import signal
import subprocess

import pytest

from support import run, wait_for


def has_core(command, cwd, env, until):
    """Whether the program, killed at work as by a crash, leaves a core file."""
    child = subprocess.Popen(
        [str(word) for word in command], cwd=cwd, env=env, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2))
    wait_for(lambda: until(child.pid), "the program to be at work")
    os.kill(child.pid, signal.SIGABRT)
    _, status = os.waitpid(child.pid, 0)
    child.stdin.close()
    child.returncode = status
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGABRT
    return os.WCOREDUMP(status)


def reads_its_input(pid):
    """It waits in a read: in the kernel's words, for the pipe."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    with open(f"/proc/{pid}/comm") as comm:
        return fields[0] == "S" and comm.read().strip() in ("hsmctl", "cat")


@pytest.mark.skipif(os.geteuid() != 0 and resource.getrlimit(resource.RLIMIT_CORE)[1] !=
                    resource.RLIM_INFINITY, reason="core files are limited for good")
def test_hsmctl_leaves_no_core_file(home):
    if not has_core(["cat"], home.work, {"PATH": "/usr/bin:/bin"}, reads_its_input):
        pytest.skip("this machine writes no core files")
    importing = [home.build.hsmctl, "--home", home.path, "key", "import", "raw", "--path", "/dev/stdin",
                 "--key-type", "aes", "--label", "a"]
    assert not has_core(importing, home.work, home.environment(), reads_its_input)


def test_a_limit_that_is_too_low_is_said_once(home):
    """Root has the capability to lock what it likes; without it, the limit counts."""
    without = ["setpriv", "--bounding-set=-ipc_lock"] if os.geteuid() == 0 else []
    done = run(["sh", "-c", "ulimit -l 0 && exec \"$@\"", "sh", *without, home.build.hsmctl, "--home",
                home.path, "--output", "json", "key", "list"], env=home.environment(), cwd=home.work)
    assert done.json["error_code"] == 0
    assert done.err.count("the limit on locked memory is too low") == 1 and "hsmctl doctor" in done.err
    assert home.cli("key", "list").err == ""
