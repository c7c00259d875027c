# SPDX-License-Identifier: Apache-2.0
"""nginx and HAProxy as children of a test, on loopback ports, with everything in a scratch directory."""

import os
import pathlib
import re
import signal
import socket
import subprocess

from support import Process, free_port, listens, run, wait_for

IS_ROOT = os.geteuid() == 0
WORKER_USER = "www-data"  # has no right to the home, which only its owner can read


def children_of(pid):
    listing = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True,
                             text=True, check=False).stdout
    return {int(word) for word in listing.split()}


def nginx_version():
    """(1, 22, 1), or () where there is no nginx."""
    try:
        said = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True,
                              check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(int(word) for word in re.search(r"nginx/([\d.]+)", said)[1].split("."))


class Nginx:
    """A master and two workers. A daemon, because nginx ignores USR2 otherwise."""

    def __init__(self, home, certificates, protocol="TLSv1.2 TLSv1.3", server="", top="", pin=None,
                 sessions="ssl_session_cache off; ssl_session_tickets off;"):
        self.home = home
        self.port = free_port()
        self.directory = home.work / "nginx"
        self.directory.mkdir()
        self.log = self.directory / "error.log"
        keys = "\n".join(f"ssl_certificate {certificate}; ssl_certificate_key {key};"
                         for certificate, key in certificates)
        user = f"user {WORKER_USER};" if IS_ROOT else ""
        temporary = "\n".join(f"{kind}_temp_path {self.directory}/{kind};" for kind in
                              ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.directory / "nginx.conf").write_text(f"""
{user}
{top}
worker_processes 2;
pid {self.directory}/nginx.pid;
error_log {self.log} warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  {temporary}
  server {{
    listen 127.0.0.1:{self.port} ssl;
    ssl_protocols {protocol};
    {sessions}
    {keys}
    {server}
    location / {{ return 200 "from nginx\\n"; }}
  }}
}}
""")
        self.env = home.environment(pin=pin)
        self.group = None

    def nginx(self, *words, expect=0):
        return run(["/usr/sbin/nginx", "-p", self.directory, "-c", self.directory / "nginx.conf", "-e",
                    self.log, *words], env=self.env, cwd=self.directory, expect=expect)

    def start(self):
        self.nginx()
        wait_for(lambda: (self.directory / "nginx.pid").exists(), "nginx")
        self.group = self.master()
        wait_for(lambda: listens(self.port), "nginx")
        return self

    def master(self):
        return int((self.directory / "nginx.pid").read_text())

    def workers(self):
        return children_of(self.master())

    def reload(self):
        """Returns when new workers serve and the old ones have been told to leave."""
        before = self.workers()
        os.kill(self.master(), signal.SIGHUP)
        wait_for(lambda: len(self.workers() - before) >= 2, "the new workers")

    def upgrade(self):
        """Replaces the binary: a new master and new workers, then the old ones leave."""
        old = self.master()
        os.kill(old, signal.SIGUSR2)

        def replaced():
            try:
                return self.master() != old and len(self.workers()) >= 2
            except (OSError, ValueError):
                return False
        wait_for(replaced, "the new master")
        os.kill(old, signal.SIGQUIT)
        wait_for(lambda: not pathlib.Path(f"/proc/{old}").exists(), "the old master's end")

    def complaints(self):
        text = self.log.read_text() if self.log.exists() else ""
        return [line for line in text.splitlines()
                if re.search(r"\[(error|crit|alert|emerg)\]|SSL", line)]

    def stop(self):
        if self.group is not None:
            try:
                os.killpg(self.group, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Haproxy:
    """A master and a worker with two threads."""

    def __init__(self, home, bundle, versions="ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.3", pin=None,
                 page='string "from haproxy\\n"'):
        self.home = home
        self.port = free_port()
        self.directory = home.work / "haproxy"
        self.directory.mkdir()
        user = f"user {WORKER_USER}\n  group {WORKER_USER}" if IS_ROOT else ""
        (self.directory / "haproxy.cfg").write_text(f"""
global
  nbthread 2
  tune.ssl.cachesize 0
  {user}
defaults
  mode http
  timeout connect 10s
  timeout client 30s
  timeout server 30s
frontend site
  bind 127.0.0.1:{self.port} ssl crt {bundle} {versions} no-tls-tickets
  http-request return status 200 content-type text/plain {page}
""")
        self.env = home.environment(pin=pin)
        self.process = None

    def check(self, expect=0):
        return run(["haproxy", "-c", "-f", self.directory / "haproxy.cfg"], env=self.env,
                   cwd=self.directory, expect=expect)

    def start(self):
        self.process = Process(["haproxy", "-W", "-db", "-S", self.directory / "master.sock",
                                "-f", self.directory / "haproxy.cfg"], env=self.env,
                               cwd=self.directory, log=self.directory / "log")
        self.process.wait_until_listening(self.port)
        # It loses a signal that comes before its loop runs.
        wait_for(self.worker, "HAProxy's master")
        return self

    def worker(self):
        """The current worker's process id, asked of the master; None while it is busy reloading."""
        with socket.socket(socket.AF_UNIX) as master:
            try:
                master.settimeout(5)
                master.connect(str(self.directory / "master.sock"))
                master.sendall(b"show proc\n")
                answer = b""
                while not answer.endswith(b"\n\n"):
                    part = master.recv(4096)
                    if not part:
                        return None
                    answer += part
            except OSError:
                return None
        workers = answer.decode().partition("# workers")[2].partition("# old workers")[0]
        found = re.search(r"^(\d+)\s+worker", workers, re.MULTILINE)
        return int(found[1]) if found else None

    def reload(self):
        """Returns when the new worker serves."""
        before = self.worker()
        os.kill(self.process.pid, signal.SIGUSR2)
        wait_for(lambda: self.worker() not in (None, before), "the new worker")

    def complaints(self):
        return [line for line in self.process.said().splitlines()
                if re.search(r"\[(ALERT|WARNING)\]", line)
                and not re.search("Former worker .* code 0|Proxy .* stopped", line)]

    def stop(self):
        if self.process is not None:
            self.process.stop()


class Load:
    """wrk, which opens a new connection for every request."""

    def __init__(self, port, seconds, log):
        self.command = ["wrk", "-t2", "-c8", f"-d{seconds}s", "-H", "Connection: close",
                        f"https://127.0.0.1:{port}/"]
        self.log = log
        self.process = None

    def start(self):
        self.process = Process(self.command, env={"PATH": "/usr/bin:/bin"}, cwd="/", log=self.log)
        return self

    def running(self):
        return self.process.child.poll() is None

    def finish(self):
        """Waits for the end and returns the number of requests; fails when one has failed."""
        assert self.process.child.wait(120) == 0, self.process.said()
        text = self.process.said()
        assert "Socket errors" not in text and "Non-2xx" not in text, text
        return int(re.search(r"(\d+) requests in", text)[1])

    def stop(self):
        if self.process is not None:
            self.process.stop()


def curl(home, port, root, *words, expect=0, env=None):
    """curl as a client without the provider, unless `env` says otherwise."""
    return run(["curl", "-sS", "--max-time", "30", "--cacert", root, *words,
                f"https://localhost:{port}/", "--resolve", f"localhost:{port}:127.0.0.1"],
               env=env or {"PATH": "/usr/bin:/bin", "OPENSSL_CONF": "/dev/null"}, cwd=home.work,
               expect=expect)


def bundle(home, name, *parts):
    """One PEM file of several, as HAProxy wants it."""
    path = home.work / name
    path.write_text("".join(pathlib.Path(home.work / part).read_text() for part in parts))
    return path
