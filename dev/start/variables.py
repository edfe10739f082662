"""The environment variables of `make start`: those that the developer has set, and defaults for this machine."""

import os
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

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

    :raises UserError: the file cannot be read
    """
    from_environment = {name: value for name, value in os.environ.items() if value}
    return DEFAULTS | _from_file(dotenv) | from_environment


def _from_file(dotenv: Path) -> dict[str, str]:
    """The variables of the file that are not empty. A file that is missing has none.

    :raises UserError: it is not UTF-8, or has a line that is no assignment
    """
    if not dotenv.is_file():
        return {}
    try:
        text = dotenv.read_text("utf-8-sig")  # Windows puts a byte order mark in front
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UserError(f"{dotenv} is not UTF-8 text, but perhaps UTF-16; save it as UTF-8")
    for binding in parse_stream(StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            raise UserError(f"{dotenv}, line {_line(binding)}, cannot be read: write NAME=value, or # before a comment")
    return {name: value for name, value in dotenv_values(stream=StringIO(text)).items() if value}


def _line(binding: Binding) -> int:
    """The line of the file in which the binding is. Blank lines before it belong to it."""
    string = binding.original.string
    return binding.original.line + string[: len(string) - len(string.lstrip())].count("\n")


def parse_port(text: str) -> int:
    """The port number that `text` is.

    :raises UserError: it is not a number from 1 to 65535
    """
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 65535:
        raise UserError("PORT must be a number from 1 to 65535, e.g. PORT=8001 make start")
    return int(text)
