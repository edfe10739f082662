"""Runs an application behind uvicorn, in a separate process: the clients must not compete with it for Python's lock."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from backend.settings import Settings
from benchmarks.drivers import OURS, Driver
from dev.paths import CHECKOUT

APPLICATIONS = {
    OURS: "backend.main:app",
    **{driver.value: f"benchmarks.stock_deployed:{driver.name.lower()}_app" for driver in Driver},
}
SERVER_MODULE = "tests.support.server_process"
STOP_SECONDS = 2


class Server:
    """A running server. Clients can connect at once: they wait until it is ready."""

    def __init__(self, application: str, settings: Settings) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
            self.port: int = listening.getsockname()[1]
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    SERVER_MODULE,
                    APPLICATIONS[application],
                    str(listening.fileno()),
                ],
                stdin=subprocess.PIPE,  # closed when this process ends, even if it is killed; then the server ends
                stdout=subprocess.DEVNULL,  # hides the access log
                pass_fds=[listening.fileno()],
                env=child_environment(environment(settings)),
                cwd=tempfile.gettempdir(),  # has no `.env`
            )

    def stop(self) -> None:
        """Stop the server, also when it has stalled."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()


def environment(settings: Settings) -> dict[str, str]:
    """The environment variables from which the backend reads these settings."""
    values: dict[str, Any] = settings.model_dump(exclude_unset=True) | {"frontend_url": ",".join(settings.frontend_url)}
    return {
        name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
    }


def child_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that finds the modules of this checkout, wherever it runs."""
    return {**os.environ, "PYTHONPATH": str(CHECKOUT), **variables}
