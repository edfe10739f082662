"""Many clients on few server connections: each gets only its own answers, and none waits forever."""

import random
from collections.abc import Callable
from itertools import chain
from typing import Any

import httpx2
import pytest

from backend.app import create_app
from backend.database.roles import AUTH_ROLE, USER_ROLE
from backend.postgres import Check, CheckFailed, Connection, DatabaseUrl, Flight, Opening, ServerError, sqlstate
from tests.conftest import MakeSettings
from tests.support.concurrency import at_once
from tests.support.database_copy import LOGIN, DatabaseCopy
from tests.support.database_fixtures import StartPooler
from tests.support.flights import READS, WRITES, value
from tests.support.people import Person
from tests.support.pooler import Pooler
from tests.support.serving import serving

CLIENTS = 60
SERVER_CONNECTIONS = 5
STATEMENTS = 10_000
USER = "select nullif(current_setting('app.user_id', true), '')"
BIND = "select set_config('app.user_id', $1, true) where $2::boolean"

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
        self.name = f"user {number}"

    def query(self, statement: str, *values: object, flight: Flight | None = None) -> Any:
        """The one value of a statement, whose column is named for this client and statement."""
        self.query_count += 1
        column = f"client_{self.number}_{self.query_count}"
        result = self.connected.execute(f"{statement} as {column}", values, flight)
        assert [name for name, _ in result.columns or ()] == [column]
        [[only]] = result.rows
        return only

    def query_own_value(self, flight: Flight | None = None) -> None:
        """Run a statement that no other client sends, with a parameter or without."""
        secret = self.number * 1_000_000 + self.query_count
        if self.random.random() < 0.5:
            assert self.query("select $1::int", secret, flight=flight) == secret
        else:
            assert self.query(f"select {secret}", flight=flight) == secret

    def expect_error(self, statement: str, state: str, flight: Flight | None = None) -> None:
        """Run a statement that must fail with this SQLSTATE."""
        self.query_count += 1
        with pytest.raises(ServerError) as failed:
            self.connected.execute(statement, flight=flight)
        assert sqlstate(failed.value) == state


def in_flights(client: Client) -> None:
    """Flights that read or write, whose check gives a row or not, and which may fail."""
    reads = client.random.random() < 0.5
    bound = Flight(reads=reads, check=Check(BIND, (client.name, True)))
    assert client.query(USER, flight=READS if reads else WRITES) is None
    assert client.query("select current_user::text", flight=bound) == AUTH_ROLE
    assert client.query(USER, flight=bound) == client.name
    client.query_own_value(bound)
    chance = client.random.random()
    if chance < 0.1:
        client.expect_error("select 1/0", "22012", bound)
    elif chance < 0.12:
        short = Check("select set_config('statement_timeout', '1', true)", ())
        client.expect_error("select pg_sleep(60)", "57014", Flight(reads=reads, check=short))
    elif chance < 0.3:
        client.query_count += 1
        with pytest.raises(CheckFailed):
            client.connected.execute("select 7", flight=Flight(reads=reads, check=Check(BIND, (client.name, False))))


def in_transactions(client: Client) -> None:
    """A transaction of several statements, which may fail or be rolled back."""
    assert client.query("select current_user::text") == LOGIN
    assert client.query(USER) is None
    client.query("select set_config('app.user_id', $1, true)", client.name)
    for _ in range(client.random.randint(0, 3)):
        client.query_own_value()
    assert client.query(USER) == client.name
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


def test_sixty_clients_on_five_connections_get_only_their_own_answers(crowded: DatabaseUrl) -> None:
    def act(number: int) -> int:
        flies = number % 2 == 0
        with Connection(crowded, opening=Opening(AUTH_ROLE) if flies else None) as connected:
            client = Client(number, connected)
            while client.query_count < STATEMENTS / CLIENTS:
                (in_flights if flies else in_transactions)(client)
            return client.query_count

    assert sum(at_once(act, CLIENTS)) >= STATEMENTS


@pytest.mark.spec("FR-023")
@pytest.mark.parametrize("fails", [False, True])
def test_role_and_user_do_not_outlive_their_flight(
    fails: bool, start_pooler: StartPooler, shared_database: DatabaseCopy
) -> None:
    pooler = start_pooler(pool_size=1)
    url = DatabaseUrl.parse(pooler.url(shared_database), ca_file=str(pooler.ca_file))
    become = Check(f"select set_config('app.user_id', 'ada', true), set_config('role', '{USER_ROLE}', true)", ())
    backends = set()
    for flight in (Flight(check=become), Flight(reads=True, check=become)):
        with Connection(url, opening=Opening(AUTH_ROLE)) as first:
            backends.add(value(first, "select pg_backend_pid()", flight=flight))
            assert value(first, "select current_user::text", flight=flight) == USER_ROLE
            if fails:
                with pytest.raises(ServerError):
                    first.execute("select 1/0", flight=flight)
        with Connection(url) as second:
            assert second.execute(f"select ({USER}), current_user::text").rows == [[None, LOGIN]]
            backends.add(value(second, "select pg_backend_pid()"))
            second.rollback()
    assert len(backends) == 1


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


@pytest.mark.long
@pytest.mark.spec("SC-020", "NFR-013")
@pytest.mark.parametrize("rounds", [30])
@pytest.mark.timeout(900)
def test_a_hundred_people_are_served_by_a_pool_of_twenty(
    rounds: int, make_settings: MakeSettings, fresh_database: DatabaseCopy
) -> None:
    settings = make_settings(database_url=fresh_database.url, database_pool_size=20, signups_per_address=HTTP_CLIENTS)
    with serving(create_app(settings)) as url:
        assert set(chain(*at_once(work_on_tasks(url, rounds), HTTP_CLIENTS))) == {200}
