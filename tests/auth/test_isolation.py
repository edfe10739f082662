"""Everybody's tasks are their own because PostgreSQL says so, whatever a query forgets, and whoever's login it is.

What this does not prove, because it is not so: an attacker who can send any SQL may say `reset role` or `set role`, and
is the login again. The roles guard against our own mistakes (DESIGN.md, "Data").
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
class House:
    """A database with two people in it who have tasks, and the way in that the application takes."""

    database: Database
    owner: OwnerConnection
    ada: Person
    ben: Person

    def user(self, person: Person) -> CurrentUser:
        claims = Tokens(SECRET).verify(person.auth["access_token"], Kind.ACCESS)
        return CurrentUser(claims.user_id, claims.sid, self.database)

    def stored(self, person: Person) -> list[list[Any]]:
        """Somebody's tasks as they are in the table."""
        rows: list[list[Any]] = self.owner.run(
            "select id, title, completed from tasks where user_id = cast(:id as uuid) order by id", id=person.id
        )
        return rows


@pytest.fixture(scope="module")
def owners_database(postgres: EmbeddedPostgres, template: DatabaseCopy) -> Iterator[str]:
    """The URL of a database's owner who bypasses row level security, as Neon's does; in DATABASE_URL as well."""
    with connect(postgres.url()) as superuser:
        superuser.run(f"create role {BYPASSING_OWNER} login createrole bypassrls password 'owner'")
        # Roles belong to the cluster: here the template's owner made them, on Neon this one would have.
        superuser.run(f"grant todo_auth, todo_user to {BYPASSING_OWNER} with admin true, inherit false, set false")
        superuser.run(f"create database owned_past_row_security owner {BYPASSING_OWNER}")
    url = f"postgresql://{BYPASSING_OWNER}:owner@127.0.0.1:{postgres.port}/owned_past_row_security"
    said: list[str] = []
    migrate(url, url, said.append)
    assert any("PostgreSQL protects less" in line for line in said)
    yield url
    with connect(postgres.url()) as superuser:
        superuser.run("drop database owned_past_row_security with (force)")
        superuser.run(f"drop owned by {BYPASSING_OWNER}")
        superuser.run(f"drop role {BYPASSING_OWNER}")


@pytest.fixture(params=["the application's login", "an owner that bypasses row security"])
def url(request: pytest.FixtureRequest, shared_database: DatabaseCopy) -> str:
    """DATABASE_URL: with a login of the application's own, and as it should not be but may be."""
    if request.param == "the application's login":
        return shared_database.url
    owners: str = request.getfixturevalue("owners_database")
    return owners


@pytest.fixture
def house(url: str, postgres: EmbeddedPostgres, make_client: MakeClient) -> Iterator[House]:
    """Ada and Ben, each with tasks, behind a pool of one connection: each transaction comes after another on it."""
    client = make_client(database_url=url)
    people = [Person.sign_up(client, name=name) for name in ("Ada", "Ben")]
    for person in people:
        for number in range(TASKS_OF_EACH):
            person.adds_task(f"Task {number}")
    parsed = DatabaseUrl.parse(url)
    database = Database(parsed, pool_size=1)
    with connect(postgres.url(parsed.database)) as owner:
        yield House(database, owner, *people)
    database.close()


def run(session: Session, statement: Statement) -> CursorResult[*tuple[Any, ...]]:
    """Exactly this statement, past everything SQLAlchemy could add to it."""
    sql, parameters = statement
    return session.connection().exec_driver_sql(sql, parameters)


def refusal(act: Callable[[], object]) -> str | None:
    """The SQLSTATE with which PostgreSQL refuses; None when it does not."""
    try:
        act()
    except ApiError as error:
        cause = error.__cause__
        assert isinstance(cause, DBAPIError)
        return sqlstate(cause.orig)
    return None


def refusals(act: Callable[[Statement], None], statements: list[Statement]) -> dict[Statement, str | None]:
    """The SQLSTATE with which PostgreSQL refuses each statement."""
    return {statement: refusal(partial(act, statement)) for statement in statements}


def identity(session: Session) -> tuple[str, str]:
    """Who the transaction is for PostgreSQL, and for the policy."""
    row = run(session, ("select current_user, coalesce(current_setting('app.user_id', true), '')", ())).one()
    return row[0], row[1]


NOBODY = ("todo_auth", "")
SOME_ID = UUID(int=1)

TOUCHING_TASKS: list[Statement] = [
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
def test_without_authentication_every_statement_on_tasks_is_refused(house: House) -> None:
    before = house.stored(house.ada)

    def touch(statement: Statement) -> None:
        with house.database.transaction() as session:
            run(session, statement)

    assert refusals(touch, TOUCHING_TASKS) == dict.fromkeys(TOUCHING_TASKS, INSUFFICIENT_PRIVILEGE)
    assert house.stored(house.ada) == before


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
def test_an_authenticated_transaction_sees_only_its_users_tasks(house: House, statement: Statement) -> None:
    with house.user(house.ada).transaction() as own:
        owners = [str(row.user_id) for row in run(own.session, statement)]

    assert owners == [house.ada.id] * TASKS_OF_EACH


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
def test_a_change_without_a_condition_affects_only_its_users_tasks(house: House, statement: Statement) -> None:
    others = house.stored(house.ben)

    with house.user(house.ada).transaction() as own:
        touched = run(own.session, statement).rowcount

    assert touched == TASKS_OF_EACH
    assert house.stored(house.ben) == others


@pytest.mark.spec("FR-023", "SC-003", "US2-4")
@pytest.mark.parametrize("sql", ["select * from tasks where id = $1", "delete from tasks where id = $1 returning id"])
def test_another_users_task_cannot_be_found_by_its_id(house: House, sql: str) -> None:
    [[task_id, *_], *_] = house.stored(house.ben)

    with house.user(house.ada).transaction() as own:
        assert run(own.session, (sql, (task_id,))).all() == []

    assert len(house.stored(house.ben)) == TASKS_OF_EACH


@pytest.mark.spec("FR-016", "FR-023", "SC-003")
@pytest.mark.parametrize("is_parameter", [True, False])
def test_a_task_cannot_be_inserted_for_another_user(house: House, is_parameter: bool) -> None:
    ben = UUID(house.ben.id)
    statement: Statement = (
        ("insert into tasks (title, user_id) values ('Do my work', $1)", (ben,))
        if is_parameter
        else (f"insert into tasks (title, user_id) values ('Do my work', '{ben}')", ())
    )

    def insert() -> None:
        with house.user(house.ada).transaction() as own:
            run(own.session, statement)

    assert refusal(insert) == INSUFFICIENT_PRIVILEGE
    assert len(house.stored(house.ben)) == TASKS_OF_EACH


@pytest.mark.spec("FR-015", "FR-016")
def test_inserting_an_own_task_needs_no_access_to_the_users_table(house: House) -> None:
    with house.user(house.ada).transaction() as own:
        run(own.session, ("insert into tasks (title, user_id) values ($1, $2)", ("Mine", UUID(house.ada.id))))

    assert len(house.stored(house.ada)) == TASKS_OF_EACH + 1


OUT_OF_REACH: list[Statement] = [
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
def test_an_authenticated_transaction_reaches_nothing_but_tasks(house: House) -> None:
    user = house.user(house.ada)

    def reach(statement: Statement) -> None:
        with user.transaction() as own:
            run(own.session, statement)

    assert refusals(reach, OUT_OF_REACH) == dict.fromkeys(OUT_OF_REACH, INSUFFICIENT_PRIVILEGE)


@pytest.mark.spec("FR-014")
def test_the_token_decides_the_user_of_the_transaction(house: House) -> None:
    for person in (house.ada, house.ben, house.ada):
        with house.user(person).transaction() as own:
            assert identity(own.session) == ("todo_user", person.id)
            assert str(own.user_id) == person.id


@pytest.mark.spec("FR-014", "FR-023")
@pytest.mark.parametrize("parameters", [(), ("",)])
def test_after_a_commit_the_next_transaction_has_no_user(house: House, parameters: tuple[object, ...]) -> None:
    with house.user(house.ada).transaction() as own:
        server_process = run(own.session, ("select pg_backend_pid()", ())).scalar_one()

    condition = "where '' = $1" if parameters else ""
    with house.database.transaction() as session:
        row = run(session, (f"select current_user, pg_backend_pid() {condition}", parameters)).one()
        assert row == ("todo_auth", server_process)
        assert identity(session) == NOBODY


@pytest.mark.spec("FR-014", "FR-023")
def test_after_a_commit_the_session_keeps_no_role_and_no_user(
    house: House, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house.user(house.ada).transaction() as own:
        connection = own.session.connection().connection.dbapi_connection

    monkeypatch.setattr(connection, "_opening", b"")  # not even the starting role hides what the session is

    with house.database.transaction() as session:
        assert identity(session) == (DatabaseUrl.parse(url).user, "")


@pytest.mark.spec("FR-014", "FR-023")
def test_after_an_exception_the_next_transaction_has_no_user(house: House) -> None:
    user = house.user(house.ada)

    def fail_half_way() -> None:
        with user.transaction() as own:
            run(own.session, ("delete from tasks", ()))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()

    with house.database.transaction() as session:
        assert identity(session) == NOBODY
    assert len(house.stored(house.ada)) == TASKS_OF_EACH


@pytest.mark.spec("FR-014", "FR-023")
@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_after_an_early_commit_or_rollback_statements_have_no_user(house: House, ending: str) -> None:
    user = house.user(house.ada)

    def go_on(statement: Statement) -> None:
        with user.transaction() as own:
            getattr(own.session, ending)()
            run(own.session, statement)

    assert refusals(go_on, TOUCHING_TASKS) == dict.fromkeys(TOUCHING_TASKS, INSUFFICIENT_PRIVILEGE)


@pytest.mark.spec("FR-014", "FR-023")
def test_without_a_pool_the_next_transaction_on_a_connection_has_no_user(house: House, url: str) -> None:
    database = Database(DatabaseUrl.parse(url), pool_size=0)
    user = CurrentUser(house.user(house.ada).id, house.user(house.ada).sign_in_id, database)

    with database.conversation() as begin:
        with begin() as session:
            process = run(session, ("select pg_backend_pid()", ())).scalar_one()
            run(session, ("select set_config('role', 'todo_user', true), set_config('app.user_id', $1, true)", ("x",)))
        with begin() as session:
            assert identity(session) == NOBODY
            assert run(session, ("select pg_backend_pid()", ())).scalar_one() == process
    with user.transaction() as own:
        assert identity(own.session) == ("todo_user", house.ada.id)
    with database.transaction() as session:
        assert identity(session) == NOBODY


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
def test_a_token_that_names_the_sign_in_of_another_user_is_refused(house: House) -> None:
    crossed = CurrentUser(UUID(house.ada.id), house.user(house.ben).sign_in_id, house.database)

    with pytest.raises(NotAuthenticated), crossed.transaction():
        pass


@pytest.mark.spec("FR-012", "FR-013")
def test_an_ended_sign_in_opens_no_transaction(house: House) -> None:
    user = house.user(house.ada)
    house.ada.post("/api/auth/signout")

    with pytest.raises(NotAuthenticated), user.transaction():
        pass
    with house.database.transaction() as session:
        assert identity(session) == NOBODY


PUBLIC = {"/", "/api/health", "/docs", "/redoc", "/openapi.json"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
VALID_FOR_ANY_OPERATION = {"title": "Not mine"}


def is_meant_to_be_public(path: str) -> bool:
    return path in PUBLIC or path.startswith(("/api/auth/", "/docs/", "/redoc/"))


def open_doors(client: TestClient, **options: Any) -> list[str]:
    """The operations that answer these requests with anything but 401, and are not public."""
    app = client.app
    assert isinstance(app, FastAPI)
    doors = []
    for context in iter_route_contexts(app.routes):
        if not isinstance(context.original_route, Route):
            doors.append(f"{type(context.original_route).__name__} {context.path}")
        elif context.path is None or not is_meant_to_be_public(context.path):
            path = "/".join(str(SOME_ID) if "{" in part else part for part in str(context.path).split("/"))
            for method in {*METHODS, *(context.methods or ())}:
                response = client.request(method, path, json=VALID_FOR_ANY_OPERATION, **options)
                if response.status_code not in (401, 405):
                    doors.append(f"{method} {context.path}")
    return doors


@pytest.fixture
def walls(make_settings: MakeSettings) -> Iterator[TestClient]:
    """A client of an application that may get more routes."""
    app = create_app(make_settings())
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client
    close(app)


@pytest.mark.spec("FR-013", "FR-030", "SC-002", "US1-6")
def test_no_protected_route_can_be_reached_without_a_token(walls: TestClient) -> None:
    assert open_doors(walls) == []


@pytest.mark.spec("FR-012", "FR-013", "SC-002")
def test_no_protected_route_can_be_reached_after_signing_out(walls: TestClient) -> None:
    person = Person.sign_up(walls)
    person.post("/api/auth/signout")

    assert open_doors(walls, headers=person.headers) == []


@pytest.mark.spec("FR-013")
def test_the_check_of_all_routes_includes_every_operation_of_tasks(walls: TestClient) -> None:
    assert isinstance(walls.app, FastAPI)
    paths = {context.path for context in iter_route_contexts(walls.app.routes)}

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
    walls: TestClient, add: Callable[[FastAPI], None]
) -> None:
    assert isinstance(walls.app, FastAPI)
    add(walls.app)

    assert len(open_doors(walls)) >= 1


@pytest.mark.spec("FR-012", "FR-013")
def test_the_check_of_all_routes_finds_one_that_verifies_only_the_token(walls: TestClient) -> None:
    assert isinstance(walls.app, FastAPI)

    @walls.app.get("/api/whoami")
    def whoami(user: AuthenticatedUser) -> str:
        return str(user.id)

    person = Person.sign_up(walls)
    person.post("/api/auth/signout")

    assert open_doors(walls) == []
    assert open_doors(walls, headers=person.headers) == ["GET /api/whoami"]
