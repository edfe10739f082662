"""A real PgBouncer in transaction mode, with TLS and SCRAM for its clients, like Neon's `-pooler` endpoint."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import pytest
from pg8000.native import Connection

from backend.postgres.url import DatabaseUrl
from dev.embedded_postgres.account import change_owner
from dev.embedded_postgres.server import EmbeddedPostgres
from dev.paths import CHECKOUT
from tests.support.database_copy import LOGIN, LOGIN_PASSWORD, DatabaseCopy
from tests.support.missing import skip_or_fail

START_SECONDS = 30
THIS_MACHINE = ("DNS:localhost", "IP:127.0.0.1")


class CertificateAuthority:
    """A certificate authority that no system trusts by default, and the certificates that it signs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.ca_file = directory / "ca.pem"
        self._make("ca", "-addext", "basicConstraints=critical,CA:TRUE")

    def certify(self, *names: str) -> tuple[Path, Path]:
        """Make key and certificate of a server with these names, such as `DNS:localhost`."""
        signed = ("-CA", str(self.ca_file), "-CAkey", str(self._directory / "ca.key"))
        return self._make("server", "-addext", f"subjectAltName={','.join(names)}", *signed)

    def _make(self, name: str, *options: str) -> tuple[Path, Path]:
        key, certificate = self._directory / f"{name}.key", self._directory / f"{name}.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", f"/CN={name} of the tests"]
        subprocess.run([*command, *options], check=True, capture_output=True)
        change_owner(key)
        return key, certificate


class Pooler:
    """A PgBouncer in front of `server`, from construction to `stop()` or the end of this process.

    :param pool_size: how many connections it opens to one database, at most
    :param max_clients: how many clients may be connected
    :param wait_seconds: how long a client may wait for one of the connections
    :param names: the names in its certificate
    :param password: the login's password, as text or as PostgreSQL stores it
    """

    def __init__(
        self,
        server: EmbeddedPostgres,
        *,
        pool_size: int = 20,
        max_clients: int = 500,
        wait_seconds: int = 120,
        names: Sequence[str] = THIS_MACHINE,
        password: str = LOGIN_PASSWORD,
    ) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="todo-api-pooler-"))
        self._directory.chmod(0o711)  # root's PgBouncer runs as `nobody`
        self.authority = CertificateAuthority(self._directory)
        key, certificate = self.authority.certify(*names)
        self.ca_file = self.authority.ca_file
        self.port = _free_port()
        self._pid_file = self._directory / "run" / "pgbouncer.pid"
        self._pid_file.parent.mkdir()
        change_owner(self._pid_file.parent)
        self._owner = DatabaseUrl.parse(server.url())
        self._console = DatabaseCopy(server, "pgbouncer")  # not a database, but PgBouncer's own
        users = f'"{LOGIN}" "{password}"\n"{self._owner.user}" "{self._owner.password}"'
        self._configuration = self._write(
            "pgbouncer.ini",
            f"""
            [databases]
            * = host=127.0.0.1 port={server.port}

            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {self.port}
            unix_socket_dir =
            pidfile = {self._pid_file}
            pool_mode = transaction
            auth_type = scram-sha-256
            stats_users = {LOGIN}
            auth_file = {self._write("users.txt", users)}
            client_tls_sslmode = require
            client_tls_key_file = {key}
            client_tls_cert_file = {certificate}
            default_pool_size = {pool_size}
            max_client_conn = {max_clients}
            query_wait_timeout = {wait_seconds}
            server_login_retry = 1
            """,
        )
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._directory)

    def url(
        self,
        database: DatabaseCopy,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        more: str = "",
        as_owner: bool = False,
    ) -> str:
        """The URL of a login for the database through this pooler, with Neon's parameters.

        :param more: further parameters
        :param as_owner: the owner's login, in place of the application's own
        """
        user, password = (self._owner.user, self._owner.password or "") if as_owner else (LOGIN, LOGIN_PASSWORD)
        login = f"{user}:{quote(password, '')}"
        return f"postgresql://{login}@{host}:{port or self.port}/{database.name}?sslmode=require{more}"

    def clients(self, database: DatabaseCopy) -> int:
        """How many clients are connected for this database, whether they wait, work or are idle."""
        return sum(client["database"] == database.name for client in self._show("clients"))

    def unanswered(self, database: DatabaseCopy) -> int:
        """How many clients wait for a server connection, or have one."""
        pools = [pool for pool in self._show("pools") if pool["database"] == database.name]
        return sum(pool["cl_waiting"] + pool["sv_active"] for pool in pools)

    def _show(self, what: str) -> list[dict[str, Any]]:
        """The rows of one of PgBouncer's SHOW commands."""
        console = DatabaseUrl.parse(self.url(self._console), ca_file=str(self.ca_file))
        with closing(
            Connection(
                console.user,
                host=console.host,
                port=console.port,
                database=console.database,
                password=console.password,
                ssl_context=console.tls_context(),
            )
        ) as connection:
            shown = connection.run(f"show {what}")
            names = [column["name"] for column in connection.columns]
        return [dict(zip(names, row, strict=True)) for row in shown]

    def start(self) -> None:
        """Start it, always on the same port, and wait until it accepts connections."""
        command = [
            sys.executable,
            "-S",
            "-m",
            "dev.embedded_postgres.guardian",
            _pgbouncer(),
            "-q",
            str(self._configuration),
        ]
        with (self._directory / "pgbouncer.log").open("ab") as log:
            # The guardian ends it when this process ends, even if it is killed.
            self._guardian = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=CHECKOUT)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._guardian.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"PgBouncer does not start: {(self._directory / 'pgbouncer.log').read_text()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End it at once, with every connection."""
        self._end(signal.SIGTERM if _is_old() else signal.SIGQUIT)

    def kill(self) -> None:
        """Kill it, so that it ends nothing and tells nothing. It can be started again."""
        self._end(signal.SIGKILL)
        self._pid_file.unlink()

    def _end(self, number: signal.Signals) -> None:
        if self._guardian.poll() is None:
            os.kill(int(self._pid_file.read_text()), number)
            self._guardian.wait(START_SECONDS)
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()

    def _answers(self) -> bool:
        if not self._pid_file.exists():
            return False
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except ConnectionRefusedError:
            return False
        return True

    def _write(self, name: str, text: str) -> Path:
        path = self._directory / name
        path.write_text("\n".join(line.strip() for line in text.splitlines()) + "\n")
        path.chmod(0o600)
        change_owner(path)
        return path


def require_pgbouncer() -> None:
    """Skip the test if PgBouncer is missing; in CI, fail it."""
    if _find("pgbouncer") and _find("openssl"):
        return
    skip_or_fail("PgBouncer or openssl is missing (apt install pgbouncer openssl): NOTHING BEHIND THE POOLER IS TESTED")


def _find(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")  # not in every user's PATH


def _pgbouncer() -> str:
    program = _find("pgbouncer")
    assert program is not None
    return program


def _is_old() -> bool:
    """Whether it is older than 1.23. In those versions SIGTERM ends PgBouncer at once; later it waits for clients."""
    version = subprocess.run([_pgbouncer(), "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    return tuple(map(int, version.split(".")[:2])) < (1, 23)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
