"""Many clients on few server connections: each gets only its own answers, and none waits forever."""

import random
from collections.abc import Callable
from itertools import chain
from typing import Any

import httpx2
import pytest
from pg8000.exceptions import DatabaseError

from backend.app import create_app
from backend.database.roles import AUTH_ROLE
from backend.postgres.connection import Connection
from backend.postgres.sqlstates import sqlstate
from backend.postgres.url import DatabaseUrl
from tests.conftest import MakeSettings
from tests.support.concurrency import at_once
from tests.support.database_copy import LOGIN, DatabaseCopy
from tests.support.database_fixtures import StartPooler
from tests.support.people import Person
from tests.support.pooler import Pooler
from tests.support.serving import serving

CLIENTS = 60
SERVER_CONNECTIONS = 5
STATEMENTS = 10_000

pytestmark = pytest.mark.spec("SC-003", "SC-006", "SC-010", "NFR-012")


@pytest.fixture
def crowded(start_pooler: StartPooler, shared_database: DatabaseCopy) -> DatabaseUrl:
    """The shared database behind a pooler with far fewer server connections than clients."""
    pooler = start_pooler(pool_size=SERVER_CONNECTIONS)
    return DatabaseUrl.parse(pooler.url(shared_database), ca_file=str(pooler.ca_file))


class Client:
    """One client. Its statements are unique, so it can check that each answer belongs to its statement."""

    def __init__(self, number: int, connected: Connection) -> None:
        self.number, self.connected = number, connected
        self.query_count = 0
        self.random = random.Random(number)

    def query(self, statement: str, *values: object) -> Any:
        """The one value of a statement, whose column is named for this client and statement."""
        self.query_count += 1
        column = f"client_{self.number}_{self.query_count}"
        cursor = self.connected.cursor()
        cursor.execute(f"{statement} as {column}", values)
        assert [name for name, *_ in cursor.description or ()] == [column]
        [[value]] = cursor.fetchall()
        return value

    def query_own_value(self) -> None:
        """Run a statement that no other client sends, with a parameter or without."""
        secret = self.number * 1_000_000 + self.query_count
        if self.random.random() < 0.5:
            assert self.query("select $1::int", secret) == secret
        else:
            assert self.query(f"select {secret}") == secret

    def expect_error(self, statement: str, state: str) -> None:
        """Run a statement that must fail with this SQLSTATE."""
        self.query_count += 1
        with pytest.raises(DatabaseError) as failed:
            self.connected.cursor().execute(statement)
        assert sqlstate(failed.value) == state


def in_transactions(client: Client) -> None:
    """A transaction of several statements, which may fail or be rolled back."""
    mine = f"user {client.number}"
    assert client.query("select current_user::text") == AUTH_ROLE
    assert client.query("select nullif(current_setting('app.user_id', true), '')") is None
    client.query("select set_config('app.user_id', $1, true)", mine)
    for _ in range(client.random.randint(0, 3)):
        client.query_own_value()
    assert client.query("select current_setting('app.user_id')") == mine
    chance = client.random.random()
    if chance < 0.1:
        client.expect_error("select 1/0", "22012")
    elif chance < 0.12:
        client.query("select set_config('statement_timeout', '1', true)")
        client.expect_error("select pg_sleep(60)", "57014")
    if chance < 0.2:
        client.connected.rollback()
    else:
        client.connected.commit()


def one_by_one(client: Client) -> None:
    """Single statements without a transaction, which may fail."""
    client.connected.autocommit = True
    client.query_own_value()
    assert client.query("select current_user::text") == LOGIN
    assert client.query("select nullif(current_setting('app.user_id', true), '')") is None
    if client.random.random() < 0.1:
        client.expect_error("select 1/0", "22012")
    client.connected.autocommit = False


def test_sixty_clients_on_five_connections_get_only_their_own_answers(crowded: DatabaseUrl) -> None:
    def act(number: int) -> int:
        in_role = number % 2 == 0
        with Connection.open(crowded, role=AUTH_ROLE if in_role else None) as connected:
            client = Client(number, connected)
            while client.query_count < STATEMENTS / CLIENTS:
                (in_transactions if in_role else one_by_one)(client)
            return client.query_count

    assert sum(at_once(act, CLIENTS)) >= STATEMENTS


@pytest.mark.spec("FR-023")
def test_role_and_user_do_not_outlive_their_transaction(crowded: DatabaseUrl) -> None:
    for _ in range(2 * SERVER_CONNECTIONS):
        with Connection.open(crowded, role=AUTH_ROLE) as first:
            cursor = first.cursor()
            cursor.execute("select set_config('app.user_id', 'somebody', true), set_config('role', 'todo_user', true)")
            first.commit()
        with Connection.open(crowded) as second:
            cursor = second.cursor()
            cursor.execute("select nullif(current_setting('app.user_id', true), ''), current_user")
            assert list(cursor.fetchall()) == [[None, LOGIN]]
            second.rollback()


HTTP_CLIENTS = 100


def work_on_tasks(url: str, rounds: int) -> Callable[[int], list[int]]:
    """Gives the function that each client runs: it signs up, works on tasks, and gives the statuses."""

    def act(number: int) -> list[int]:
        with httpx2.Client(base_url=url, timeout=60) as http:
            person = Person.sign_up(http)
            statuses = []
            for turn in range(rounds):
                title = f"Task {turn} of {number}"
                task = person.create_task(title)
                toggled = person.patch(f"/api/tasks/{task['id']}/toggle")
                edited = person.put(f"/api/tasks/{task['id']}", json={"description": title})
                statuses += [toggled.status_code, edited.status_code]
                assert [task["title"] for task in person.tasks()] == [f"Task {n} of {number}" for n in range(turn + 1)]
            return statuses

    return act


@pytest.mark.spec("SC-020", "NFR-013")
@pytest.mark.parametrize("rounds", [1, pytest.param(30, marks=pytest.mark.long)])
@pytest.mark.timeout(900)
def test_a_hundred_people_are_served_through_the_pooler(
    rounds: int, make_settings: MakeSettings, pooler: Pooler, fresh_database: DatabaseCopy
) -> None:
    settings = make_settings(
        database_url=pooler.url(fresh_database),
        database_ca_file=str(pooler.ca_file),
        database_pool_size=0,
        signups_per_address=HTTP_CLIENTS,
    )
    with serving(create_app(settings)) as url:
        assert set(chain(*at_once(work_on_tasks(url, rounds), HTTP_CLIENTS))) == {200}


@pytest.mark.spec("SC-020", "NFR-013")
@pytest.mark.parametrize("rounds", [1, pytest.param(30, marks=pytest.mark.long)])
@pytest.mark.timeout(900)
def test_a_hundred_people_are_served_by_a_pool_of_twenty(
    rounds: int, make_settings: MakeSettings, fresh_database: DatabaseCopy
) -> None:
    settings = make_settings(database_url=fresh_database.url, database_pool_size=20, signups_per_address=HTTP_CLIENTS)
    with serving(create_app(settings)) as url:
        assert set(chain(*at_once(work_on_tasks(url, rounds), HTTP_CLIENTS))) == {200}
