"""The command of `make start`. It ends on Ctrl-C, on SIGTERM, or with its `make`, and leaves no process running."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from dev.user_error import UserError

POLL_SECONDS = 0.2
POLLS_IN_A_ROW = 3


def main() -> int:
    """Serve the API until it is stopped. Returns the exit code."""
    try:
        for stop in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stop, _interrupt)
        _stop_with_make()
        from dev.start.run import start  # a slow import, so it comes after the signal handlers

        start()
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _stop_with_make() -> None:
    """Stop when the `make` that started this process ends or is interrupted.

    `make` passes SIGTERM on to its commands, but not SIGKILL, and not a SIGINT that is sent to it alone.
    """
    make = int(os.environ.pop("MAKE_PID", "0"))

    def watch() -> None:
        while os.getppid() == make and _is_interrupted(make):
            time.sleep(POLL_SECONDS)  # make blocks SIGINT while it starts this process
        polls_interrupted = 0
        while os.getppid() == make and polls_interrupted < POLLS_IN_A_ROW:
            time.sleep(POLL_SECONDS)
            polls_interrupted = polls_interrupted + 1 if _is_interrupted(make) else 0
        os.kill(os.getpid(), signal.SIGTERM)

    if make:
        threading.Thread(target=watch, daemon=True).start()


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


if __name__ == "__main__":
    sys.exit(main())
