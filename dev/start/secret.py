"""Random secrets that a developer's machine makes once and keeps."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path


def kept_secret(path: Path) -> str:
    """The secret in `path`, readable by its owner alone; made where there is none yet, the same for all who ask."""
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as fresh:
            fresh.write(secrets.token_urlsafe(36))
            fresh.flush()
            with suppress(FileExistsError):
                os.link(fresh.name, path)
    return path.read_text()
