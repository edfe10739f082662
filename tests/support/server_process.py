"""An application behind uvicorn in a process of its own, so that it shares no lock with its clients.

`python -m tests.support.server_process tests.load.application:app FD` is that process. The application reads its
environment.
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from dev.paths import CHECKOUT

CLIENTS_AT_ONCE = 1024
STOP_SECONDS = 10


@dataclass(frozen=True)
class ServerProcess:
    """The URL, the process and the log file of a running server."""

    url: str
    pid: int
    log_file: Path

    def log(self) -> str:
        """Its output so far."""
        return self.log_file.read_text()


@contextmanager
def server_process(application: str, variables: Mapping[str, str], log_file: Path) -> Iterator[ServerProcess]:
    """Start the application on a free port of 127.0.0.1. Clients may connect at once, and wait until it is ready.

    :param application: `module:name`
    :param variables: its environment, in addition to this process's
    """
    with socket.create_server(("127.0.0.1", 0), backlog=CLIENTS_AT_ONCE) as listening, log_file.open("wb") as log:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.server_process", application, str(listening.fileno())],
            stdin=subprocess.PIPE,  # closed when this process ends, even if it is killed; then the server ends too
            stdout=log,
            stderr=log,
            pass_fds=[listening.fileno()],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), **variables},
            cwd="/",  # not the checkout, whose `.env` is a person's
        )
    try:
        yield ServerProcess(url, process.pid, log_file)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()


def _end_with_the_parent_process() -> None:
    sys.stdin.read()
    os._exit(1)


def main(application: str, descriptor: int) -> None:
    """Serve until this process is stopped."""
    threading.Thread(target=_end_with_the_parent_process, daemon=True).start()
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=60,  # on a slow machine, clients pause
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
