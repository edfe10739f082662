"""Ends a command together with the `make` that started it, and lets SIGTERM end it like Ctrl-C.

`make` passes SIGTERM on to its commands, but not SIGKILL, and not a SIGINT that is sent to it alone.
"""

import os
import signal
import threading
import time
from pathlib import Path

POLL_SECONDS = 0.2
POLLS_IN_A_ROW = 3


def interrupt_on_sigterm() -> None:
    """Raise KeyboardInterrupt in the main thread on SIGTERM too, so that both end in the same, orderly way."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _interrupt)


def stop_with_make(*, also_when_interrupted: bool) -> None:
    """Send this process SIGTERM when `make`, whose id the Makefile gives in MAKE_PID, has ended.

    :param also_when_interrupted: also when `make` alone has got SIGINT. Not for a command that takes long to end: after
        a Ctrl-C, which reaches both, it would be interrupted once more
    """
    make = int(os.environ.pop("MAKE_PID", "0"))

    def is_interrupted() -> bool:
        return also_when_interrupted and _is_interrupted(make)

    def watch() -> None:
        while os.getppid() == make and is_interrupted():
            time.sleep(POLL_SECONDS)  # make blocks SIGINT while it starts this process
        polls_interrupted = 0
        while os.getppid() == make and polls_interrupted < POLLS_IN_A_ROW:
            time.sleep(POLL_SECONDS)
            polls_interrupted = polls_interrupted + 1 if is_interrupted() else 0
        os.kill(os.getpid(), signal.SIGTERM)

    if make:
        threading.Thread(target=watch, daemon=True).start()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _is_interrupted(make: int) -> bool:
    """Whether `make` blocks SIGINT, as it does while it handles one and waits for its command. False except on Linux.

    `make` also blocks SIGINT briefly while it starts a command, so callers must ask several times.
    """
    try:
        status = Path(f"/proc/{make}/status").read_text()
    except OSError:
        return False
    is_blocked = int(status.partition("SigBlk:")[2].split()[0], 16) >> (signal.SIGINT - 1) & 1
    return bool(is_blocked) and signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
