"""The log of `make start` on a terminal: one line for a person; in colours where they are wanted."""

import logging
import re
from typing import Any

import pytest

from backend.telemetry import logger
from dev.start import request_lines
from dev.start.request_lines import RequestLines

REQUEST: dict[str, Any] = {
    "method": "GET",
    "route": "/api/tasks",
    "status": 200,
    "duration_ms": 3.14,
    "user_id": "01a2",
}
COLOUR = re.compile(r"\033\[\d+m")


def line(message: str, level: int = logging.INFO, *, is_coloured: bool = False, **members: Any) -> str:
    record = logging.makeLogRecord(
        {"msg": message, "levelno": level, "levelname": logging.getLevelName(level), **members}
    )
    return RequestLines(is_coloured=is_coloured).format(record)


def test_a_request_is_time_method_route_status_and_duration() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d GET     200 /api/tasks 3 ms", line("Request", **REQUEST))


def test_a_request_without_a_route_says_so() -> None:
    members = {name: value for name, value in REQUEST.items() if name != "route"}

    assert line("Request", **members | {"status": 404}).endswith("GET     404 (no such path) 3 ms")


def test_a_request_without_an_answer_is_a_line_too() -> None:
    members = {name: value for name, value in REQUEST.items() if name != "status"}

    assert line("Request", **members).endswith("GET     --- /api/tasks 3 ms")


def test_another_line_is_level_message_and_members() -> None:
    said = line("Database unavailable", logging.WARNING, reason="refused", request_id="x")

    assert said.endswith("WARNING Database unavailable reason=refused")


def test_an_exception_is_followed_by_its_traceback() -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError as error:
        said = line("Failed", logging.ERROR, exc_info=(type(error), error, error.__traceback__))

    assert said.splitlines()[1].startswith("Traceback")


@pytest.mark.parametrize(("status", "colour"), [(200, 32), (304, 36), (404, 33), (503, 31)])
def test_a_colour_tells_the_kind_of_status(status: int, colour: int) -> None:
    assert f"\033[{colour}m{status}\033[0m" in line("Request", is_coloured=True, **REQUEST | {"status": status})


def test_colours_change_nothing_else() -> None:
    coloured = line("Request", is_coloured=True, **REQUEST)

    assert COLOUR.sub("", coloured)[8:] == line("Request", **REQUEST)[8:]


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_no_color_is_respected(environment: dict[str, str], wanted: bool) -> None:
    assert request_lines.wants_colour(environment) is wanted


def test_the_logger_keeps_a_request_s_ids_in_this_form_too() -> None:
    [handler] = logger.handlers
    json_lines = handler.formatter
    try:
        request_lines.use(is_coloured=False)
        logger.thread_safe_append_keys(request_id="x")

        assert isinstance(handler.formatter, RequestLines)
    finally:
        handler.setFormatter(json_lines)
