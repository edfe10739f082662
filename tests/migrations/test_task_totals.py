"""The migration that counts what every user has stored, on databases that were filled before it."""

import re
import threading
from collections.abc import Iterator

import pytest
from alembic import command
from pg8000.exceptions import DatabaseError

from backend.auth.current_user import bind_to_user
from backend.database.roles import AUTH_ROLE
from backend.postgres import Connection, Flight, Opening
from backend.postgres.url import DatabaseUrl
from dev.paths import CHECKOUT
from tests.conftest import MakeClient
from tests.migrations.migrating import alembic
from tests.support.checked_users import sign_in_check
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person
from tests.support.task_totals import add_tasks, totals, wrong_totals

BEFORE, WITH_TOTALS = "0003", "0004"
CREATE_OF_THE_VERSION_BEFORE = (
    "insert into tasks (title, description, user_id) select $1, null, cast($2 as uuid) "
    "where has_room_for_task(cast($3 as integer)) returning id"
)
WRITERS = 4
DECISION = CHECKOUT / "docs" / "decisions" / "0014-a-list-is-json-from-postgresql.md"

pytestmark = pytest.mark.spec("SC-013", "SC-010")


@pytest.fixture
def ada(fresh_database: DatabaseCopy, make_client: MakeClient) -> Person:
    """A user of a database that can be migrated."""
    return Person.sign_up(make_client(database_url=fresh_database.url))


@pytest.fixture
def before(fresh_database: DatabaseCopy, ada: Person) -> DatabaseCopy:
    """Ada's database, without totals."""
    with alembic(fresh_database) as config:
        command.downgrade(config, BEFORE)
    return fresh_database


@pytest.fixture
def connection(fresh_database: DatabaseCopy) -> Iterator[Connection]:
    """A connection on which statements run as the application's do."""
    with Connection(DatabaseUrl.parse(fresh_database.url), opening=Opening(AUTH_ROLE)) as connection:
        yield connection


def create_as_the_version_before(connection: Connection, person: Person, *, tasks_per_user: int) -> int:
    """Create a task with the statement of the version before, with its check. Gives how many were created."""
    check = sign_in_check(person)
    assert check.statement == bind_to_user(), "the version before set the user, and no limits"
    parameters = ("from the version before", person.id, tasks_per_user)
    return len(connection.execute(CREATE_OF_THE_VERSION_BEFORE, parameters, Flight(check=check)).rows)


def statements_of_the_decision() -> list[str]:
    """The SQL that decision 14 gives to operators, statement by statement."""
    blocks = re.findall(r"```sql\n(.*?)```", DECISION.read_text(), re.DOTALL)
    return [statement for block in blocks for statement in block.strip().split("\n")]


def upgrade(database: DatabaseCopy) -> None:
    with alembic(database) as config:
        command.upgrade(config, WITH_TOTALS)


def test_a_database_that_holds_more_than_the_limits_keeps_all_of_it(before: DatabaseCopy, ada: Person) -> None:
    with before.connect_as_owner() as owner:
        add_tasks(owner, ada.id, 12_000, title="old", description="\x01" * 100)
        [kept] = owner.run("select count(*), md5(string_agg(t::text, ',' order by id)) from tasks t")

        upgrade(before)

        assert owner.run("select count(*), md5(string_agg(t::text, ',' order by id)) from tasks t") == [kept]
        assert wrong_totals(owner) == []
        assert totals(owner, ada.id) == (12_000, len(ada.get("/api/tasks").content) - 1)
    first, second, *_ = ada.tasks()
    path = f"/api/tasks/{first['id']}"
    assert ada.post("/api/tasks", json={"title": "new"}).status_code == 409
    assert ada.put(path, json={"title": "longer"}).status_code == 409
    assert ada.put(path, json={"title": "o"}).status_code == 200
    assert ada.patch(f"{path}/toggle").status_code == 200
    assert ada.delete(f"/api/tasks/{second['id']}").status_code == 204


def test_the_version_before_goes_on_writing_and_is_counted(
    before: DatabaseCopy, ada: Person, connection: Connection
) -> None:
    create_as_the_version_before(connection, ada, tasks_per_user=3)
    upgrade(before)

    created = [create_as_the_version_before(connection, ada, tasks_per_user=3) for _ in range(3)]

    assert created == [1, 1, 0]
    assert len(ada.tasks()) == 3
    with before.connect_as_owner() as owner:
        assert wrong_totals(owner) == []


def test_what_is_written_while_the_migration_counts_is_counted(before: DatabaseCopy, ada: Person) -> None:
    stop, refused = threading.Event(), []

    def write() -> None:
        url = DatabaseUrl.parse(before.url)
        with Connection(url, opening=Opening(AUTH_ROLE)) as connection:
            while not stop.is_set():
                try:
                    create_as_the_version_before(connection, ada, tasks_per_user=100_000)
                except DatabaseError as error:
                    refused.append(error)

    with before.connect_as_owner() as owner:
        add_tasks(owner, ada.id, 20_000)
        writers = [threading.Thread(target=write) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        for _ in range(3):
            upgrade(before)
            with alembic(before) as config:
                command.downgrade(config, BEFORE)
        upgrade(before)
        stop.set()
        for writer in writers:
            writer.join()

        tasks, _ = totals(owner, ada.id)
        assert wrong_totals(owner) == []
        assert tasks > 20_000 + WRITERS, "nothing was written meanwhile"
        assert refused == []


def test_an_account_that_is_deleted_while_the_migration_counts_leaves_no_totals(
    before: DatabaseCopy, ada: Person
) -> None:
    with before.connect_as_owner() as owner, before.connect_as_owner() as observer:
        add_tasks(owner, ada.id, 10)
        owner.run("begin")
        owner.run("delete from users where id = :id", id=ada.id)
        migration = threading.Thread(target=upgrade, args=[before])
        migration.start()
        while not observer.run("select from pg_locks where not granted"):
            assert migration.is_alive(), "the migration did not wait"

        owner.run("commit")
        migration.join()

        assert owner.run("select * from task_totals") == []


def test_the_operators_statements_find_the_largest_account_and_count_again(
    fresh_database: DatabaseCopy, ada: Person
) -> None:
    largest, *recount = statements_of_the_decision()
    with fresh_database.connect_as_owner() as owner:
        owner.run("alter table tasks disable trigger user")
        add_tasks(owner, ada.id, 7)
        owner.run("alter table tasks enable trigger user")
        wrong_before = wrong_totals(owner)

        for statement in recount:
            owner.run(statement)

        assert (wrong_before, wrong_totals(owner)) == ([ada.id], [])
        assert owner.run(largest) == [[ada.email, *totals(owner, ada.id)]]
