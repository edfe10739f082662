"""`python -m dev`, which is `make start`: runs the API on this machine until Ctrl-C, and leaves nothing running."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from dev.problem import Problem


def main() -> int:
    """Run until stopped. Gives the exit code."""
    try:
        for stop in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stop, _interrupt)
        _stop_with_make()
        from dev.start import start  # imports the whole application, which takes a moment; Ctrl-C already works

        start()
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _stop_with_make() -> None:
    """Stop with the `make` that started us: it passes on SIGTERM, but not SIGKILL, nor SIGINT sent to it alone."""
    make = int(os.environ.pop("MAKE_PID", "0"))
    blocked = _blocked_signals(make)

    def watch() -> None:
        while os.getppid() == make and _blocked_signals(make) == blocked:
            time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGTERM)

    if make:
        threading.Thread(target=watch, daemon=True).start()


def _blocked_signals(make: int) -> int:
    """Which of SIGHUP, SIGINT, SIGQUIT `make` has blocked: one that it handles, while it waits for us. Linux tells."""
    try:
        status = Path(f"/proc/{make}/status").read_text()
    except OSError:
        return 0
    return int(status.partition("SigBlk:")[2].split()[0], 16) & 0b111


if __name__ == "__main__":
    sys.exit(main())
