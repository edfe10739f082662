"""Runs more and more function instances on a pooler with few server connections, up to the point where it refuses."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.clients import Results, creations, run_clients
from benchmarks.functions import Functions
from benchmarks.measure import Section, milliseconds
from benchmarks.scale.databases import Databases, User
from benchmarks.scale.size import Size
from benchmarks.testbed import stored_password
from tests.support.pooler import Pooler

SERVER_CONNECTIONS = 4
OVERLOAD_GRACE_SECONDS = 29
"""API Gateway's patience."""
SLOW_CREATIONS = """
    create function slow_creation() returns trigger language plpgsql as
    $$ begin perform pg_sleep({seconds}); return null; end $$
"""
TRIGGER = """
    create trigger slow_creation before insert on tasks for each statement execute function slow_creation()
"""

RUNNING = """
    select count(*) from pg_stat_activity
    where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()
"""
"""The statements that still run, also those whose client has given up."""


def measure(databases: Databases, size: Size, log_progress: Callable[[str], None]) -> Section:
    """Measure each number of instances, with as many clients, and then the overload."""
    rows = []
    with Pooler(databases.server, pool_size=SERVER_CONNECTIONS, password=stored_password(databases.server)) as pooler:
        with _slow_creations(databases, size.held["rate"]):
            for count in size.instances:
                results, stored = _run(databases, pooler, count, size.simulation_seconds)
                log_progress(f"{count} instances on {SERVER_CONNECTIONS} connections: {results.per_second:.0f}/s")
                rows.append(row(count, size.held["rate"], results, stored))
        with _slow_creations(databases, size.held["overload"]):
            results, stored = _run(databases, pooler, max(size.instances), 0.1)
            log_progress(f"overload: {dict(results.statuses)}")
            rows.append(row(max(size.instances), size.held["overload"], results, stored))
    return Section(
        "More instances than server connections",
        f"Function instances behind a pooler with {SERVER_CONNECTIONS} server connections, and as many clients, each of"
        " which creates tasks. PostgreSQL is made to take a fixed time for a creation, as a small compute under load"
        " would, so that the connections are the limit and not this machine's processors. Above"
        f" {SERVER_CONNECTIONS} instances the rate stays and the waiting grows. In the last row each client sends one"
        " request, and the last of them would wait longer than the driver waits for an answer (10 s): it answers 503."
        " `Retry-After` says that nothing was written. A 503 without it says that this is not known. “Stored” counts"
        " the new tasks in the database after all has come to rest: none may be lost, and none be stored that was"
        " refused with `Retry-After`.",
        ("instances", "a creation takes", "rate", "p99", "answers", "503 with Retry-After", "stored", "nothing wrong"),
        rows,
    )


def row(count: int, held: float, results: Results, stored: int) -> tuple[str, ...]:
    """The row of one number of instances."""
    answers = ", ".join(f"{number} × {status}" for status, number in sorted(results.statuses.items()))
    answers += f", {results.unanswered} without answer" if results.unanswered else ""
    return (
        *(str(count), milliseconds(held), f"{results.per_second:.0f}/s", milliseconds(results.percentile(0.99))),
        *(answers, str(results.retry_after), str(stored), "yes" if is_right(results, stored) else "NO"),
    )


def is_right(results: Results, stored: int) -> bool:
    """Whether every confirmed task is stored, and none that was refused with `Retry-After`."""
    unknown = results.errors - results.retry_after + results.unanswered
    return results.statuses[201] <= stored <= results.statuses[201] + unknown


def _run(databases: Databases, pooler: Pooler, count: int, seconds: float) -> tuple[Results, int]:
    accounts = [User(number, 0, 0, databases.empty.contents).account for number in range(count)]
    before = _tasks(databases)
    functions = Functions(databases.empty.application, databases.settings(databases.empty, pooler), count)
    try:
        pairs = [(each, each) for each in accounts]
        results = run_clients(functions.port, pairs, seconds, requests=creations, grace_seconds=OVERLOAD_GRACE_SECONDS)
    finally:
        functions.stop()
    while databases.empty.database.query(RUNNING) != [[[0]]]:
        time.sleep(0.05)
    return results, _tasks(databases) - before


def _tasks(databases: Databases) -> int:
    [[[count]]] = databases.empty.database.query("select count(*) from tasks")
    return int(count)


@contextmanager
def _slow_creations(databases: Databases, seconds: float) -> Iterator[None]:
    database = databases.empty.database
    database.query(SLOW_CREATIONS.format(seconds=seconds), TRIGGER)
    try:
        yield
    finally:
        database.query("drop function slow_creation cascade")
