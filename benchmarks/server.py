"""An application behind uvicorn, in a process of its own: it must not share Python's lock with those who measure it."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from typing import Any

from pydantic import SecretStr

from backend.settings import Settings
from dev.paths import CHECKOUT

APPLICATIONS = {
    "this project": "backend.main:app",
    "stock": "benchmarks.stock_deployed:app",
    "stock, one TLS context": "benchmarks.stock_deployed:shared_tls_app",
}
STOP_SECONDS = 2


class Server:
    """A running server, which may stall. Clients may connect at once, and wait until it is ready."""

    def __init__(self, application: str, settings: Settings) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
            self.port: int = listening.getsockname()[1]
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.support.server_process",
                    APPLICATIONS[application],
                    str(listening.fileno()),
                ],
                stdin=subprocess.PIPE,  # closed when this process ends, however that happens: then the server ends too
                stdout=subprocess.DEVNULL,  # the access log
                pass_fds=[listening.fileno()],
                env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment(settings)},
                cwd=tempfile.gettempdir(),  # without a `.env` of anybody's
            )

    def stop(self) -> None:
        """End it, whatever it waits for."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()


def environment(settings: Settings) -> dict[str, str]:
    """The settings as the environment variables that they are read from."""
    values: dict[str, Any] = settings.model_dump(exclude_unset=True) | {"frontend_url": ",".join(settings.frontend_url)}
    return {
        name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
    }
