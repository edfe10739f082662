"""Counts the network round trips of each operation with a proxy. The counts are exact and the same on every machine."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.testclient import TestClient

from backend.settings import Settings
from benchmarks.charts import Chart, Panel
from benchmarks.drivers import OURS, Driver
from benchmarks.measure import Finding, Section
from benchmarks.testbed import Application, Testbed
from tests.postgres.test_round_trips import OPERATIONS, Operation
from tests.support.applications import close
from tests.support.people import Person
from tests.support.round_trip_counter import RoundTripCounter

NOT_COUNTED = "not counted"
DIRECT = "direct TLS"
PEERS = (Driver.PG8000, Driver.PSYCOPG)
"""Sharing a TLS context saves no round trip."""


@dataclass(frozen=True)
class Counts:
    """The round trips of an operation: the first with a new engine, and a later one."""

    first: int
    later: int

    def __str__(self) -> str:
        return str(self.later) if self.first == self.later else f"{self.later} (first {self.first})"


@dataclass(frozen=True)
class Counted:
    """Where round trips are counted.

    :ivar preparing: settings with which users are made
    :ivar settings: gives the settings for a proxy on the port
    :ivar port: what the proxy leads to
    """

    application: Application
    preparing: Settings
    settings: Callable[[int], Settings]
    port: int


def measure(testbed: Testbed, log_progress: Callable[[str], None]) -> Section:
    """Count for every operation: this project through the pooler and with direct TLS, and the peers."""
    places = [
        _through_pooler(testbed, testbed.ours),
        _directly(testbed),
        *(_through_pooler(testbed, testbed.peers[driver]) for driver in PEERS),
    ]
    rows, all_counts = [], dict[str, list[Counts | None]]()
    for name, operation in OPERATIONS.items():
        ours, direct, *others = all_counts[name] = [_count(place, operation) if place else None for place in places]
        assert ours
        texts = [str(each or NOT_COUNTED) for each in (ours, direct, *others)]
        log_progress(f"round trips, {name}: {' | '.join(texts)}")
        rows.append((name, *texts, f"{ours.later / min(each.later for each in others if each):.2f}"))
    return Section(
        "Network round trips",
        "Counted from connecting to the last answer that the request waits for. Each request makes a connection through"
        " PgBouncer, with TLS 1.3 and SCRAM. The first request of an engine is counted too, and named where it differs."
        " “Direct TLS” is `sslnegotiation=direct`, counted at a PostgreSQL with TLS, because PgBouncer has it from 1.25"
        " on. The ratio is to the better of the two others. They do not check rate limits at sign-up, sign-in and"
        " refresh, nor the number of a user's tasks.",
        ("operation", OURS, DIRECT, *(driver.value for driver in PEERS), "ratio"),
        rows,
        _findings(all_counts),
        _chart({name: [counts[0], *counts[2:]] for name, counts in all_counts.items()}),
    )


def _findings(all_counts: dict[str, list[Counts | None]]) -> list[Finding]:
    findings = []
    variants: tuple[tuple[str, Callable[[Operation], int]], ...] = (
        ("round trips", lambda operation: operation.round_trips),
        (f"round trips, {DIRECT}", lambda operation: operation.round_trips_with_direct_tls),
    )
    for index, (what, promised) in enumerate(variants):
        counted = {name: counts[index] for name, counts in all_counts.items()}
        target = _by_number({name: promised(operation) for name, operation in OPERATIONS.items()})
        if None in counted.values():
            findings.append(Finding(what, NOT_COUNTED, target, is_met=False, reason="there is no PostgreSQL with TLS"))
            continue
        is_met = all(counted[name] == Counts(*[promised(operation)] * 2) for name, operation in OPERATIONS.items())
        findings.append(Finding(what, "as many, the first time too" if is_met else "other counts", target, is_met))
    return findings


def _by_number(round_trips: dict[str, int]) -> str:
    """The round trips of each operation, as `5 for list, get; 6 for create`."""
    names: dict[int, list[str]] = {}
    for name, count in round_trips.items():
        names.setdefault(count, []).append(name)
    return "; ".join(f"{count} for {', '.join(names[count])}" for count in sorted(names))


def _chart(counts: dict[str, list[Counts | None]]) -> Chart:
    ours, stock, psycopg = zip(*([each and each.later for each in row] for row in counts.values()), strict=True)
    series = {OURS: ours, Driver.PSYCOPG: psycopg, Driver.PG8000: stock}
    description = (
        f"Dots for each operation. This project needs {min(ours)} to {max(ours)} round trips, psycopg 3"
        f" {min(psycopg)} to {max(psycopg)}, stock pg8000 {min(stock)} to {max(stock)}."
    )
    title = "How often a request waits for the network, connecting included"
    return Chart("round-trips.svg", title, description, [Panel("dots", list(counts), series, "round trips")])


def _through_pooler(testbed: Testbed, application: Application) -> Counted:
    assert testbed.pooler is not None

    def settings(port: int) -> Settings:
        return testbed.through_pooler(application, port=port)

    return Counted(application, testbed.with_pool(application), settings, testbed.pooler.port)


def _directly(testbed: Testbed) -> Counted | None:
    database = testbed.tls_database
    if database is None:
        return None
    return Counted(testbed.ours, testbed.directly(database.server.port), testbed.directly, database.server.port)


def _count(counted: Counted, operation: Operation) -> Counts:
    preparing = counted.application.create(counted.preparing)
    with RoundTripCounter(counted.port) as proxy:
        client = TestClient(counted.application.create(counted.settings(proxy.port)))
        counts = []
        for _ in range(2):
            person = Person.sign_up(TestClient(preparing))
            person.create_task()
            method, path, options = operation.of(person)
            before = proxy.round_trips
            answer = Person(client, person.password, person.auth).request(method, path, **options)
            assert answer.status_code == operation.status, answer.text
            proxy.wait_until_closed()
            counts.append(proxy.round_trips - before)
    close(preparing)
    return Counts(*counts)
