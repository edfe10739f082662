"""Counts the network round trips of each operation with a proxy. The counts are exact and the same on every machine."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.testclient import TestClient

from benchmarks.measure import Finding, Section
from benchmarks.testbed import Application, Testbed
from tests.postgres.test_round_trips import OPERATIONS, Operation
from tests.support.applications import close
from tests.support.people import Person
from tests.support.round_trip_counter import RoundTripCounter


@dataclass(frozen=True)
class Counts:
    """The round trips of an operation: the first with a new engine, and a later one."""

    first: int
    later: int


def measure(testbed: Testbed, log_progress: Callable[[str], None]) -> Section:
    """Count for every operation and both applications."""
    rows, as_designed = [], True
    for name, operation in OPERATIONS.items():
        ours, stock = (_count(testbed, each, operation) for each in testbed.applications)
        log_progress(f"round trips, {name}: {ours.later} against {stock.later}")
        ratio = f"{ours.later / stock.later:.2f}"
        rows.append((name, str(ours.first), str(ours.later), str(stock.first), str(stock.later), ratio))
        as_designed &= ours == Counts(operation.round_trips, operation.round_trips)
    measured = "as many, the first time too" if as_designed else "other counts"
    return Section(
        "Network round trips",
        "Counted from connecting to the last answer that the request waits for. Each request makes a connection through"
        " PgBouncer, with TLS 1.3 and SCRAM. “First” is the first request of a new engine, “later” one after it. Stock"
        " does not check rate limits at sign-up, sign-in and refresh, nor the number of a user's tasks.",
        ("operation", "this project, first", "later", "stock, first", "later", "ratio"),
        rows,
        [Finding("round trips", measured, _by_number(), as_designed)],
    )


def _by_number() -> str:
    """The round trips of each operation, as `5 for list, get; 6 for create`."""
    names: dict[int, list[str]] = {}
    for name, operation in OPERATIONS.items():
        names.setdefault(operation.round_trips, []).append(name)
    return "; ".join(f"{count} for {', '.join(names[count])}" for count in sorted(names))


def _count(testbed: Testbed, application: Application, operation: Operation) -> Counts:
    assert testbed.pooler is not None
    preparing = application.create(testbed.with_pool(application))
    with RoundTripCounter(testbed.pooler.port) as proxy:
        counted = TestClient(application.create(testbed.through_pooler(application, port=proxy.port)))
        counts = []
        for _ in range(2):
            person = Person.sign_up(TestClient(preparing))
            person.create_task()
            method, path, options = operation.of(person)
            before = proxy.round_trips
            answer = Person(counted, person.password, person.auth).request(method, path, **options)
            assert answer.status_code == operation.status, answer.text
            proxy.wait_until_closed()
            counts.append(proxy.round_trips - before)
    close(preparing)
    return Counts(*counts)
