"""Measures what one more task, user, sign-in and request adds: bytes in the database and bytes in the log."""

import contextlib
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from backend import telemetry
from benchmarks.measure import Section
from benchmarks.scale.databases import Databases, Filled, User
from benchmarks.scale.operations import MIX, event
from benchmarks.scale.prices import Request, dollars_per_million
from tests.postgres.test_round_trips import OPERATIONS

TABLES = {"tasks": "task", "users": "user", "refresh_tokens": "sign-in", "rate_limits": "rate-limit row"}
SIZES = """
    select pg_relation_size(cast(:name as text)), pg_indexes_size(cast(:name as text)),
        (select reltuples from pg_class where oid = cast(:name as text)::regclass)
"""


@dataclass(frozen=True)
class Growth:
    """What a request leaves and sends: log lines, log bytes and answer bytes, as means of `MIX`."""

    log_lines: float
    log_bytes: float
    answer_bytes: float


@contextmanager
def captured_log() -> Iterator[io.StringIO]:
    """What the function writes meanwhile: the lines of its logger, and its metrics."""
    written = io.StringIO()
    handler = telemetry.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(written)
    try:
        with contextlib.redirect_stdout(written):
            yield written
    finally:
        handler.setStream(before)


def measure_log(databases: Databases) -> Growth:
    """Send one request of each kind, and count what it writes."""
    function, contents = databases.functions()["empty"], databases.empty.contents
    user = User(0, 12, 0, contents)
    function(event(OPERATIONS["health"], user))  # so that the line of a cold start is not counted
    answers = 0
    with captured_log() as written:
        for name in MIX:
            answer = function(event(OPERATIONS[name], user))
            answers += len(answer["body"].encode()) + sum(map(len, (f"{k}: {v}" for k, v in answer["headers"].items())))
    text = written.getvalue()
    return Growth(text.count("\n") / len(MIX), len(text.encode()) / len(MIX), answers / len(MIX))


def measure(databases: Databases, seconds: float, log_progress: Callable[[str], None]) -> Section:
    """Measure all of it.

    :param seconds: the mean duration of a request of `MIX`
    """
    growth = measure_log(databases)
    log_progress(f"a request writes {growth.log_bytes:.0f} bytes of log")
    return section(growth, seconds, _table_rows(databases.full))


def section(growth: Growth, seconds: float, rows: list[tuple[str, str, str]]) -> Section:
    """The table, with what a million requests cost."""
    round_trips = sum(OPERATIONS[name].round_trips for name in MIX) / len(MIX)
    request = Request(seconds, round_trips, growth.log_bytes, growth.answer_bytes)
    cost = dollars_per_million(request)
    rows = [
        *rows,
        ("connections", "each running request", "1, from its first statement to its answer; an idle instance has none"),
        ("log", "each request", f"{growth.log_lines:.1f} lines, {growth.log_bytes:.0f} bytes"),
        ("answers", "each request", f"{growth.answer_bytes:.0f} bytes, before compression"),
        ("duration", "each request", f"{request.billed_seconds * 1000:.1f} ms: {request.explanation}"),
        *((f"dollars: {name}", "a million requests", f"${value:.2f}") for name, value in cost.items()),
        ("dollars: all of these", "a million requests", f"${sum(cost.values()):.2f}"),
    ]
    return Section(
        "What grows with what",
        "Bytes of a row are those of its table and of all its indexes, divided by the rows, in the full database. Log,"
        f" answers and durations are the means of {', '.join(MIX)}, with 20 tasks. Rows of `rate_limits` expire: after"
        " the window of their limit, or after 30 days for a network that an account knows. A request that writes limits"
        " removes up to ten that have expired. Dollars are list prices of us-east-1 as `benchmarks/scale/prices.py`"
        " states them: **check them before you rely on them**. Lambda's own lines, traces, alarms, the free tier and"
        " Neon are not in them. What Neon costs for this load is not known: it bills the hours and the size of its"
        " compute, and its storage with its history. Neither can be measured here.",
        ("what", "grows with", "by"),
        rows,
    )


def _table_rows(filled: Filled) -> list[tuple[str, str, str]]:
    rows = []
    with filled.database.connect_as_owner() as owner:
        for table, what in TABLES.items():
            [[heap, indexes, count]] = owner.run(SIZES, name=table)
            each = f"{heap / count:.0f} bytes + {indexes / count:.0f} in indexes"
            rows.append(
                (f"table `{table}`", f"each {what}", f"{each}; {(heap + indexes) / 1e6:,.0f} MB for {count:,.0f}")
            )
        [[whole]] = owner.run("select pg_database_size(current_database())")
    return [*rows, ("the whole database", "all of these", f"{whole / 1e9:.2f} GB")]
