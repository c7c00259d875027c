# SPDX-License-Identifier: Apache-2.0
"""What is measured from outside: the openssl tool, nginx and HAProxy."""

import contextlib
import os
import pathlib
import signal
import socket
import ssl
import time

from figures import Figures, in_turns
from homes import twin
from servers import Haproxy, Nginx, bundle, children_of
from support import wait_for

# ---- openssl pkeyutl -sign ----


def run_time(command, env):
    """Seconds from the start of a program to its end, and of the processor."""
    with open(os.devnull, "wb") as nowhere:
        actions = [(os.POSIX_SPAWN_DUP2, nowhere.fileno(), 1)]
        started = time.perf_counter()
        child = os.posix_spawn(command[0], command, env, file_actions=actions)
        _, status, used = os.wait4(child, 0)
        wall = time.perf_counter() - started
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} failed")
    return wall, used.ru_utime + used.ru_stime


def sign_by_tool(home, rounds):
    """A signature by the openssl tool: by URI with a machine credential, and with a key file."""
    digest = home.work / "digest"
    digest.write_bytes(bytes(32))

    def sign(key, env):
        command = ["/usr/bin/openssl", "pkeyutl", "-sign", "-in", str(digest), "-inkey", str(key),
                   "-pkeyopt", "digest:sha256"]
        return run_time(command, env)

    with_hsm = home.environment(pin=None)
    # A user without the HSM has the configuration that comes with OpenSSL.
    without = {name: value for name, value in with_hsm.items() if name != "OPENSSL_CONF"}
    hsm, default = in_turns(rounds, lambda: sign("hsm:rsa2048", with_hsm),
                            lambda: sign(home.work / "rsa2048.pem", without))
    return Figures("cli-sign", "ms", [wall for wall, _ in hsm], [wall for wall, _ in default],
                   [cpu for _, cpu in hsm], [cpu for _, cpu in default])


# ---- Servers ----


def client_context():
    """A TLS 1.3 client that believes everything, to leave the processor to the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


CLIENT = client_context()


@contextlib.contextmanager
def handshake(port):
    """A connection after a full handshake."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        with CLIENT.wrap_socket(connection, suppress_ragged_eofs=True) as secured:
            yield secured


@contextlib.contextmanager
def running(servers):
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.start()
        yield servers


def cpu_seconds(processes):
    """What all threads of some processes have used of the processor, to the nanosecond."""
    return 1e-9 * sum(int((task / "schedstat").read_text().split()[0])
                      for process in processes
                      for task in pathlib.Path(f"/proc/{process}/task").iterdir())


def cpu_per_handshake(port, processes, handshakes):
    before = cpu_seconds(processes)
    for _ in range(handshakes):
        with handshake(port):
            pass
    return (cpu_seconds(processes) - before) / handshakes


def server_cpu(name, servers, workers_of, rounds, handshakes):
    """Server processor time for a full handshake, of the server with the HSM and of the other."""
    def measure(server):
        return cpu_per_handshake(server.port, workers_of(server), handshakes)

    with running(servers) as (with_hsm, without):
        hsm, default = in_turns(rounds, lambda: measure(with_hsm), lambda: measure(without))
    return Figures(name, "us", hsm, default)


def nginx_pair(home, key, directory):
    """nginx with a key in the HSM, and nginx with the same key in a file."""
    page = 'location /pid { return 200 "$pid"; }'
    return [Nginx(twin(home, directory / suffix, plain),
                  [(home.work / f"{key}.crt", home.work / f"{key}{suffix}")], protocol="TLSv1.3",
                  server=page)
            for suffix, plain in ((".ref.pem", False), (".pem", True))]


def haproxy_pair(home, key, directory):
    return [Haproxy(twin(home, directory / suffix, plain),
                    bundle(home, f"{key}.bundle{suffix}", f"{key}.crt", f"{key}{suffix}"),
                    "ssl-min-ver TLSv1.3", page='lf-string "\\n%pid"')
            for suffix, plain in ((".ref.pem", False), (".pem", True))]


def nginx_cpu(home, key, name, directory, rounds, handshakes):
    return server_cpu(name, nginx_pair(home, key, directory), Nginx.workers, rounds, handshakes)


def haproxy_cpu(home, key, name, directory, rounds, handshakes):
    return server_cpu(name, haproxy_pair(home, key, directory),
                      lambda server: children_of(server.process.pid), rounds, handshakes)


# ---- Reload ----


def answering_worker(port):
    with handshake(port) as connection:
        connection.sendall(b"GET /pid HTTP/1.0\r\n\r\n")
        answer = b""
        while part := connection.recv(4096):
            answer += part
    return int(answer.rpartition(b"\n")[2])


def first_answer(master, before, port):
    """From the signal for a reload to the first answer of a new worker."""
    started = time.perf_counter()
    os.kill(*master)
    while answering_worker(port) in before:
        pass
    return time.perf_counter() - started


def nginx_reload_time(server):
    before = server.workers()
    seconds = first_answer((server.master(), signal.SIGHUP), before, server.port)
    wait_for(lambda: len(server.workers()) == 2 and not server.workers() & before, "the reload")
    return seconds


def haproxy_reload_time(server):
    before = children_of(server.process.pid)
    seconds = first_answer((server.process.pid, signal.SIGUSR2), before, server.port)
    wait_for(lambda: server.worker() and not children_of(server.process.pid) & before,
             "the reload")
    return seconds


def reloads(name, servers, reload_time, rounds):
    with running(servers) as (with_hsm, without):
        hsm, default = in_turns(rounds, lambda: reload_time(with_hsm),
                                lambda: reload_time(without))
    return Figures(name, "ms", hsm, default)


def nginx_reload(home, name, directory, rounds):
    return reloads(name, nginx_pair(home, "rsa2048", directory), nginx_reload_time, rounds)


def haproxy_reload(home, name, directory, rounds):
    return reloads(name, haproxy_pair(home, "rsa2048", directory), haproxy_reload_time, rounds)
