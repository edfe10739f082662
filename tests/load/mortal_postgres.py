"""A PostgreSQL of its own that can be killed, and started again on the same port with the same data."""

import os
import signal
from pathlib import Path

from dev.embedded_postgres.server import STOP_SECONDS, EmbeddedPostgres
from dev.file_lock import acquire
from tests.conftest import FAST_POSTGRES

SETTINGS = FAST_POSTGRES | {"synchronous_commit": "on"}
"""A commit is answered once its log is with the operating system, which outlives PostgreSQL. So fsync may be off."""


class MortalPostgres(EmbeddedPostgres):
    """The server, from construction to `stop()`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, SETTINGS)

    def kill(self) -> None:
        """Kill the first process. The others finish what they do for their clients, and then end by themselves."""
        self._end(signal.SIGKILL)

    def end_immediately(self) -> None:
        """PostgreSQL's immediate shutdown: every process ends at once, whatever it is doing."""
        self._end(signal.SIGQUIT)

    def start_again(self) -> None:
        """Start it when the last of its processes has ended, and wait until it has recovered."""
        lock = acquire(self.directory / "lock", STOP_SECONDS)
        assert lock is not None, "a process of the killed PostgreSQL does not end"
        try:
            self._guardian = self._launch(self.port, SETTINGS, lock)
        finally:
            os.close(lock)
        assert self._becomes_ready(self._guardian), self._log.read_text()

    def _end(self, number: signal.Signals) -> None:
        os.kill(int((self._data / "postmaster.pid").read_text().splitlines()[0]), number)
        self._guardian.wait(STOP_SECONDS)
        self.stop()
