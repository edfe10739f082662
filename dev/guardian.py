"""Runs a program until standard input is closed, so that the program never outlives the process that started it.

The starting process keeps the other end of the pipe open. The operating system closes the pipe when that process ends,
also by SIGKILL and on every platform. A normal stop closes it too: both take the same way.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

SHUTDOWN_SECONDS = 10
PR_SET_PDEATHSIG = 1


class Guarded:
    """A program that is interrupted (SIGINT, later SIGQUIT) when standard input ends, or this process gets SIGTERM.

    :param is_group: interrupt the program's children too
    :param options: arguments of `subprocess.Popen`
    """

    def __init__(self, command: list[str], *, is_group: bool = False, **options: Any) -> None:
        self._is_group = is_group
        self._program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=is_group,
            preexec_fn=_prepare,  # noqa: PLW1509 (there are no threads yet)
            **options,
        )
        self.was_stopped = False
        signal.signal(signal.SIGTERM, lambda *_: self._send(signal.SIGINT))
        threading.Thread(target=self._stop_at_end_of_input, daemon=True).start()

    def wait(self) -> int:
        """Wait until the program has ended. Returns its exit code."""
        return self._program.wait()

    def _stop_at_end_of_input(self) -> None:
        sys.stdin.read()
        self.was_stopped = True
        self._send(signal.SIGINT)
        time.sleep(SHUTDOWN_SECONDS)
        self._send(signal.SIGQUIT)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if self._is_group:
                os.killpg(self._program.pid, number)
            else:
                self._program.send_signal(number)


def _prepare() -> None:
    """Let SIGINT interrupt the program, and have Linux send it when this process is killed.

    A shell has programs in the background ignore SIGINT. Must run after the change of user, which resets the second.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
