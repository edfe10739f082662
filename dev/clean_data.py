"""`make clean-data`: remove the databases and secrets of `make start`.

Nothing outside the checkout is removed but the folders that root's `make start` has made in /var/tmp. Any other link is
removed itself, and what it leads to stays. It uses the standard library alone, because there may be no `.venv`.
"""

import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from dev.command import exit_code
from dev.embedded_postgres.account import is_made_by_us
from dev.file_lock import acquire
from dev.paths import LOCAL_DATA
from dev.user_error import UserError

MADE_BY_START = ("postgres*", "better_auth_secret", "install.lock", "lambda*")
"""What is ours in a folder that `.data` leads to as a link."""


def main() -> int:
    """Remove the data. Returns the exit code."""
    with ExitStack() as locked:
        return exit_code(lambda: clean(LOCAL_DATA, locked))


def clean(data: Path, locked: ExitStack) -> None:
    """Remove the folder `data` and what it contains.

    :param locked: keeps a start from beginning meanwhile, until it is closed
    :raises UserError: something is running there
    """
    if not data.exists() and not data.is_symlink():
        return
    for lock in [*data.glob("postgres.lock"), *data.glob("postgres*/lock")]:
        descriptor = acquire(lock)
        if descriptor is None:
            raise UserError(f"`make start`, or another program, is running on {lock.parent}; stop it first")
        locked.callback(os.close, descriptor)
    if not data.is_symlink():
        _remove_linked(data.iterdir())
        shutil.rmtree(data)
        print(f"Removed {data}")
        return
    ours = [path for pattern in MADE_BY_START for path in data.glob(pattern)]
    _remove_linked(ours)
    for path in ours:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if data.exists():
        print(f"{data} was a link to {data.readlink()}; that folder stays, without what `make start` had put into it")
    data.unlink()


def _remove_linked(paths: Iterable[Path]) -> None:
    """Remove the links among `paths`, and the folders that they lead to if those are ours."""
    for path in list(paths):
        if path.is_symlink():
            target = path.resolve()
            path.unlink()
            if is_made_by_us(target):
                shutil.rmtree(target)
            elif target.exists():
                print(f"{path} was a link to {target}, which stays")


if __name__ == "__main__":
    sys.exit(main())
