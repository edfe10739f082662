"""Starts a private PostgreSQL server for development and tests, which ends with this process."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from dev.embedded_postgres.account import can_enter, change_owner, process_options, shared_directory
from dev.embedded_postgres.data import how_to_set_aside, reason, recovered_password, refuse_unusable
from dev.embedded_postgres.programs import programs
from dev.file_lock import acquire
from dev.local_secret import local_secret
from dev.paths import CHECKOUT
from dev.user_error import UserError

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
START_SECONDS = 60
STOP_SECONDS = 20
PORT_ATTEMPTS = 5
PORT_TAKEN = "could not create any TCP/IP sockets"
"""PostgreSQL's message when another process uses the port."""
PORT_LINE, READY_LINE = 3, 7
"""The lines of postmaster.pid, counted from 0: the port, and whether PostgreSQL accepts connections."""


@dataclass(frozen=True)
class Address:
    """Where a server listens, and the superuser's password.

    :param directory: the folder with its data
    """

    directory: Path
    port: int
    password: str

    def url(self, database: str = "postgres") -> str:
        """The superuser's connection string for `database`."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"


def running_in(directory: Path) -> Address | None:
    """The server that another process is running in `directory`, if there is one.

    A server that is starting, or is still shutting down after its starter was killed, is waited for.

    :raises UserError: it does neither start nor end
    """
    deadline = time.monotonic() + START_SECONDS
    while (lock := acquire(directory / "lock")) is None:
        status = _status(directory / "data")
        if _is_ready(status):
            return Address(directory.resolve(), int(status[PORT_LINE]), (directory / "password").read_text())
        if time.monotonic() > deadline:
            raise UserError(f"The PostgreSQL in {directory} neither becomes ready nor ends; see its postgres.log")
        time.sleep(0.05)
    os.close(lock)
    return None


def _status(data: Path) -> list[str]:
    """The lines in which PostgreSQL says where it listens and whether it is ready; empty where it says nothing."""
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _is_ready(status: list[str]) -> bool:
    return len(status) > READY_LINE and status[READY_LINE].strip() == "ready"


class EmbeddedPostgres:
    """A PostgreSQL server on a free port of 127.0.0.1, until `stop()` or the end of this process.

    :param directory: holds data, password and log, which stay when the server ends. Every user can enter the directory,
        but read none of these
    :param settings: settings of PostgreSQL, such as `{"fsync": "off"}`
    :param is_temporary: remove the directory when the server ends, also when this process is killed
    :raises UserError: it does not start
    """

    LOCALE: tuple[str, ...] = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    """The same order of texts on every machine."""

    def __init__(
        self, directory: Path, settings: Mapping[str, str] = NO_SETTINGS, *, is_temporary: bool = False
    ) -> None:
        self._asked_for = directory.absolute()
        self.directory = _accessible(self._asked_for)
        self._is_temporary = is_temporary
        self._programs = programs()
        self._data = self.directory / "data"
        self._log = self.directory / "postgres.log"
        # A server that was killed together with its starter may still be shutting down.
        lock = acquire(self.directory / "lock", STOP_SECONDS)
        if lock is None:
            raise UserError(f"Another PostgreSQL is running in {self.directory}")
        try:
            if self._data.exists():
                refuse_unusable(self._data, self._asked_for)
                self._password = recovered_password(self.directory, self.binary("postgres"), lock)
            else:
                self._password = local_secret(self.directory / "password")
                self._initialise(lock)
            self.port, self._guardian = self._start(settings, lock)
        finally:
            os.close(lock)  # the server's processes have inherited the lock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, database: str = "postgres") -> str:
        """The superuser's connection string for `database`."""
        return Address(self.directory, self.port, self._password).url(database)

    def binary(self, name: str) -> Path:
        """The path of one of PostgreSQL's programs, such as `pg_dump`."""
        return self._programs / name

    def stop(self) -> None:
        """Shut the server down and wait until it has ended. The data stay."""
        _stop(self._guardian)

    def on_unexpected_end(self, callback: Callable[[], None]) -> None:
        """Call `callback`, in another thread, when the server ends without `stop()`."""
        guardian = self._guardian
        assert guardian.stdin is not None
        pipe = guardian.stdin

        def watch() -> None:
            guardian.wait()
            if not pipe.closed:  # `stop()` closes it
                callback()

        threading.Thread(target=watch, daemon=True).start()

    def _initialise(self, lock: int) -> None:
        """Create the data directory.

        It has another name until it is complete, because `initdb` may be killed.
        """
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        change_owner(fresh)
        with tempfile.NamedTemporaryFile("w", dir=self.directory) as password:
            password.write(self._password)
            password.flush()
            change_owner(Path(password.name))
            command: list[str | Path] = [self.binary("initdb"), "--pgdata", fresh, "--username=postgres"]
            command += ["--auth=scram-sha-256", f"--pwfile={password.name}", "--encoding=UTF8", *self.LOCALE]
            command += ["--no-sync", "--no-instructions"]
            made = subprocess.run(
                command, check=False, capture_output=True, text=True, pass_fds=[lock], **process_options()
            )
        if made.returncode != 0:
            raise UserError(f"PostgreSQL cannot make its data directory: {reason(made.stderr)}")
        fresh.rename(self._data)

    def _start(self, settings: Mapping[str, str], lock: int) -> tuple[int, subprocess.Popen[bytes]]:
        """Start the server and wait until it accepts connections. Returns its port and the guardian's process."""
        report = PORT_TAKEN
        for _ in range(PORT_ATTEMPTS):
            if PORT_TAKEN not in report:
                break
            port = _free_port()  # another process may take it before PostgreSQL does
            guardian = self._launch(port, settings, lock)
            if self._becomes_ready(guardian):
                return port, guardian
            report = self._log.read_text(errors="replace")
            _stop(guardian)  # removes a temporary directory
        failure = f"PostgreSQL does not start: {reason(report)} (all of it is in {self._log})"
        if "PANIC" in report:
            failure += f"; if the data are damaged, {how_to_set_aside(self._asked_for, 'damaged')}"
        raise UserError(failure)

    def _launch(self, port: int, settings: Mapping[str, str], lock: int) -> subprocess.Popen[bytes]:
        # We hold the lock, so the server that wrote this file has ended. PostgreSQL cannot know that: it would refuse
        # to start when another process has got the same id meanwhile.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        options = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "", **settings}
        command: list[str | Path] = [sys.executable, "-S", "-m", "dev.embedded_postgres.guardian"]
        command += ["--remove", self.directory] if self._is_temporary else []
        command += [self.binary("postgres")]
        command += ["-D", self._data, *(f"--{name}={value}" for name, value in options.items())]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=CHECKOUT,
                pass_fds=[lock],
                start_new_session=True,  # Ctrl-C must not reach the server: it stops after the API
            )

    def _becomes_ready(self, guardian: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while guardian.poll() is None and time.monotonic() < deadline:
            if _is_ready(_status(self._data)):
                return True
            time.sleep(0.01)
        return False


def _accessible(directory: Path) -> Path:
    """Create `directory` where PostgreSQL's user can enter it, and return its path.

    When that user cannot enter the parent, `directory` becomes a link to one in `shared_directory()`.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    if not directory.exists() and not can_enter(directory.parent):
        directory.unlink(missing_ok=True)  # a link whose target was deleted
        directory.symlink_to(tempfile.mkdtemp(dir=shared_directory()))
    directory = directory.resolve()
    directory.mkdir(exist_ok=True)
    directory.chmod(0o711)
    return directory


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stop(guardian: subprocess.Popen[bytes]) -> None:
    assert guardian.stdin is not None
    guardian.stdin.close()
    guardian.wait(STOP_SECONDS)
