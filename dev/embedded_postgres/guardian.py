"""Runs PostgreSQL until standard input is closed, and then removes its data if they are temporary.

`python -m dev.embedded_postgres.guardian [--remove FOLDER] postgres …`. SIGINT is PostgreSQL's fast shutdown, SIGQUIT
its immediate one.
"""

import shutil
import sys

from dev.embedded_postgres.account import process_options
from dev.guardian import Guarded


def main(command: list[str]) -> int:
    """Run PostgreSQL to its end and return its exit code."""
    folder = None
    if command[0] == "--remove":
        _, folder, *command = command
    # The child inherits descriptors, so the lock on the data lasts as long as any process of the server.
    server = Guarded(command, close_fds=False, **process_options())
    code = server.wait()
    if folder and server.was_stopped:  # otherwise the starting process reads why the server does not start
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
