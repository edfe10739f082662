"""`python -m dev.install [start]`: make `.venv`, with all packages, or with only those that `make start` needs.

The Makefile runs it, with the Python that `.venv` is to use.
"""

import sys

from dev.command import exit_code
from dev.file_lock import acquire
from dev.install.environment import COMPLETE, START, Packages, complete
from dev.local_data import make_local_data
from dev.make_process import interrupt_on_sigterm
from dev.user_error import UserError

INSTALL_SECONDS = 1800
INTERRUPTED = 130
"""The exit code of a shell's command that Ctrl-C has ended."""


def main(arguments: list[str]) -> int:
    """Install what the command line asks for, unless it is there. Returns the exit code."""
    interrupt_on_sigterm()
    try:
        return exit_code(lambda: _install(START if arguments == ["start"] else COMPLETE))
    except KeyboardInterrupt:
        print("\nStopped during the installation; the next `make` installs again", file=sys.stderr)
        return INTERRUPTED


def _install(packages: Packages) -> None:
    lock = make_local_data() / "install.lock"
    if acquire(lock, INSTALL_SECONDS) is None:  # held until this process ends
        minutes = INSTALL_SECONDS // 60
        raise UserError(f"Another installation in this checkout is still running after {minutes} minutes")
    complete(packages)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
