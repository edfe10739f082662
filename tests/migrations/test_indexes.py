"""PostgreSQL's plans for the application's statements when the tables are large."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine
from sqlmodel import Session

from backend.app import create_app
from backend.auth.current_user import CurrentUser
from backend.auth.tokens import Kind, Tokens
from backend.database.transactions import Database
from backend.tasks import service
from backend.web.parts import part_of
from tests.conftest import MakeClient, MakeSettings
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person

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


class Statements:
    """The statements that the application has sent, and PostgreSQL's plans for them."""

    def __init__(self) -> None:
        self._sent: list[tuple[str, Any]] = []
        event.listen(Engine, "before_cursor_execute", self._note)

    def stop(self) -> None:
        event.remove(Engine, "before_cursor_execute", self._note)

    def plan(self, session: Session, words: str, options: str = "") -> Plan:
        """The plan's nodes, the outermost first, of the statement that contains these words."""
        [(statement, parameters)] = [sent for sent in self._sent if words in sent[0]]
        explain = f"explain (format json{options}) {statement}"
        [[[explained]]] = session.connection().exec_driver_sql(explain, parameters).all()
        return [explained, *_nodes(explained["Plan"])]

    def _note(self, _: Connection, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        self._sent.append((statement, parameters))


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


@pytest.fixture
def statements() -> Iterator[Statements]:
    """The statements that the application sends from here on."""
    statements = Statements()
    yield statements
    statements.stop()


@pytest.mark.spec("FR-017", "FR-023")
@pytest.mark.parametrize("users", [50, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.timeout(900)
def test_a_list_is_read_from_its_index(
    users: int, app: FastAPI, ada: Person, fresh_database: DatabaseCopy, statements: Statements
) -> None:
    with fresh_database.connect_as_owner() as owner:
        owner.run(
            "insert into users (email, password_hash, name) "
            "select 'user' || n || '@example.com', 'x', 'User' from generate_series(2, :users) n",
            users=users,
        )
        owner.run(
            "insert into tasks (title, user_id, created_at) "
            "select 'Task ' || n, id, now() - make_interval(mins => n) from generate_series(1, :tasks) n, users",
            tasks=TASKS_PER_USER,
        )
        owner.run("vacuum analyze users, tasks")
    claims = part_of(app, Tokens).verify(ada.auth["access_token"], Kind.ACCESS)

    with CurrentUser(claims.user_id, claims.sid, part_of(app, Database)).transaction() as own:
        listed = service.list_as_json(own)
        plan = statements.plan(own.session, "string_agg", ", analyze")
        role = own.session.connection().execute(text("select current_user")).scalar_one()

    assert (role, listed.count('"id"')) == ("todo_user", TASKS_PER_USER)
    assert indexes(plan) == {"ix_tasks_user_id_created_at_id"}
    assert tables_read_as_a_whole(plan) == set()
    assert plan[0]["Execution Time"] < 100, "milliseconds (SC-007)"


@pytest.mark.spec("FR-006")
def test_a_sign_in_finds_the_account_and_what_has_expired_by_index(
    app: FastAPI, ada: Person, fresh_database: DatabaseCopy, statements: Statements
) -> None:
    with fresh_database.connect_as_owner() as owner:
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

    ada.sign_in_again()

    with part_of(app, Database).transaction() as session:
        asking = statements.plan(session, "users.password_hash")
        opening = statements.plan(session, "insert into refresh_tokens")
    assert {"uq_users_email", "ix_rate_limits_expires_at"} <= indexes(asking)
    assert "ix_refresh_tokens_expires_at" in indexes(opening)
    assert tables_read_as_a_whole(asking) | tables_read_as_a_whole(opening) == set()
