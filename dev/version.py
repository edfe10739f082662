"""The version that a build of this checkout gives itself: the release, and the commit that it was made from."""

import os
import re
import subprocess
from pathlib import Path

from backend import __version__

SOURCES = ("backend", "dev/bundle", "requirements.txt", "requirements/bundle.txt")
"""What a bundle is made of. A change anywhere else does not make it differ from its commit."""
ABBREVIATION = 7
"""Digits of the commit, as Git prints them; the same in every clone, however many objects it has."""


def version_of(checkout: Path) -> str:
    """The release and the commit, such as `2.0.0+0aff2e8`.

    `.dirty` at the end says that `SOURCES` differ from the commit. Without Git, or in a folder that is no checkout, it
    is the release alone. The part after `+` is build metadata (Semantic Versioning, 10): it orders no versions.
    """
    if _git(checkout, "ls-files", "--error-unmatch", "backend/__init__.py") is None:
        return __version__
    commit = _git(checkout, "rev-parse", "HEAD")
    changed = _git(checkout, "status", "--porcelain", "--untracked-files=normal", "--", *SOURCES)
    if not commit or changed is None:
        return __version__
    return f"{__version__}+{commit[:ABBREVIATION]}" + (".dirty" if changed else "")


def write_version(bundle: Path, version: str) -> None:
    """Write the version into the bundle's `backend/__init__.py`, so that the function needs no Git to tell it."""
    module = bundle / "backend" / "__init__.py"
    stamped = re.sub(r"(?m)^__version__ = .*$", f'__version__ = "{version}"', module.read_text(encoding="utf-8"))
    module.write_text(stamped, encoding="utf-8")


def _git(checkout: Path, *arguments: str) -> str | None:
    """What Git prints, or None when it is not installed or refuses, for example another user's checkout."""
    # A Git hook sets GIT_DIR and others, which would lead to its own repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        ran = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=checkout,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
    except OSError:
        return None
    return ran.stdout.strip() if ran.returncode == 0 else None
