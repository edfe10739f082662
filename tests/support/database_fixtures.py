"""PgBouncer in front of the tests' PostgreSQL, and applications that reach their database in unusual ways."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dev.embedded_postgres.server import EmbeddedPostgres
from tests.conftest import MakeClient
from tests.support.database_copy import DatabaseCopy
from tests.support.flight_counter import FlightCounter
from tests.support.people import Person
from tests.support.pooler import Pooler, require_pgbouncer

StartPooler = Callable[..., Pooler]
CountFlights = Callable[[int], FlightCounter]
Elsewhere = Callable[..., Person]


def through(port: int, database: DatabaseCopy) -> str:
    """The database's URL by way of another port of this machine."""
    return database.url.replace(f":{database.server.port}/", f":{port}/")


@pytest.fixture(scope="session")
def pooler(postgres: EmbeddedPostgres, template: DatabaseCopy) -> Iterator[Pooler]:
    """A PgBouncer with 20 connections to each database, for all tests that leave it running."""
    require_pgbouncer()
    with Pooler(postgres, pool_size=20) as running:
        yield running


@pytest.fixture
def start_pooler(postgres: EmbeddedPostgres, template: DatabaseCopy) -> Iterator[StartPooler]:
    """Starts poolers of the test's own."""
    require_pgbouncer()
    with ExitStack() as running:

        def start(**options: object) -> Pooler:
            return running.enter_context(Pooler(postgres, **options))  # type: ignore[arg-type]  # as Pooler says

        yield start


@pytest.fixture
def count_flights() -> Iterator[CountFlights]:
    """Starts proxies that count the round trips to a port."""
    with ExitStack() as running:
        yield lambda port: running.enter_context(FlightCounter(port))


@pytest.fixture
def elsewhere(make_client: MakeClient) -> Elsewhere:
    """Gives the same person, signed in, at another application; one with a connection per request, unless told so."""

    def move(person: Person, **settings: object) -> Person:
        client = make_client(**{"database_pool_size": 0, **settings})
        return Person(client, person.password, person.auth)

    return move


Logged = Callable[[], list[dict[str, Any]]]


def unavailable(logged: Logged) -> list[str]:
    """The levels at which it was logged that the database is unavailable."""
    return [line["level"] for line in logged() if line["message"] == "Database unavailable"]
