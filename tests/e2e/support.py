# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests stand on: the build, homes, the tools, and processes that end."""

import atexit
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUARD = 120  # seconds after which a program counts as hung

ADMIN_PIN = "admin:adminpass1"
APP_PIN = "app:apppass123"


@dataclass(frozen=True)
class Kind:
    """How `openssl genpkey` makes a key of a kind, and what certificates it can have."""

    algorithm: str
    options: tuple = ()
    digest: str = "sha256"

    def pkeyopts(self):
        return [word for option in self.options for word in ("-pkeyopt", option)]


KINDS = {
    "rsa2048": Kind("RSA", ("rsa_keygen_bits:2048",)),
    "rsa3072": Kind("RSA", ("rsa_keygen_bits:3072",)),
    "rsapss": Kind("RSA-PSS", ("rsa_keygen_bits:2048",)),
    "p224": Kind("EC", ("ec_paramgen_curve:P-224",)),
    "p256": Kind("EC", ("ec_paramgen_curve:P-256",)),
    "p384": Kind("EC", ("ec_paramgen_curve:P-384",), "sha384"),
    "p521": Kind("EC", ("ec_paramgen_curve:P-521",), "sha512"),
    "secp256k1": Kind("EC", ("ec_paramgen_curve:secp256k1",)),
    "ed25519": Kind("ED25519", (), ""),
}
RSA_KINDS = ("rsa2048", "rsa3072")
EC_KINDS = ("p224", "p256", "p384", "p521", "secp256k1")


def openssl_version():
    """(3, 0): of the tool and the library that are tested."""
    said = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.match(r"OpenSSL (\d+)\.(\d+)", said).groups()))


OPENSSL = openssl_version()


def fips_module():
    """OpenSSL's FIPS module; None where this system has none."""
    said = subprocess.run(["openssl", "version", "-m"], capture_output=True, text=True,
                          check=True).stdout
    path = pathlib.Path(re.match(r'MODULESDIR: "(.*)"', said)[1]) / "fips.so"
    return path if path.exists() else None


FIPS_MODULE = fips_module()


def install_fips_module(module, configuration):
    """What an administrator does once: `openssl fipsinstall`."""
    subprocess.run(["openssl", "fipsinstall", "-quiet", "-module", module, "-out", configuration],
                   check=True, capture_output=True, env={"PATH": os.environ["PATH"]})
    return configuration


def fips_environment():
    """The module of this system, installed into a file of the tests; {} where there is none."""
    if FIPS_MODULE is None:
        return {}
    directory = tempfile.mkdtemp(prefix="hsm-fips-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    path = install_fips_module(FIPS_MODULE, f"{directory}/fipsmodule.cnf")
    return {"HSM_FIPS_CONFIG": path}


FIPS_ENVIRONMENT = fips_environment()


@dataclass
class Run:
    """What a program did."""

    command: list
    code: int
    out: bytes
    err: str

    @property
    def text(self):
        return self.out.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"{' '.join(map(str, self.command))}\nexit {self.code}\n{self.text}{self.err}"


def run(command, *, env, cwd=None, stdin=b"", expect=0, guard=GUARD, **options):
    """Runs a program to its end. `expect` is its exit code; None takes any but a crash."""
    command = [str(word) for word in command]
    done = subprocess.run(
        command, env=env, cwd=cwd, input=stdin, capture_output=True, timeout=guard, check=False,
        **options)
    result = Run(command, done.returncode, done.stdout, done.stderr.decode(errors="replace"))
    assert done.returncode >= 0, f"killed by signal {-done.returncode}: {result}"
    assert "Sanitizer" not in result.err and "runtime error:" not in result.err, str(result)
    if expect is not None:
        assert done.returncode == expect, str(result)
    return result


class Build:
    """A built tree, and the environment that its programs need."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory).resolve()
        self.module = self.directory / "lib/hsm.so"
        self.hsmctl = self.directory / "bin/hsmctl"

    def missing(self):
        return [path for path in (self.module, self.hsmctl) if not path.exists()]

    def sanitizer(self):
        """The sanitizer libraries that a host program has to load before the module."""
        listing = subprocess.run(
            ["ldd", self.module], capture_output=True, text=True, check=True).stdout
        words = [line.split() for line in listing.splitlines()]
        return [line[2] for line in words if line[0].startswith(("libasan", "libubsan"))]

    def environment(self, scratch):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(scratch),
               "TMPDIR": str(scratch)} | FIPS_ENVIRONMENT
        libraries = self.sanitizer()
        if libraries:
            env["LD_PRELOAD"] = ":".join(libraries)
            env["ASAN_OPTIONS"] = "detect_leaks=0"
        return env


@dataclass
class Home:
    """A cluster in a temporary home, a working directory, and the tools set up for both."""

    build: Build
    path: pathlib.Path
    work: pathlib.Path
    extra: dict = field(default_factory=dict)

    def __post_init__(self):
        self.work.mkdir(parents=True, exist_ok=True)
        self.conf = self.work / "openssl.cnf"
        if not self.conf.exists():
            self.write_conf()

    def write_conf(self, change=lambda text: text):
        """openssl.cnf.example with its placeholders filled in; `change` edits it further."""
        text = (ROOT / "openssl.cnf.example").read_text()
        text = text.replace("@MODULE@", str(self.build.module)).replace("@HOME@", str(self.path))
        self.conf.write_text(change(text))

    def environment(self, pin=APP_PIN, **more):
        env = self.build.environment(self.work) | {"OPENSSL_CONF": str(self.conf)} | self.extra
        if pin is not None:
            env["HSM_PIN"] = pin
        return env | {name: str(value) for name, value in more.items()}

    def openssl(self, *words, pin=APP_PIN, env=None, **options):
        """The openssl tool with the provider active."""
        return run(["openssl", *words], env=self.environment(pin, **(env or {})), cwd=self.work,
                   **options)

    def plain(self, *words, **options):
        """The openssl tool with nothing but the default provider."""
        env = {"PATH": "/usr/bin:/bin", "OPENSSL_CONF": "/dev/null", "HOME": str(self.work)}
        return run(["openssl", *words], env=env, cwd=self.work, **options)

    def cli(self, *words, pin=APP_PIN, env=None, **options):
        """hsmctl on this home; JSON unless the words say otherwise."""
        output = [] if "--output" in words else ["--output", "json"]
        return run([self.build.hsmctl, "--home", self.path, *output, *words],
                   env=self.environment(pin, **(env or {})), cwd=self.work, **options)

    def admin(self, *words, **options):
        return self.cli(*words, pin=ADMIN_PIN, env={"HSM_ROLE": "admin"}, **options)

    def genpkey(self, kind, label, *more, **options):
        """Makes a key in the HSM; its reference goes to LABEL.ref.pem."""
        row = KINDS[kind]
        return self.openssl(
            "genpkey", "-propquery", "provider=hsm", "-algorithm", row.algorithm, *row.pkeyopts(),
            "-pkeyopt", f"hsm-label:{label}", "-out", f"{label}.ref.pem", *more, **options)

    def public(self, label):
        """LABEL's public key as a PEM file."""
        path = self.work / f"{label}.pub.pem"
        if not path.exists():
            self.openssl("pkey", "-in", f"hsm:{label}", "-pubout", "-out", path)
        return path

    def certificate(self, key, name, issuer=None, extensions="server_ext", digest="sha256"):
        """A certificate NAME.pem for a key (URI or file), self-signed or by (certificate, key)."""
        request, path = self.work / f"{name}.csr", self.work / f"{name}.pem"
        sign = ["-" + digest] if digest else []
        if issuer is None:
            self.openssl("req", "-x509", "-new", "-key", key, "-subj", f"/CN={name}", *sign,
                         "-days", "30", "-extensions", extensions, "-out", path)
            return path
        self.openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", *sign, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", issuer[0], "-CAkey", issuer[1],
                     "-CAcreateserial", "-days", "30", "-extfile", self.conf, "-extensions",
                     extensions, "-out", path)
        return path

    def labels(self):
        """The labels of all private keys in the HSM."""
        found = self.cli("key", "list", "--filter", "attr.class=private-key", "--verbose",
                         "--max-items", "1000").json
        return sorted(key["attributes"]["label"] for key in found["data"]["matched_keys"])

    def copy(self, path, work):
        """Another home with the same cluster, and its reference files."""
        # The file `generation` is large and almost empty.
        subprocess.run(["cp", "-a", "--sparse=always", self.path, path], check=True)
        other = Home(self.build, path, work)
        for file in self.work.glob("*.pem"):
            shutil.copy(file, work)
        return other


def create_cluster(build, path, work, hsms=3, options=()):
    """A cluster with the users that all tests know."""
    home = Home(build, path, work)
    home.cli("cluster", "create", "--hsms", str(hsms), "--admin", "admin", "--password-source",
             secret_file(work, "admin", "adminpass1"), "--password-hash-cost", "low", *options,
             pin=None)
    home.admin("user", "create", "--username", "app", "--role", "crypto-user",
               "--password-source", secret_file(work, "app", "apppass123"))
    return home


def secret_file(work, name, text):
    path = work / f"{name}.password"
    path.write_text(text + "\n")
    path.chmod(0o600)
    return f"file:{path}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, what, guard=30):
    """Waits until `condition()` is true."""
    end = time.monotonic() + guard
    while not condition():
        assert time.monotonic() < end, f"waited {guard} s for {what}"
        time.sleep(0.02)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A program that runs beside the test and is gone after it."""

    def __init__(self, command, *, env, cwd, log, **options):
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                [str(word) for word in command], env=env, cwd=cwd, stdin=subprocess.PIPE,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True, **options)

    @property
    def pid(self):
        return self.child.pid

    def said(self):
        return self.log.read_text(errors="replace")

    def wait_until_said(self, text, guard=60):
        def ready():
            assert self.child.poll() is None or text in self.said(), f"it ended: {self.said()}"
            return text in self.said()
        wait_for(ready, f"'{text}' from {self.child.args[0]}", guard)

    def wait_until_listening(self, port):
        def ready():
            assert self.child.poll() is None, f"it ended: {self.said()}"
            return listens(port)
        wait_for(ready, f"port {port}")

    def stop(self, number=signal.SIGTERM):
        """Ends the program and everything that it started."""
        if self.child.poll() is None:
            self.child.send_signal(number)
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.stdin.close()
        self.child.wait(20)
