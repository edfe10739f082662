"""`make start`: runs the API on this machine until Ctrl-C, and leaves nothing running."""

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
    """Run until stopped. Gives the exit code."""
    try:
        for stop in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stop, _interrupt)
        _stop_with_make()
        from dev.start.run import start  # imports the whole application, which takes a moment; Ctrl-C already works

        start()
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
    except UserError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _stop_with_make() -> None:
    """Stop with the `make` that started us: it passes on SIGTERM, but not SIGKILL, nor SIGINT sent to it alone."""
    make = int(os.environ.pop("MAKE_PID", "0"))

    def watch() -> None:
        while os.getppid() == make and _is_interrupted(make):
            time.sleep(POLL_SECONDS)  # it is still starting us
        polls_interrupted = 0
        while os.getppid() == make and polls_interrupted < POLLS_IN_A_ROW:
            time.sleep(POLL_SECONDS)
            polls_interrupted = polls_interrupted + 1 if _is_interrupted(make) else 0
        os.kill(os.getpid(), signal.SIGTERM)

    if make:
        threading.Thread(target=watch, daemon=True).start()


def _is_interrupted(make: int) -> bool:
    """Whether `make` handles a SIGINT, which is blocked meanwhile, and waits for us to end. Only Linux tells.

    It also blocks it while it starts a command, so a single look is not enough.
    """
    try:
        status = Path(f"/proc/{make}/status").read_text()
    except OSError:
        return False
    is_blocked = int(status.partition("SigBlk:")[2].split()[0], 16) >> (signal.SIGINT - 1) & 1
    return bool(is_blocked) and signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


if __name__ == "__main__":
    sys.exit(main())
