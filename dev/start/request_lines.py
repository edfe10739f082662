"""The log for a person at a terminal: one short line for each request. Elsewhere the log is JSON, as on Lambda."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from backend.telemetry import logger

REQUEST = "Request"
"""The message of the line that every request leaves (docs/logs.md)."""
NO_ROUTE = "(no such path)"
RED, GREEN, YELLOW, CYAN, GREY = 31, 32, 33, 36, 90
COLOURS_BY_STATUS = {2: GREEN, 3: CYAN, 4: YELLOW, 5: RED}
"""By the status's first digit."""
COLOURS_BY_LEVEL = {"WARNING": YELLOW, "ERROR": RED, "CRITICAL": RED}
USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "user_id", "request_id"}
"""The members of a log record that need no showing: those that all have, and ids."""


class RequestLines(LambdaPowertoolsFormatter):
    """Formats a request as time, method, route, status and duration, and other lines as level, message and members.

    It is one of Powertools' formatters, because their logger keeps the ids of a request in its formatter.
    """

    def __init__(self, *, is_coloured: bool) -> None:
        super().__init__()
        self._is_coloured = is_coloured

    def format(self, record: logging.LogRecord) -> str:
        """The line of one log record. An exception's traceback follows it."""
        members = {name: value for name, value in vars(record).items() if name not in USUAL}
        line = self._request(members) if record.msg == REQUEST else self._other(record, members)
        if record.exc_info:
            line += f"\n{self.formatException(record.exc_info)}"
        return f"{self._paint(time.strftime('%H:%M:%S', time.localtime(record.created)), GREY)} {line}"

    def _request(self, members: Mapping[str, Any]) -> str:
        status = members.get("status", "---")  # without one, the client has gone before the answer
        colour = COLOURS_BY_STATUS.get(int(status) // 100, GREY) if isinstance(status, int) else GREY
        route = members.get("route", NO_ROUTE)
        duration = self._paint(f"{members['duration_ms']:.0f} ms", GREY)
        return f"{members['method']:7} {self._paint(str(status), colour)} {route} {duration}"

    def _other(self, record: logging.LogRecord, members: Mapping[str, Any]) -> str:
        shown = " ".join(f"{name}={value}" for name, value in members.items())
        level = self._paint(record.levelname, COLOURS_BY_LEVEL.get(record.levelname, GREY))
        return f"{level} {record.getMessage()} {shown}".rstrip()

    def _paint(self, text: str, colour: int) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._is_coloured else text


def use(*, is_coloured: bool) -> None:
    """Log in this form from now on."""
    for handler in logger.handlers:
        handler.setFormatter(RequestLines(is_coloured=is_coloured))


def wants_colour(environment: Mapping[str, str]) -> bool:
    """Whether a person at this terminal wants colours (https://no-color.org)."""
    return not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
