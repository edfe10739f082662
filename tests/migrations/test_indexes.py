"""PostgreSQL's plans for the application's statements when the tables are large."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from backend.app import create_app
from backend.database.roles import AUTH_ROLE
from backend.database.transactions import Database
from backend.postgres import Check, Connection, Flight, Opening
from backend.postgres.url import DatabaseUrl
from backend.tasks import service
from backend.web.parts import part_of
from tests.conftest import MakeClient, MakeSettings
from tests.support.checked_users import current_user, sign_in_check
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person
from tests.support.sent_statements import SentStatement, recording_statements

TASKS_PER_USER = 1000
Plan = list[dict[str, Any]]

pytestmark = pytest.mark.spec("SC-007", "NFR-011")


@pytest.fixture
def app(make_settings: MakeSettings, fresh_database: DatabaseCopy) -> FastAPI:
    """An application with a database of its own, which a test may fill."""
    return create_app(make_settings(database_url=fresh_database.url, database_pool_size=0))


@pytest.fixture
def ada(app: FastAPI, make_client: MakeClient) -> Person:
    """A user of that application."""
    return Person.sign_up(make_client(app=app))


@pytest.fixture
def connection(fresh_database: DatabaseCopy) -> Iterator[Connection]:
    """A connection on which statements run as the application's do."""
    with Connection(DatabaseUrl.parse(fresh_database.url), opening=Opening(AUTH_ROLE)) as connection:
        yield connection


def plan(
    connection: Connection, sent: list[SentStatement], words: str, *, options: str = "", check: Check | None = None
) -> Plan:
    """The plan's nodes, the outermost first, of the statement that was sent and contains these words."""
    [(statement, parameters)] = [each for each in sent if words in each[0]]
    explain = f"explain (format json{options}) {statement}"
    [[[explained]]] = connection.execute(explain, parameters, Flight(check=check)).rows
    return [explained, *_nodes(explained["Plan"])]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def indexes(plan: Plan) -> set[str]:
    """The indexes that the plan uses."""
    return {node["Index Name"] for node in plan if "Index Name" in node}


def tables_read_as_a_whole(plan: Plan) -> set[str]:
    """The tables that the plan reads without an index."""
    return {node["Relation Name"] for node in plan if node.get("Node Type") == "Seq Scan"}


def add_users_with_tasks(database: DatabaseCopy, users: int) -> None:
    """So many users besides those there are, each of all users with `TASKS_PER_USER` tasks."""
    with database.connect_as_owner() as owner:
        owner.run(
            "insert into users (email, password_hash, name) "
            "select 'user' || n || '@example.com', 'x', 'User' from generate_series(1, :users) n",
            users=users,
        )
        owner.run(
            "insert into tasks (title, user_id, created_at) "
            "select 'Task ' || n, id, now() - make_interval(mins => n) from generate_series(1, :tasks) n, users",
            tasks=TASKS_PER_USER,
        )
        owner.run("vacuum analyze users, tasks")


def add_sign_ins_and_rate_limits(database: DatabaseCopy) -> None:
    """Many users, each with a sign-in, and as many rate limits."""
    with database.connect_as_owner() as owner:
        owner.run(
            "insert into users (email, password_hash, name) "
            "select 'user' || n || '@example.com', 'x', 'User' from generate_series(1, 20000) n"
        )
        owner.run(
            "insert into refresh_tokens (user_id, current_jti, expires_at) "
            "select id, gen_random_uuid(), now() + interval '7 days' from users"
        )
        owner.run(
            "insert into rate_limits (key, hits, expires_at) "
            "select 'key' || n, array[now()], now() + interval '15 minutes' from generate_series(1, 20000) n"
        )
        owner.run("vacuum analyze users, refresh_tokens, rate_limits")


@pytest.mark.spec("FR-017", "FR-023")
@pytest.mark.parametrize("users", [50, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.timeout(900)
def test_a_list_is_read_from_its_index(
    users: int, app: FastAPI, ada: Person, fresh_database: DatabaseCopy, connection: Connection
) -> None:
    add_users_with_tasks(fresh_database, users)
    check = sign_in_check(ada)

    with recording_statements() as sent:
        listed = service.list_as_json(current_user(ada, part_of(app, Database)))

    of_list = plan(connection, sent, "string_agg", options=", analyze", check=check)
    [[role]] = connection.execute("select current_user", (), Flight(reads=True, check=check)).rows
    assert (role, listed.count('"id"')) == ("todo_user", TASKS_PER_USER)
    assert indexes(of_list) == {"ix_tasks_user_id_created_at_id"}
    assert tables_read_as_a_whole(of_list) == set()
    assert of_list[0]["Execution Time"] < 100, "milliseconds (SC-007)"


@pytest.mark.spec("FR-018", "FR-020", "FR-021", "FR-022")
@pytest.mark.parametrize(
    ("method", "suffix", "options", "words"),
    [
        ("GET", "", {}, "SELECT tasks.id"),
        ("PUT", "", {"json": {"title": "Buy bread"}}, "UPDATE tasks"),
        ("PATCH", "/toggle", {}, "UPDATE tasks"),
        ("DELETE", "", {}, "DELETE FROM tasks"),
    ],
    ids=["get", "edit", "toggle", "delete"],
)
def test_one_task_is_found_by_its_key(
    method: str,
    suffix: str,
    options: dict[str, Any],
    words: str,
    ada: Person,
    fresh_database: DatabaseCopy,
    connection: Connection,
) -> None:
    add_users_with_tasks(fresh_database, 20)
    path = f"/api/tasks/{ada.create_task()['id']}{suffix}"

    with recording_statements() as sent:
        assert ada.request(method, path, **options).is_success

    of_task = plan(connection, sent, words, check=sign_in_check(ada))
    assert indexes(of_task) == {"pk_tasks"}
    assert tables_read_as_a_whole(of_task) == set()


@pytest.mark.spec("FR-006")
def test_a_sign_in_finds_the_account_and_what_has_expired_by_index(
    ada: Person, fresh_database: DatabaseCopy, connection: Connection
) -> None:
    add_sign_ins_and_rate_limits(fresh_database)

    with recording_statements() as sent:
        ada.sign_in_again()

    asking = plan(connection, sent, "users.password_hash")
    deciding = plan(connection, sent, "insert into refresh_tokens")
    assert "uq_users_email" in indexes(asking)
    assert {"ix_refresh_tokens_expires_at", "ix_rate_limits_expires_at"} <= indexes(deciding)
    assert tables_read_as_a_whole(asking) | tables_read_as_a_whole(deciding) == set()
    by_expiry = [node for node in deciding if "_expires_at" in node.get("Index Name", "")]
    unbounded = [node for node in by_expiry if "expires_at <" not in node.get("Index Cond", "")]
    assert unbounded == [], "all rows are read when none has expired"


@pytest.mark.spec("FR-011", "FR-012", "FR-013")
def test_a_sign_in_is_checked_refreshed_and_ended_by_its_key(
    ada: Person, fresh_database: DatabaseCopy, connection: Connection
) -> None:
    add_sign_ins_and_rate_limits(fresh_database)
    check = sign_in_check(ada)

    with recording_statements() as sent:
        assert ada.refresh().status_code == 200
        assert ada.post("/api/auth/signout").status_code == 200

    sent.append((check.guarded, check.parameters))
    plans = [
        plan(connection, sent, words)
        for words in ("update refresh_tokens r", "returning id", "set_config('app.user_id'")
    ]
    assert [indexes(each) - {"pk_users"} for each in plans] == [{"pk_refresh_tokens"}] * 3
    assert [tables_read_as_a_whole(each) for each in plans] == [set()] * 3
