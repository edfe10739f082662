"""How often a request waits for the network, counted by a proxy: exact, and the same on every machine."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.testclient import TestClient

from backend.database.transactions import Database
from backend.web.parts import part_of
from benchmarks.laboratory import Application, Laboratory
from benchmarks.measure import Finding, Section
from tests.postgres.test_round_trips import OPERATIONS, Operation
from tests.support.flight_counter import FlightCounter
from tests.support.people import Person


@dataclass(frozen=True)
class Counts:
    """Round trips of one operation: of a new engine, and of one that has connected before."""

    first: int
    later: int


def measure(laboratory: Laboratory, say: Callable[[str], None]) -> Section:
    """Every operation, of both applications."""
    rows, as_designed = [], True
    for name, operation in OPERATIONS.items():
        ours, stock = (_count(laboratory, each, operation) for each in laboratory.applications)
        say(f"round trips, {name}: {ours.later} against {stock.later}")
        ratio = f"{ours.later / stock.later:.2f}"
        rows.append((name, str(ours.first), str(ours.later), str(stock.first), str(stock.later), ratio))
        as_designed &= ours == Counts(operation.round_trips, operation.round_trips)
    measured = "as many, the first time too" if as_designed else "other counts"
    return Section(
        "Network round trips",
        "From connect to COMMIT, on a connection of its own through PgBouncer with TLS 1.3 and SCRAM; the first request"
        " of a new engine and a later one. Stock asks no rate limits at sign-up, sign-in and refresh, and no limit of"
        " tasks.",
        ("operation", "this project, first", "later", "stock, first", "later", "ratio"),
        rows,
        [Finding("round trips", measured, "9 for reads, POST, toggle, DELETE; 10 for PUT", as_designed)],
    )


def _count(laboratory: Laboratory, application: Application, operation: Operation) -> Counts:
    assert laboratory.pooler is not None
    preparing = application.create(laboratory.with_pool(application))
    with FlightCounter(laboratory.pooler.port) as proxy:
        counted = TestClient(application.create(laboratory.through_pooler(application, port=proxy.port)))
        counts = []
        for _ in range(2):
            person = Person.sign_up(TestClient(preparing))
            person.adds_task()
            method, path, options = operation.of(person)
            before = proxy.round_trips
            answer = Person(counted, person.password, person.auth).request(method, path, **options)
            assert answer.status_code == operation.status, answer.text
            proxy.wait_until_closed()
            counts.append(proxy.round_trips - before)
    part_of(preparing, Database).close()
    return Counts(*counts)
