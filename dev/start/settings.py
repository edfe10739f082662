"""The environment of an API on this machine: what the developer has set, and for the rest what serves here."""

import os
from pathlib import Path

from dotenv import dotenv_values

from dev.user_error import UserError

DEFAULTS = {
    "FRONTEND_URL": "http://localhost:3000",
    "DATABASE_POOL_SIZE": "20",  # one process serves everybody here, unlike on Lambda
    "POWERTOOLS_METRICS_DISABLED": "true",
    "PORT": "8000",
}


def read(dotenv: Path) -> dict[str, str]:
    """The variables that are set, in the environment or else in `.env`; an empty one is not, as for the backend."""
    try:
        from_file = dotenv_values(dotenv)
    except UnicodeDecodeError:
        raise UserError(f"{dotenv.name} is not text in UTF-8") from None
    return DEFAULTS | {name: value for name, value in (from_file | dict(os.environ)).items() if value}


def port(text: str) -> int:
    """The port to serve on."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 65535:
        raise UserError("PORT must be a number from 1 to 65535, e.g. PORT=8001 make start")
    return int(text)
