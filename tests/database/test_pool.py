"""The number of connections: one per request on Lambda, a bounded pool on a server."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx2
import pytest
from pg8000.native import Connection as OwnerConnection
from sqlalchemy import text

from backend.app import create_app
from backend.auth import passwords
from backend.database import transactions
from backend.database.transactions import Database
from backend.errors import ApiError
from backend.web.parts import part_of
from tests.conftest import MakeClient, MakeSettings
from tests.support.concurrency import at_once
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import CountRoundTrips, Elsewhere, url_through_port
from tests.support.people import PASSWORD, Person
from tests.support.serving import serving

pytestmark = pytest.mark.spec("SC-020", "NFR-013")

A_LIST_ON_AN_OPEN_CONNECTION = 1
"""Round trips: opening, check of the sign-in, list and commit are one flight."""
LOCK_KEY = 4711
LOCK_WAITERS = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@pytest.fixture
def superuser(fresh_database: DatabaseCopy) -> Any:
    """A connection that sees the application's connections to the fresh database, and can end them."""
    with fresh_database.connect_as_owner() as connected:
        yield connected


@pytest.fixture
def dora(make_client: MakeClient, fresh_database: DatabaseCopy) -> Person:
    """A user in the fresh database, at an application that leaves no connection open."""
    return Person.sign_up(make_client(database_url=fresh_database.url, database_pool_size=0))


def connection_states(superuser: OwnerConnection) -> list[str]:
    """The state of each of the application's connections."""
    found = superuser.run(
        "select state from pg_stat_activity where datname = current_database() and usename = 'todo_api' order by 1"
    )
    return [state for [state] in found]


def terminate_all(superuser: OwnerConnection) -> None:
    superuser.run(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
        "where datname = current_database() and usename = 'todo_api'"
    )


@contextmanager
def every_connection_in_use(database: Database, superuser: OwnerConnection) -> Iterator[None]:
    """Have a statement wait on the only connection of the pool until the block ends."""
    with ThreadPoolExecutor() as threads:
        superuser.run("select pg_advisory_lock(:key)", key=LOCK_KEY)
        waiting = threads.submit(database.run, text("select pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        try:
            while not superuser.run(LOCK_WAITERS):
                time.sleep(0.01)
            yield
        finally:
            superuser.run("select pg_advisory_unlock(:key)", key=LOCK_KEY)
        waiting.result()


class TestWithoutPool:
    """DATABASE_POOL_SIZE=0."""

    def test_each_request_opens_a_connection_and_closes_it(
        self, ada: Person, elsewhere: Elsewhere, count_round_trips: CountRoundTrips, shared_database: DatabaseCopy
    ) -> None:
        proxy = count_round_trips(shared_database.server.port)
        there = elsewhere(ada, database_url=url_through_port(proxy.port, shared_database))
        sign_up = partial(Person.sign_up, there.http)
        for request in (there.tasks, there.create_task, there.sign_in_again, there.refresh, sign_up):
            before = proxy.connections
            request()
            proxy.wait_until_closed()
            assert proxy.connections == before + 1

    def test_a_request_that_needs_no_database_opens_none(
        self, make_client: MakeClient, count_round_trips: CountRoundTrips, shared_database: DatabaseCopy
    ) -> None:
        proxy = count_round_trips(shared_database.server.port)
        client = make_client(database_url=url_through_port(proxy.port, shared_database), database_pool_size=0)
        assert client.get("/").status_code == 200
        assert client.get("/api/tasks").status_code == 401
        assert client.post("/api/tasks", json={}).status_code == 401
        assert proxy.connections == 0


class TestPool:
    """DATABASE_POOL_SIZE=n."""

    def test_is_bounded(
        self,
        dora: Person,
        make_settings: MakeSettings,
        count_round_trips: CountRoundTrips,
        fresh_database: DatabaseCopy,
    ) -> None:
        proxy = count_round_trips(fresh_database.server.port)
        settings = make_settings(database_url=url_through_port(proxy.port, fresh_database), database_pool_size=2)
        with serving(create_app(settings)) as url:
            answers = at_once(lambda _: httpx2.get(f"{url}/api/tasks", headers=dora.headers, timeout=60), 12)
        assert {answer.status_code for answer in answers} == {200}
        assert 1 <= proxy.connections <= 2

    def test_keeps_its_connection_and_checks_it_without_a_round_trip(
        self, ada: Person, elsewhere: Elsewhere, count_round_trips: CountRoundTrips, shared_database: DatabaseCopy
    ) -> None:
        proxy = count_round_trips(shared_database.server.port)
        there = elsewhere(ada, database_url=url_through_port(proxy.port, shared_database), database_pool_size=3)
        there.tasks()
        for _ in range(3):
            before = proxy.round_trips
            there.tasks()
            assert proxy.round_trips - before == A_LIST_ON_AN_OPEN_CONNECTION
        assert proxy.connections == 1

    @pytest.mark.spec("NFR-014", "EDGE-database-connection-failure")
    def test_replaces_connections_that_the_server_has_ended(
        self, dora: Person, elsewhere: Elsewhere, fresh_database: DatabaseCopy, superuser: OwnerConnection
    ) -> None:
        there = elsewhere(dora, database_url=fresh_database.url, database_pool_size=3)
        for _ in range(2):
            assert there.tasks() == []
            assert connection_states(superuser) == ["idle"]
            terminate_all(superuser)
        assert there.tasks() == []

    def test_renews_connections_before_neon_goes_to_sleep(
        self,
        ada: Person,
        elsewhere: Elsewhere,
        count_round_trips: CountRoundTrips,
        shared_database: DatabaseCopy,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        assert transactions.POOL_RECYCLE_SECONDS < 300
        monkeypatch.setattr(transactions, "POOL_RECYCLE_SECONDS", 0)
        proxy = count_round_trips(shared_database.server.port)
        there = elsewhere(ada, database_url=url_through_port(proxy.port, shared_database), database_pool_size=1)
        there.tasks()
        for _ in range(3):
            before = proxy.connections
            there.tasks()
            assert proxy.connections == before + 1

    @pytest.mark.parametrize(
        ("request_of", "status"),
        [
            (lambda person: person.get("/api/tasks"), 200),
            (lambda person: person.get("/api/tasks/00000000-0000-0000-0000-000000000000"), 404),
            (lambda person: person.post("/api/auth/signout"), 200),
            (
                lambda person: person.http.post("/api/auth/signin", json={"email": person.email, "password": "x" * 8}),
                401,
            ),
            (lambda person: person.http.get("/api/health"), 200),
        ],
    )
    def test_no_transaction_stays_open(
        self,
        request_of: Callable[[Person], httpx2.Response],
        status: int,
        dora: Person,
        elsewhere: Elsewhere,
        fresh_database: DatabaseCopy,
        superuser: OwnerConnection,
    ) -> None:
        there = elsewhere(dora, database_url=fresh_database.url, database_pool_size=2)
        assert request_of(there).status_code == status
        assert set(connection_states(superuser)) == {"idle"}

    def test_a_request_that_waits_too_long_for_a_connection_may_try_again(
        self,
        dora: Person,
        make_client: MakeClient,
        make_settings: MakeSettings,
        fresh_database: DatabaseCopy,
        superuser: OwnerConnection,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(transactions, "POOL_TIMEOUT_SECONDS", 0.1)
        app = create_app(make_settings(database_url=fresh_database.url, database_pool_size=1))
        there = Person(make_client(app=app), dora.password, dora.auth)
        with every_connection_in_use(part_of(app, Database), superuser):
            answer = there.get("/api/tasks")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert there.tasks() == []

    def test_no_connection_is_held_while_a_password_is_hashed(
        self,
        dora: Person,
        make_client: MakeClient,
        make_settings: MakeSettings,
        fresh_database: DatabaseCopy,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(transactions, "POOL_TIMEOUT_SECONDS", 0.1)
        app = create_app(make_settings(database_url=fresh_database.url, database_pool_size=1))
        free: list[Any] = []

        def meanwhile(slow: Callable[..., Any]) -> Callable[..., Any]:
            def work(*arguments: Any) -> Any:
                free.extend(part_of(app, Database).read(text("select 1")))
                return slow(*arguments)

            return work

        monkeypatch.setattr(passwords, "verify_password", meanwhile(passwords.verify_password))
        monkeypatch.setattr(passwords, "hash_password", meanwhile(passwords.hash_password))
        there = Person(make_client(app=app), PASSWORD, dora.auth)
        there.sign_in_again()
        Person.sign_up(there.http)
        assert free == [(1,), (1,)]

    @pytest.mark.spec("NFR-014", "SC-010")
    @pytest.mark.parametrize(
        ("statement", "status"),
        [("select 1 / 0", 422), ("select * from tasks", 503), ("select nothing", 503), ("selected", 503)],
    )
    def test_a_failed_statement_leaves_its_connection_in_use(
        self,
        statement: str,
        status: int,
        make_settings: MakeSettings,
        count_round_trips: CountRoundTrips,
        shared_database: DatabaseCopy,
    ) -> None:
        proxy = count_round_trips(shared_database.server.port)
        settings = make_settings(database_url=url_through_port(proxy.port, shared_database))
        database = Database(settings.database(), pool_size=1)
        database.read(text("select 1"))
        before = proxy.round_trips
        with pytest.raises(ApiError) as failed:
            database.run(text(statement))
        database.read(text("select 1"))
        assert failed.value.status == status
        assert (proxy.connections, proxy.round_trips - before) == (1, 2)
        database.close()
