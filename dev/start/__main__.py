"""The command of `make start`. It ends on Ctrl-C, on SIGTERM, or with its `make`, and leaves no process running."""

import sys

from dev.make_process import interrupt_on_sigterm, stop_with_make
from dev.user_error import UserError


def main() -> int:
    """Serve the API until it is stopped. Returns the exit code."""
    try:
        interrupt_on_sigterm()
        stop_with_make(also_when_interrupted=True)
        from dev.start.run import start  # a slow import, so it comes after the signal handlers

        start()
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
