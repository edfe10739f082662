"""PostgreSQL keeps users' tasks apart, even when a query lacks its condition, and with either login in DATABASE_URL.

This is no protection against SQL injection: an attacker who can send any SQL can send `reset role` or `set role`, and
has the rights of the login again. The roles guard against mistakes in our own queries.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.routing import iter_route_contexts
from pg8000.native import Connection as OwnerConnection
from sqlalchemy import CursorResult
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from backend.app import create_app
from backend.auth.current_user import AuthenticatedUser, CurrentUser
from backend.auth.tokens import Kind, Tokens
from backend.database.transactions import Database
from backend.errors import ApiError, NotAuthenticated
from backend.migrations.apply import migrate
from backend.postgres.sqlstates import sqlstate
from backend.postgres.url import DatabaseUrl
from dev.embedded_postgres.server import EmbeddedPostgres
from tests.conftest import SECRET, MakeClient, MakeSettings
from tests.support.applications import close
from tests.support.database_copy import DatabaseCopy, connect
from tests.support.people import Person

INSUFFICIENT_PRIVILEGE = "42501"
BYPASSING_OWNER = "owner_past_row_security"
TASKS_OF_EACH = 2

Statement = tuple[str, tuple[object, ...]]


@dataclass
class TwoUsers:
    """A database in which Ada and Ben have tasks, and the application's connections to it."""

    database: Database
    owner: OwnerConnection
    ada: Person
    ben: Person

    def current_user(self, person: Person) -> CurrentUser:
        claims = Tokens(SECRET).verify(person.auth["access_token"], Kind.ACCESS)
        return CurrentUser(claims.user_id, claims.sid, self.database)

    def stored_tasks(self, person: Person) -> list[list[Any]]:
        """The person's rows in the table of tasks."""
        rows: list[list[Any]] = self.owner.run(
            "select id, title, completed from tasks where user_id = cast(:id as uuid) order by id", id=person.id
        )
        return rows


@pytest.fixture(scope="module")
def bypassing_owner_url(postgres: EmbeddedPostgres, template: DatabaseCopy) -> Iterator[str]:
    """The URL of a database's owner who bypasses row level security, as Neon's owner does."""
    with connect(postgres.url()) as superuser:
        superuser.run(f"create role {BYPASSING_OWNER} login createrole bypassrls password 'owner'")
        # Roles belong to the cluster. Here the template's owner created them; on Neon this owner would have.
        superuser.run(f"grant todo_auth, todo_user to {BYPASSING_OWNER} with admin true, inherit false, set false")
        superuser.run(f"create database owned_past_row_security owner {BYPASSING_OWNER}")
    url = f"postgresql://{BYPASSING_OWNER}:owner@127.0.0.1:{postgres.port}/owned_past_row_security"
    printed: list[str] = []
    migrate(url, url, printed.append)
    assert any("PostgreSQL protects less" in line for line in printed)
    yield url
    with connect(postgres.url()) as superuser:
        superuser.run("drop database owned_past_row_security with (force)")
        superuser.run(f"drop owned by {BYPASSING_OWNER}")
        superuser.run(f"drop role {BYPASSING_OWNER}")


@pytest.fixture(params=["the application's login", "an owner that bypasses row security"])
def url(request: pytest.FixtureRequest, shared_database: DatabaseCopy) -> str:
    """DATABASE_URL with the application's login, and with the owner's, which is allowed but protects less."""
    if request.param == "the application's login":
        return shared_database.url
    owner_url: str = request.getfixturevalue("bypassing_owner_url")
    return owner_url


@pytest.fixture
def two_users(url: str, postgres: EmbeddedPostgres, make_client: MakeClient) -> Iterator[TwoUsers]:
    """Ada and Ben, each with tasks, and a pool of one connection, which all transactions use one after the other."""
    client = make_client(database_url=url)
    people = [Person.sign_up(client, name=name) for name in ("Ada", "Ben")]
    for person in people:
        for number in range(TASKS_OF_EACH):
            person.create_task(f"Task {number}")
    parsed = DatabaseUrl.parse(url)
    database = Database(parsed, pool_size=1)
    with connect(postgres.url(parsed.database)) as owner:
        yield TwoUsers(database, owner, *people)
    database.close()


def run(session: Session, statement: Statement) -> CursorResult[*tuple[Any, ...]]:
    """Run exactly this statement, without anything that SQLAlchemy could add."""
    sql, parameters = statement
    return session.connection().exec_driver_sql(sql, parameters)


def refused_with(act: Callable[[], object]) -> str | None:
    """The SQLSTATE with which PostgreSQL refuses; None when it does not."""
    try:
        act()
    except ApiError as error:
        cause = error.__cause__
        assert isinstance(cause, DBAPIError)
        return sqlstate(cause.orig)
    return None


def refused_with_each(act: Callable[[Statement], None], statements: list[Statement]) -> dict[Statement, str | None]:
    """The SQLSTATE with which PostgreSQL refuses each statement."""
    return {statement: refused_with(partial(act, statement)) for statement in statements}


def identity(session: Session) -> tuple[str, str]:
    """The transaction's role, and the user's id that the policy compares."""
    row = run(session, ("select current_user, coalesce(current_setting('app.user_id', true), '')", ())).one()
    return row[0], row[1]


NO_USER = ("todo_auth", "")
SOME_ID = UUID(int=1)

STATEMENTS_ON_TASKS: list[Statement] = [
    ("select * from tasks", ()),
    ("select count(*) from tasks", ()),
    ("select * from tasks where title = $1", ("Task 0",)),
    ("select 1 from users left join tasks on true", ()),
    ("insert into tasks (title, user_id) select 'Mine now', id from users", ()),
    ("insert into tasks (title, user_id) values ($1, $2)", ("Mine now", SOME_ID)),
    ("update tasks set title = 'Mine now'", ()),
    ("update tasks set title = $1", ("Mine now",)),
    ("delete from tasks", ()),
    ("delete from tasks where title <> $1", ("",)),
    ("truncate tasks", ()),
    ("copy tasks to stdout", ()),
    ("lock table tasks", ()),
    ("select has_room_for_task(1)", ()),
    ("select set_config('app.user_id', $1, true), (select count(*) from tasks)", (str(SOME_ID),)),
]


@pytest.mark.spec("FR-014", "FR-023", "SC-003")
def test_without_authentication_every_statement_on_tasks_is_refused(two_users: TwoUsers) -> None:
    before = two_users.stored_tasks(two_users.ada)

    def run_without_user(statement: Statement) -> None:
        with two_users.database.transaction() as session:
            run(session, statement)

    assert refused_with_each(run_without_user, STATEMENTS_ON_TASKS) == dict.fromkeys(
        STATEMENTS_ON_TASKS, INSUFFICIENT_PRIVILEGE
    )
    assert two_users.stored_tasks(two_users.ada) == before


@pytest.mark.spec("FR-017", "FR-023", "SC-003", "US2-2")
@pytest.mark.parametrize(
    "statement",
    [
        ("select user_id from tasks", ()),
        ("select user_id from tasks where title <> $1", ("",)),
        ("with everything as (select * from tasks) select user_id from everything", ()),
        ("select a.user_id from tasks a left join tasks b on b.title = a.title and b.id <> a.id", ()),
        ("select user_id from tasks where user_id = $1 or true", (SOME_ID,)),
        ("update tasks set title = title returning user_id", ()),
        ("delete from tasks returning user_id", ()),
    ],
    ids=lambda statement: statement[0],
)
def test_an_authenticated_transaction_sees_only_its_users_tasks(two_users: TwoUsers, statement: Statement) -> None:
    with two_users.current_user(two_users.ada).transaction() as own:
        owners = [str(row.user_id) for row in run(own.session, statement)]

    assert owners == [two_users.ada.id] * TASKS_OF_EACH


@pytest.mark.spec("FR-023", "SC-003", "US2-8")
@pytest.mark.parametrize(
    "statement",
    [
        ("update tasks set title = 'Mine now', completed = true", ()),
        ("update tasks set title = $1", ("Mine now",)),
        ("delete from tasks", ()),
        ("delete from tasks where title <> $1", ("",)),
    ],
    ids=lambda statement: statement[0],
)
def test_a_change_without_a_condition_affects_only_its_users_tasks(two_users: TwoUsers, statement: Statement) -> None:
    others = two_users.stored_tasks(two_users.ben)

    with two_users.current_user(two_users.ada).transaction() as own:
        touched = run(own.session, statement).rowcount

    assert touched == TASKS_OF_EACH
    assert two_users.stored_tasks(two_users.ben) == others


@pytest.mark.spec("FR-023", "SC-003", "US2-4")
@pytest.mark.parametrize("sql", ["select * from tasks where id = $1", "delete from tasks where id = $1 returning id"])
def test_another_users_task_cannot_be_found_by_its_id(two_users: TwoUsers, sql: str) -> None:
    [[task_id, *_], *_] = two_users.stored_tasks(two_users.ben)

    with two_users.current_user(two_users.ada).transaction() as own:
        assert run(own.session, (sql, (task_id,))).all() == []

    assert len(two_users.stored_tasks(two_users.ben)) == TASKS_OF_EACH


@pytest.mark.spec("FR-016", "FR-023", "SC-003")
@pytest.mark.parametrize("is_parameter", [True, False])
def test_a_task_cannot_be_inserted_for_another_user(two_users: TwoUsers, is_parameter: bool) -> None:
    ben = UUID(two_users.ben.id)
    statement: Statement = (
        ("insert into tasks (title, user_id) values ('Do my work', $1)", (ben,))
        if is_parameter
        else (f"insert into tasks (title, user_id) values ('Do my work', '{ben}')", ())
    )

    def insert() -> None:
        with two_users.current_user(two_users.ada).transaction() as own:
            run(own.session, statement)

    assert refused_with(insert) == INSUFFICIENT_PRIVILEGE
    assert len(two_users.stored_tasks(two_users.ben)) == TASKS_OF_EACH


@pytest.mark.spec("FR-015", "FR-016")
def test_inserting_an_own_task_needs_no_access_to_the_users_table(two_users: TwoUsers) -> None:
    with two_users.current_user(two_users.ada).transaction() as own:
        run(own.session, ("insert into tasks (title, user_id) values ($1, $2)", ("Mine", UUID(two_users.ada.id))))

    assert len(two_users.stored_tasks(two_users.ada)) == TASKS_OF_EACH + 1


STATEMENTS_BEYOND_TASKS: list[Statement] = [
    *((f"select * from {table}", ()) for table in ("users", "refresh_tokens", "rate_limits", "alembic_version")),
    ("select password_hash from users where email <> $1", ("",)),
    ("select id from refresh_tokens where user_id <> $1", (SOME_ID,)),
    ("select key from rate_limits where key <> $1", ("",)),
    ("update users set password_hash = ''", ()),
    ("update refresh_tokens set revoked_at = null where id <> $1", (SOME_ID,)),
    ("delete from rate_limits", ()),
    ("delete from users", ()),
    ("insert into rate_limits values ($1, '{}', now())", ("",)),
    ("update tasks set user_id = $1", (SOME_ID,)),
    ("update tasks set created_at = now()", ()),
    ("insert into tasks (id, title, user_id) values (uuid_v7(), 'x', uuid_v7())", ()),
    ("truncate tasks", ()),
    ("alter table tasks disable row level security", ()),
    ("drop table tasks", ()),
    ("drop policy own_tasks on tasks", ()),
    ("create table loot (id int)", ()),
]


@pytest.mark.spec("FR-023", "SC-003", "NFR-007")
def test_an_authenticated_transaction_reaches_nothing_but_tasks(two_users: TwoUsers) -> None:
    user = two_users.current_user(two_users.ada)

    def run_with_user(statement: Statement) -> None:
        with user.transaction() as own:
            run(own.session, statement)

    assert refused_with_each(run_with_user, STATEMENTS_BEYOND_TASKS) == dict.fromkeys(
        STATEMENTS_BEYOND_TASKS, INSUFFICIENT_PRIVILEGE
    )


@pytest.mark.spec("FR-014")
def test_the_token_decides_the_user_of_the_transaction(two_users: TwoUsers) -> None:
    for person in (two_users.ada, two_users.ben, two_users.ada):
        with two_users.current_user(person).transaction() as own:
            assert identity(own.session) == ("todo_user", person.id)
            assert str(own.user_id) == person.id


@pytest.mark.spec("FR-014", "FR-023")
@pytest.mark.parametrize("parameters", [(), ("",)])
def test_after_a_commit_the_next_transaction_has_no_user(two_users: TwoUsers, parameters: tuple[object, ...]) -> None:
    with two_users.current_user(two_users.ada).transaction() as own:
        server_process = run(own.session, ("select pg_backend_pid()", ())).scalar_one()

    condition = "where '' = $1" if parameters else ""
    with two_users.database.transaction() as session:
        row = run(session, (f"select current_user, pg_backend_pid() {condition}", parameters)).one()
        assert row == ("todo_auth", server_process)
        assert identity(session) == NO_USER


@pytest.mark.spec("FR-014", "FR-023")
def test_after_a_commit_the_session_keeps_no_role_and_no_user(
    two_users: TwoUsers, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_users.current_user(two_users.ada).transaction() as own:
        connection = own.session.connection().connection.dbapi_connection

    monkeypatch.setattr(connection, "_opening", b"")  # without it the role of the session itself shows

    with two_users.database.transaction() as session:
        assert identity(session) == (DatabaseUrl.parse(url).user, "")


@pytest.mark.spec("FR-014", "FR-023")
def test_after_an_exception_the_next_transaction_has_no_user(two_users: TwoUsers) -> None:
    user = two_users.current_user(two_users.ada)

    def fail_half_way() -> None:
        with user.transaction() as own:
            run(own.session, ("delete from tasks", ()))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()

    with two_users.database.transaction() as session:
        assert identity(session) == NO_USER
    assert len(two_users.stored_tasks(two_users.ada)) == TASKS_OF_EACH


@pytest.mark.spec("FR-014", "FR-023")
@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_after_an_early_commit_or_rollback_statements_have_no_user(two_users: TwoUsers, ending: str) -> None:
    user = two_users.current_user(two_users.ada)

    def run_after_ending(statement: Statement) -> None:
        with user.transaction() as own:
            getattr(own.session, ending)()
            run(own.session, statement)

    assert refused_with_each(run_after_ending, STATEMENTS_ON_TASKS) == dict.fromkeys(
        STATEMENTS_ON_TASKS, INSUFFICIENT_PRIVILEGE
    )


@pytest.mark.spec("FR-014", "FR-023")
def test_without_a_pool_the_next_transaction_on_a_connection_has_no_user(two_users: TwoUsers, url: str) -> None:
    database = Database(DatabaseUrl.parse(url), pool_size=0)
    user = CurrentUser(
        two_users.current_user(two_users.ada).id, two_users.current_user(two_users.ada).sign_in_id, database
    )

    with database.conversation() as begin:
        with begin() as session:
            process = run(session, ("select pg_backend_pid()", ())).scalar_one()
            run(session, ("select set_config('role', 'todo_user', true), set_config('app.user_id', $1, true)", ("x",)))
        with begin() as session:
            assert identity(session) == NO_USER
            assert run(session, ("select pg_backend_pid()", ())).scalar_one() == process
    with user.transaction() as own:
        assert identity(own.session) == ("todo_user", two_users.ada.id)
    with database.transaction() as session:
        assert identity(session) == NO_USER


@pytest.mark.spec("SC-010", "FR-023")
@pytest.mark.parametrize("parameters", [(), ("",)], ids=["without parameters", "with parameters"])
@pytest.mark.parametrize("pool_size", [0, 1])
def test_a_connections_first_statement_runs_in_a_transaction_as_todo_auth(
    url: str, pool_size: int, parameters: tuple[object, ...]
) -> None:
    database = Database(DatabaseUrl.parse(url), pool_size=pool_size)
    first = "select current_user, cast(pg_current_xact_id() as text) " + ("where '' = $1" if parameters else "")

    with database.transaction() as session:
        role, transaction = run(session, (first, parameters)).one()
        second = run(session, ("select cast(pg_current_xact_id() as text)", ())).scalar_one()

    assert role == "todo_auth"
    assert transaction == second
    database.close()


@pytest.mark.spec("FR-013", "FR-014")
def test_a_token_that_names_the_sign_in_of_another_user_is_refused(two_users: TwoUsers) -> None:
    crossed = CurrentUser(UUID(two_users.ada.id), two_users.current_user(two_users.ben).sign_in_id, two_users.database)

    with pytest.raises(NotAuthenticated), crossed.transaction():
        pass


@pytest.mark.spec("FR-012", "FR-013")
def test_an_ended_sign_in_opens_no_transaction(two_users: TwoUsers) -> None:
    user = two_users.current_user(two_users.ada)
    two_users.ada.post("/api/auth/signout")

    with pytest.raises(NotAuthenticated), user.transaction():
        pass
    with two_users.database.transaction() as session:
        assert identity(session) == NO_USER


PUBLIC = {"/", "/api/health", "/docs", "/redoc", "/openapi.json"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
VALID_FOR_ANY_OPERATION = {"title": "Not mine"}


def is_public(path: str) -> bool:
    return path in PUBLIC or path.startswith(("/api/auth/", "/docs/", "/redoc/"))


def unprotected_operations(client: TestClient, **options: Any) -> list[str]:
    """The operations that are not public and that answer these requests with another status than 401 or 405."""
    app = client.app
    assert isinstance(app, FastAPI)
    unprotected = []
    for context in iter_route_contexts(app.routes):
        if not isinstance(context.original_route, Route):
            unprotected.append(f"{type(context.original_route).__name__} {context.path}")
        elif context.path is None or not is_public(context.path):
            path = "/".join(str(SOME_ID) if "{" in part else part for part in str(context.path).split("/"))
            for method in {*METHODS, *(context.methods or ())}:
                response = client.request(method, path, json=VALID_FOR_ANY_OPERATION, **options)
                if response.status_code not in (401, 405):
                    unprotected.append(f"{method} {context.path}")
    return unprotected


@pytest.fixture
def extensible_client(make_settings: MakeSettings) -> Iterator[TestClient]:
    """A client of an application to which a test may add routes."""
    app = create_app(make_settings())
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client
    close(app)


@pytest.mark.spec("FR-013", "FR-030", "SC-002", "US1-6")
def test_no_protected_route_can_be_reached_without_a_token(extensible_client: TestClient) -> None:
    assert unprotected_operations(extensible_client) == []


@pytest.mark.spec("FR-012", "FR-013", "SC-002")
def test_no_protected_route_can_be_reached_after_signing_out(extensible_client: TestClient) -> None:
    person = Person.sign_up(extensible_client)
    person.post("/api/auth/signout")

    assert unprotected_operations(extensible_client, headers=person.headers) == []


@pytest.mark.spec("FR-013")
def test_the_check_of_all_routes_includes_every_operation_of_tasks(extensible_client: TestClient) -> None:
    assert isinstance(extensible_client.app, FastAPI)
    paths = {context.path for context in iter_route_contexts(extensible_client.app.routes)}

    assert {"/api/tasks", "/api/tasks/{task_id}", "/api/tasks/{task_id}/toggle"} <= paths


def _public(app: FastAPI) -> None:
    app.get("/api/leak")(list)


def _hidden(app: FastAPI) -> None:
    app.delete("/api/leak", include_in_schema=False)(lambda: None)


def _with_parameter(app: FastAPI) -> None:
    @app.get("/api/leak/{number}")
    def leak(number: int) -> int:
        return number


def _with_body(app: FastAPI) -> None:
    @app.post("/api/leak")
    def leak(body: dict[str, int]) -> None: ...


def _beside_a_protected_one(app: FastAPI) -> None:
    app.put("/api/tasks")(list)


def _in_a_nested_router(app: FastAPI) -> None:
    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/api/outer")
    inner.get("/leak")(list)
    outer.include_router(inner)
    app.include_router(outer)


def _that_fails(app: FastAPI) -> None:
    @app.get("/api/leak")
    def leak() -> None:
        raise RuntimeError


def _mounted(app: FastAPI) -> None:
    app.router.routes.append(Mount("/api/leak", app=FastAPI()))


def _websocket(app: FastAPI) -> None:
    @app.websocket("/api/leak")
    async def leak(socket: WebSocket) -> None:
        await socket.accept()


@pytest.mark.spec("FR-013", "SC-002")
@pytest.mark.parametrize(
    "add",
    [
        _public,
        _hidden,
        _with_parameter,
        _with_body,
        _beside_a_protected_one,
        _in_a_nested_router,
        _that_fails,
        _mounted,
        _websocket,
    ],
    ids=lambda add: add.__name__.strip("_"),
)
def test_the_check_of_all_routes_finds_a_new_unprotected_route(
    extensible_client: TestClient, add: Callable[[FastAPI], None]
) -> None:
    assert isinstance(extensible_client.app, FastAPI)
    add(extensible_client.app)

    assert len(unprotected_operations(extensible_client)) >= 1


@pytest.mark.spec("FR-012", "FR-013")
def test_the_check_of_all_routes_finds_one_that_verifies_only_the_token(extensible_client: TestClient) -> None:
    assert isinstance(extensible_client.app, FastAPI)

    @extensible_client.app.get("/api/whoami")
    def whoami(user: AuthenticatedUser) -> str:
        return str(user.id)

    person = Person.sign_up(extensible_client)
    person.post("/api/auth/signout")

    assert unprotected_operations(extensible_client) == []
    assert unprotected_operations(extensible_client, headers=person.headers) == ["GET /api/whoami"]
