"""`python -m dev`, which is `make start`: runs the API on this machine until Ctrl-C, and leaves nothing running."""

import os
import signal
import sys
import threading
import time

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
    """Stop when the `make` that started us is gone: it cannot pass SIGKILL on."""
    make = int(os.environ.pop("MAKE_PID", "0"))

    def watch() -> None:
        while os.getppid() == make:
            time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGTERM)

    if make:
        threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
