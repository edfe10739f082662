"""The environment variables of `make start`: those that the developer has set, and defaults for this machine."""

import os
from pathlib import Path

from dotenv import dotenv_values

from dev.user_error import UserError

DEFAULTS = {
    "FRONTEND_URL": "http://localhost:3000",
    "DATABASE_POOL_SIZE": "20",  # here one process serves all requests; on Lambda each instance serves one
    "POWERTOOLS_METRICS_DISABLED": "true",
    "PORT": "8000",
}


def read(dotenv: Path) -> dict[str, str]:
    """All variables, from the environment, the file `dotenv` or the defaults, in this order.

    An empty variable counts as not set, as it does for the backend.

    :raises UserError: the file is not UTF-8
    """
    try:
        from_file = dotenv_values(dotenv)
    except UnicodeDecodeError:
        raise UserError(f"{dotenv.name} is not UTF-8 text") from None
    return DEFAULTS | {name: value for name, value in (from_file | dict(os.environ)).items() if value}


def parse_port(text: str) -> int:
    """The port number that `text` is.

    :raises UserError: it is not a number from 1 to 65535
    """
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 65535:
        raise UserError("PORT must be a number from 1 to 65535, e.g. PORT=8001 make start")
    return int(text)
