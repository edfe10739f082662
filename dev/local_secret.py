"""Random secrets for a developer's machine: generated once, then kept in a file."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path


def local_secret(path: Path) -> str:
    """The secret in the file `path`, which only its owner can read. It is generated when the file is missing.

    Processes that ask at the same time all get the same secret.
    """
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as fresh:
            fresh.write(secrets.token_urlsafe(36))
            fresh.flush()
            with suppress(FileExistsError):
                os.link(fresh.name, path)
    return path.read_text()
