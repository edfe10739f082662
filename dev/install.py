"""Makes `.venv` with exactly the packages of the lock files, from the Python that runs this. The Makefile does."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from dev.lock import acquire

CHECKOUT = Path(__file__).resolve().parents[1]
ENVIRONMENT = CHECKOUT / ".venv"
STAMP = ENVIRONMENT / "installed"
LOCK_FILES = [CHECKOUT / "requirements.txt", CHECKOUT / "requirements/dev.txt"]
INSTALL_SECONDS = 1800


def main() -> int:
    """Make it where it is missing, unfinished, or made for another Python or other packages. Gives the exit code."""
    data = CHECKOUT / ".data"
    try:
        data.mkdir(exist_ok=True)
    except OSError as error:
        print(f"This checkout may not be written to ({error.strerror}); use one of your own", file=sys.stderr)
        return 1
    if acquire(data / "install.lock", INSTALL_SECONDS) is None:  # held to the end of this process
        print("Another installation in this checkout does not come to an end", file=sys.stderr)
        return 1
    wanted = _description()
    if not STAMP.exists() or STAMP.read_text() != wanted:
        print(f"Installing into .venv with Python {sys.version.split()[0]} (once, about a minute)", flush=True)
        try:
            _install()
        except subprocess.CalledProcessError:
            print("The packages could not be installed; pip says why above", file=sys.stderr)
            return 1
        STAMP.write_text(wanted)
    STAMP.touch()
    return 0


def _description() -> str:
    packages = hashlib.sha256(b"".join(file.read_bytes() for file in LOCK_FILES)).hexdigest()
    return f"{sys.version}\n{sys.base_prefix}\n{packages}\n"


def _install() -> None:
    if ENVIRONMENT.is_symlink():  # what it leads to belongs to somebody else, and would be emptied
        ENVIRONMENT.unlink()
    venv.create(ENVIRONMENT, clear=True, with_pip=True, symlinks=True)
    pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    requirements = [f"--requirement={file}" for file in LOCK_FILES]
    subprocess.run([*pip, "--require-hashes", "--no-deps", *requirements], check=True)


if __name__ == "__main__":
    sys.exit(main())
