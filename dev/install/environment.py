"""The environment `.venv`, and the two sets of packages that it may have: those of `make start`, and all.

A file for each set says that it is there, and the Makefile's rules look at these files. When the packages of a set have
changed, or Python has, the environment is made anew, so that no package stays behind.
"""

import hashlib
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from dev.install.pip import Progress, RefusedByPip, pip_install
from dev.paths import CHECKOUT
from dev.user_error import UserError

ENVIRONMENT = CHECKOUT / ".venv"
UNFINISHED = "unfinished"
"""A file in the environment while packages are being installed. It stays when that is cut short."""


@dataclass(frozen=True)
class Packages:
    """A set of packages, as files of exact versions.

    :param stamp: the name of the file in the environment that says that the set is installed
    :param optional: a file of packages that not every system has, and that only some tests need
    """

    stamp: str
    lock_files: tuple[Path, ...]
    optional: Path | None = None

    def expected_stamp(self) -> str:
        """What the stamp contains: which Python the set was installed for, and a hash of its files."""
        files = (*self.lock_files, *([self.optional] if self.optional else []))
        packages = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
        return f"{sys.version}\n{sys.base_prefix}\n{packages}\n"


RUNTIME, START_ONLY = CHECKOUT / "requirements.txt", CHECKOUT / "requirements/start.txt"
START = Packages("installed-for-start", (RUNTIME, START_ONLY))
COMPLETE = Packages(
    "installed", (RUNTIME, START_ONLY, CHECKOUT / "requirements/dev.txt"), CHECKOUT / "requirements/optional.txt"
)


def complete(packages: Packages) -> None:
    """Install `packages`, unless they are there already. What is there without being in the way stays.

    :raises UserError: they cannot be installed
    """
    stamp = ENVIRONMENT / packages.stamp
    if not _has(packages):
        is_new = not _has(START) or stamp.exists()
        what = "Installing" if is_new else "Installing what tests and tools need"
        print(f"{what} into .venv with Python {sys.version.split()[0]} (once)", file=sys.stderr, flush=True)
        if is_new:
            _make_anew()
        (ENVIRONMENT / UNFINISHED).touch()
        _install(packages)
        (ENVIRONMENT / START.stamp).write_text(START.expected_stamp())
        stamp.write_text(packages.expected_stamp())
        (ENVIRONMENT / UNFINISHED).unlink()
    stamp.touch()  # for make, which compares times


def _has(packages: Packages) -> bool:
    stamp = ENVIRONMENT / packages.stamp
    is_usable = (ENVIRONMENT / "bin" / "python").exists() and not (ENVIRONMENT / UNFINISHED).exists()
    return is_usable and stamp.exists() and stamp.read_text() == packages.expected_stamp()


def _make_anew() -> None:
    if ENVIRONMENT.is_symlink():  # `clear=True` would empty the folder that the link leads to
        ENVIRONMENT.unlink()
    progress = Progress(sys.stderr)
    progress.show("making the environment")  # takes seconds, in which nothing can be followed
    try:
        venv.create(ENVIRONMENT, clear=True, with_pip=True, symlinks=True)
    except subprocess.CalledProcessError as error:
        output = (error.output or b"").decode(errors="replace").strip().splitlines() or ["it gives no reason"]
        raise UserError(f".venv cannot be made: {output[-1]}; start again when that is solved") from None
    finally:
        progress.end()


def _install(packages: Packages) -> None:
    python = ENVIRONMENT / "bin" / "python"
    try:
        pip_install(python, packages.lock_files)
    except RefusedByPip as error:
        raise UserError(f"pip cannot install the packages: {error}; start again when that is solved") from None
    if packages.optional:
        try:
            pip_install(python, (packages.optional,), "--only-binary=:all:")
        except RefusedByPip:
            print(f"Some tests will be skipped: {packages.optional} has no packages for this system", file=sys.stderr)
