"""Runs a server program until standard input is closed, so that the program never outlives the process that started it.

The starting process keeps the other end of the pipe and never writes to it. The operating system closes the pipe when
that process ends, also by SIGKILL and on every platform. A normal stop closes it too: both take the same way.
"""

import ctypes
import signal
import subprocess
import sys
import threading
import time

from dev.embedded_postgres.account import process_options

SHUTDOWN_SECONDS = 10
PR_SET_PDEATHSIG = 1


def main(command: list[str]) -> int:
    """Run `command` to its end and return its exit code."""
    # The child inherits descriptors, so the lock on the data lasts as long as any process of the server.
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
        time.sleep(SHUTDOWN_SECONDS)
        server.send_signal(signal.SIGQUIT)  # its immediate one

    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(signal.SIGINT))
    threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    return server.wait()


def _end_with_guardian() -> None:
    """Have Linux interrupt the server when this process is killed.

    Must run after the change of user, which resets the setting.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
