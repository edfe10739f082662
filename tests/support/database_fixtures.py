"""Fixtures: PgBouncer in front of the tests' PostgreSQL, proxies that count round trips, other applications."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dev.embedded_postgres.server import EmbeddedPostgres
from tests.conftest import MakeClient
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person
from tests.support.pooler import Pooler, require_pgbouncer
from tests.support.round_trip_counter import RoundTripCounter

StartPooler = Callable[..., Pooler]
CountRoundTrips = Callable[[int], RoundTripCounter]
Elsewhere = Callable[..., Person]


def url_through_port(port: int, database: DatabaseCopy) -> str:
    """The database's URL with another port of this machine."""
    return database.url.replace(f":{database.server.port}/", f":{port}/")


@pytest.fixture(scope="session")
def pooler(postgres: EmbeddedPostgres, template: DatabaseCopy) -> Iterator[Pooler]:
    """A PgBouncer with 20 connections to each database, for all tests that do not stop it."""
    require_pgbouncer()
    with Pooler(postgres, pool_size=20) as running:
        yield running


@pytest.fixture
def start_pooler(postgres: EmbeddedPostgres, template: DatabaseCopy) -> Iterator[StartPooler]:
    """Starts poolers for one test."""
    require_pgbouncer()
    with ExitStack() as running:

        def start(**options: object) -> Pooler:
            return running.enter_context(Pooler(postgres, **options))  # type: ignore[arg-type]  # as Pooler says

        yield start


@pytest.fixture
def count_round_trips() -> Iterator[CountRoundTrips]:
    """Starts proxies that count the round trips to a port."""
    with ExitStack() as running:
        yield lambda port: running.enter_context(RoundTripCounter(port))


@pytest.fixture
def elsewhere(make_client: MakeClient) -> Elsewhere:
    """Gives the same person, with the same sign-in, as a client of another application with these settings.

    Without other settings, that application opens a connection for each request.
    """

    def move(person: Person, **settings: object) -> Person:
        client = make_client(**{"database_pool_size": 0, **settings})
        return Person(client, person.password, person.auth)

    return move


Logged = Callable[[], list[dict[str, Any]]]


def levels_of_unavailable(logged: Logged) -> list[str]:
    """The levels of the log lines that say that the database is unavailable."""
    return [line["level"] for line in logged() if line["message"] == "Database unavailable"]
