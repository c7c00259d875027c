# SPDX-License-Identifier: Apache-2.0
"""The clusters and keys that are measured."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import tempfile

from support import OPENSSL, Home, create_cluster

LARGE = 16_000
SMALL = 10

KEYS = {
    "rsa2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "rsa4096": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
    "p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "ed25519": ["-algorithm", "ED25519"],
    "x25519": ["-algorithm", "X25519"],
}
if OPENSSL >= (3, 5):
    KEYS |= {"mldsa65": ["-algorithm", "ML-DSA-65"], "mlkem768": ["-algorithm", "ML-KEM-768"]}
SIGNING = KEYS.keys() - {"x25519", "mlkem768"}
SECRETS = {"aes256": "aes", "mac": "generic-secret"}  # label: type


def log_in_by_machine(home, directory):
    """Gives the home's configuration a machine credential, as services have it."""
    credential = directory / "app.machine"
    if not credential.exists():
        home.cli("user", "create-machine-credential", "--path", credential)
    home.write_conf(lambda text: text.replace(
        "# pin-source = file:/etc/hsm/app.pin", f"pin-source = file:{credential}"))
    return home


def keyed_home(build, directory):
    """A cluster of three HSMs whose keys are in PEM files too, with certificates for TLS."""
    home = log_in_by_machine(create_cluster(build, directory / "hsm", directory / "work"), directory)
    for label, key_type in SECRETS.items():
        subprocess.run([build.directory / "bin/import_secret", key_type, label, 32 * "00"],
                       env=home.environment(HSM_HOME=home.path), check=True)
    for name, options in KEYS.items():
        home.plain("genpkey", *options, "-out", f"{name}.pem")
        home.cli("key", "import", "pem", "--path", home.work / f"{name}.pem", "--label", name,
                 "--private-attributes", "sign=true", "decrypt=true", "derive=true",
                 "--public-attributes", "verify=true", "encrypt=true", "derive=true")
        home.openssl("pkey", "-in", f"hsm:{name}", "-out", f"{name}.ref.pem", pin=None)
        if name in SIGNING:
            home.openssl("req", "-x509", "-new", "-key", f"{name}.pem", "-subj", "/CN=localhost",
                         "-days", "2", "-extensions", "server_ext", "-out", f"{name}.crt",
                         pin=None)
    return home


def twin(home, work, plain):
    """The same home with a working directory of its own; `plain` knows nothing of the HSM."""
    return dataclasses.replace(
        home, work=work, extra={"OPENSSL_CONF": os.devnull if plain else str(home.conf)})


def sized_home(build, directory, keys, hsms=3):
    """A cluster with so many P-256 keys; made once and then kept, as that takes its time."""
    finished = directory / f"has-{keys}-keys"
    if not finished.exists():
        shutil.rmtree(directory, ignore_errors=True)
        make_sized_home(build, directory, keys, hsms)
        finished.touch()
    return log_in_by_machine(Home(build, directory / "hsm", directory / "work"), directory)


def make_sized_home(build, directory, keys, hsms):
    """Every key is a durable commit on every disk. In memory that is quick, and a copy does."""
    memory = pathlib.Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="hsm-bench-", dir=place) as name:
        made = pathlib.Path(name)
        log_in_by_machine(create_cluster(build, made / "hsm", made / "work", hsms=hsms,
                                         options=["--type", "unlimited"]), made)
        subprocess.run([build.directory / "bin/home_bench", "make", made, str(keys)],
                       check=True, timeout=7200)
        directory.mkdir(parents=True, mode=0o700)
        for part in ("hsm", "app.machine"):
            # The file `generation` is large and almost empty.
            subprocess.run(["cp", "-a", "--sparse=always", made / part, directory], check=True)
