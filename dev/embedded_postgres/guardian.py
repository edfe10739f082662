"""Runs a program of PostgreSQL's for as long as standard input stays open.

Whoever starts this keeps the other end of the pipe and never writes to it. The system closes it when that process ends,
by SIGKILL too, on every platform; so what stops PostgreSQL when all is well also stops it when nothing is.
"""

import ctypes
import signal
import subprocess
import sys
import threading
import time

from dev.embedded_postgres.account import process_options

PATIENCE_SECONDS = 10
PR_SET_PDEATHSIG = 1


def main(command: list[str]) -> int:
    """Run `command` to its end and return its exit code."""
    # Descriptors are inherited: the lock on the data lasts as long as any process of the server.
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        close_fds=False,
        preexec_fn=_end_with_guardian,  # noqa: PLW1509 (there are no threads yet)
        **process_options(),
    )

    def stop_at_end_of_input() -> None:
        sys.stdin.read()
        server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
        time.sleep(PATIENCE_SECONDS)
        server.send_signal(signal.SIGQUIT)  # its immediate one

    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(signal.SIGINT))
    threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    return server.wait()


def _end_with_guardian() -> None:
    """Have Linux stop the server when the guardian itself is killed. Runs after the change of user, which resets it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
