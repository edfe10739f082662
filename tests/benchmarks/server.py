"""An application behind uvicorn, in a process of its own: it must not share Python's lock with those who measure it."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn
from pydantic import SecretStr

from backend.app import create_app
from backend.settings import Settings
from dev.postgres import CHECKOUT
from tests.benchmarks.stock import create_stock_app

APPLICATIONS = {"this project": create_app, "stock": create_stock_app}
STOP_SECONDS = 2


class Server:
    """A running server. Clients may connect at once, and wait until it is ready."""

    def __init__(self, application: str, settings: Settings) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
            self.port: int = listening.getsockname()[1]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.server", application, str(listening.fileno())],
                stdin=subprocess.PIPE,  # closed when this process ends, however that happens: then the server ends too
                stdout=subprocess.DEVNULL,  # the access log
                pass_fds=[listening.fileno()],
                env={**os.environ, **_environment(settings)},
                cwd=CHECKOUT,
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


@contextlib.contextmanager
def serving(application: str, settings: Settings) -> Iterator[Server]:
    """A server for the block."""
    server = Server(application, settings)
    try:
        yield server
    finally:
        server.stop()


def _environment(settings: Settings) -> dict[str, str]:
    """The settings as the environment variables that they are read from."""
    values: dict[str, Any] = settings.model_dump(exclude_unset=True) | {"frontend_url": ",".join(settings.frontend_url)}
    return {
        name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
    }


def _end_with_whoever_started_this() -> None:
    sys.stdin.read()
    os._exit(1)


def main(application: str, descriptor: int) -> None:
    """Serve until this process is stopped."""
    threading.Thread(target=_end_with_whoever_started_this, daemon=True).start()
    app = APPLICATIONS[application](Settings(_env_file=None))
    config = uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False, timeout_keep_alive=60)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
