"""Creates that wait in a full pooler until their clients have gone: when they reach PostgreSQL, they change nothing."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from backend.database.failures import DatabaseUnavailable
from backend.database.transactions import Database
from backend.postgres import Connection, DatabaseUrl, Opening, connection
from backend.postgres.wire import Wire
from backend.tasks import service
from tests.conftest import MakeClient
from tests.support.checked_users import LIMITS, current_user
from tests.support.concurrency import at_once
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import StartPooler
from tests.support.people import Person
from tests.support.pooler import Pooler

pytestmark = pytest.mark.spec("SC-010", "NFR-014", "EDGE-database-connection-failure")

SERVER_CONNECTIONS = 2
LATE = [f"Late {number}" for number in range(10)]
FLIGHT_SECONDS = 1.0
LIMIT_SECONDS = 30

CreateTooLate = Callable[..., list[str]]

each_login = pytest.mark.parametrize("as_owner", [False, True], ids=["the login's own", "the owner's"])


@pytest.fixture
def silent_closing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Connections are closed without a word to the other side, as when a machine is frozen or a network is cut."""
    kept_open: list[int] = []

    def close(wire: Wire) -> None:
        kept_open.append(os.dup(wire.sock.fileno()))
        wire.sock.close()

    monkeypatch.setattr(Wire, "close", close)
    yield
    for descriptor in kept_open:
        os.close(descriptor)


@pytest.fixture
def create_too_late(
    start_pooler: StartPooler,
    fresh_database: DatabaseCopy,
    make_client: MakeClient,
    silent_closing: None,
    monkeypatch: pytest.MonkeyPatch,
) -> CreateTooLate:
    """Creates a task in time. Has more creates wait in a full pooler until their clients have gone, and lets them run.

    Gives the titles of the tasks that there are in the end.
    """

    def create_them(*, as_owner: bool) -> list[str]:
        person = Person.sign_up(make_client(database_url=fresh_database.url))
        pooler = start_pooler(pool_size=SERVER_CONNECTIONS)
        url = DatabaseUrl.parse(pooler.url(fresh_database, as_owner=as_owner), ca_file=str(pooler.ca_file))
        user = current_user(person, Database(url, pool_size=0))

        def create(title: str) -> None:
            service.create(user, title=title, description=None, limits=LIMITS)

        def create_and_give_up(number: int) -> None:
            with pytest.raises(DatabaseUnavailable) as failed:
                create(LATE[number])
            assert failed.value.headers == {}  # no Retry-After: the client cannot know what becomes of it

        create("In time")
        with ExitStack() as idle_transactions:
            for _ in range(SERVER_CONNECTIONS):
                busy = idle_transactions.enter_context(Connection(url))
                busy.execute("select 1")
                idle_transactions.callback(busy.rollback)
            with monkeypatch.context() as patch:
                patch.setattr(connection, "READ_TIMEOUT_SECONDS", FLIGHT_SECONDS)
                at_once(create_and_give_up, len(LATE))
            _wait_until(pooler, fresh_database, unanswered=SERVER_CONNECTIONS + len(LATE))
            assert _titles(fresh_database) == ["In time"]
        _wait_until(pooler, fresh_database, unanswered=0)
        return _titles(fresh_database)

    return create_them


def _titles(database: DatabaseCopy) -> list[str]:
    [rows] = database.query("select title from tasks order by title")
    return [title for [title] in rows]


def _wait_until(pooler: Pooler, database: DatabaseCopy, *, unanswered: int) -> None:
    """Wait until so many clients wait for a server connection, or have one."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while (found := pooler.unanswered(database)) != unanswered:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


@each_login
def test_a_flight_that_arrives_after_its_deadline_writes_nothing(
    create_too_late: CreateTooLate, as_owner: bool
) -> None:
    assert create_too_late(as_owner=as_owner) == ["In time"]


@each_login
def test_the_same_flights_would_write_if_their_deadline_were_later(
    create_too_late: CreateTooLate, as_owner: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = Opening.units

    def an_hour_later(opening: Opening, *, ends_at: float, reads: bool) -> bytes:
        return units(opening, ends_at=ends_at + 3600, reads=reads)

    monkeypatch.setattr(Opening, "units", an_hour_later)
    assert create_too_late(as_owner=as_owner) == ["In time", *LATE]
