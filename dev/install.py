"""`python -m dev.install`: create `.venv` with exactly the packages of requirements.txt and requirements/dev.txt.

The Makefile runs it, with the Python that `.venv` is to use.
"""

import hashlib
import subprocess
import sys
import venv

from dev.file_lock import acquire
from dev.paths import CHECKOUT, LOCAL_DATA

ENVIRONMENT = CHECKOUT / ".venv"
STAMP = ENVIRONMENT / "installed"
LOCK_FILES = [CHECKOUT / "requirements.txt", CHECKOUT / "requirements/dev.txt"]
OPTIONAL_LOCK_FILE = CHECKOUT / "requirements/optional.txt"
INSTALL_SECONDS = 1800


def main() -> int:
    """Create `.venv` unless a finished one exists for this Python and these packages. Returns the exit code."""
    try:
        LOCAL_DATA.mkdir(exist_ok=True)
    except OSError as error:
        print(f"You cannot write to this checkout ({error.strerror}); make a checkout of your own", file=sys.stderr)
        return 1
    if acquire(LOCAL_DATA / "install.lock", INSTALL_SECONDS) is None:  # held until this process ends
        minutes = INSTALL_SECONDS // 60
        print(f"Another installation in this checkout is still running after {minutes} minutes", file=sys.stderr)
        return 1
    expected_stamp = _expected_stamp()
    if not STAMP.exists() or STAMP.read_text() != expected_stamp:
        print(f"Installing into .venv with Python {sys.version.split()[0]} (once, about a minute)", flush=True)
        try:
            _install()
        except subprocess.CalledProcessError:
            print("The packages could not be installed; see the error of pip above", file=sys.stderr)
            return 1
        STAMP.write_text(expected_stamp)
    STAMP.touch()
    return 0


def _expected_stamp() -> str:
    """What `.venv/installed` contains when the environment is complete: its Python, and a hash of the lock files."""
    packages = hashlib.sha256(b"".join(file.read_bytes() for file in [*LOCK_FILES, OPTIONAL_LOCK_FILE])).hexdigest()
    return f"{sys.version}\n{sys.base_prefix}\n{packages}\n"


def _install() -> None:
    if ENVIRONMENT.is_symlink():  # `clear=True` would empty the folder that the link leads to
        ENVIRONMENT.unlink()
    venv.create(ENVIRONMENT, clear=True, with_pip=True, symlinks=True)
    pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    pip += ["--require-hashes", "--no-deps"]
    subprocess.run([*pip, *(f"--requirement={file}" for file in LOCK_FILES)], check=True)
    optional = [*pip, "--only-binary=:all:", f"--requirement={OPTIONAL_LOCK_FILE}"]
    if subprocess.run(optional, check=False, capture_output=True).returncode != 0:
        print("Some tests will be skipped: requirements/optional.txt has no packages for this system", flush=True)


if __name__ == "__main__":
    sys.exit(main())
