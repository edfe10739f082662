"""PostgreSQL keeps users' tasks apart, even when a query lacks its condition, and with either login in DATABASE_URL.

This is no protection against SQL injection: an attacker who can send any SQL can send `reset role` or `set role`, and
has the rights of the login again. The roles guard against mistakes in our own queries.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.routing import iter_route_contexts
from pg8000.native import Connection as OwnerConnection
from sqlalchemy import Executable, text
from sqlalchemy.exc import DBAPIError
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from backend.app import create_app
from backend.auth.current_user import NO_SETTINGS, AuthenticatedUser, CurrentUser, bind_to_user
from backend.database.failures import DatabaseUnavailable
from backend.database.roles import AUTH_ROLE
from backend.database.transactions import Database, Rows
from backend.errors import NotAuthenticated
from backend.migrations.apply import migrate
from backend.postgres import Check, CheckFailed, ConnectionLost, Flight, Late, Opening, ServerError
from backend.postgres.connection import Connection
from backend.postgres.cursor import Result
from backend.postgres.sqlstates import sqlstate
from backend.postgres.url import DatabaseUrl
from backend.tasks import service
from dev.embedded_postgres.server import EmbeddedPostgres
from tests.conftest import MakeClient, MakeSettings
from tests.support.applications import close
from tests.support.checked_users import LIMITS, current_user, sign_in_check
from tests.support.database_copy import DatabaseCopy, connect
from tests.support.database_fixtures import Logged, levels_of_unavailable
from tests.support.people import Person

INSUFFICIENT_PRIVILEGE = "42501"
READ_ONLY_TRANSACTION = "25006"
ACTIVE_TRANSACTION = "25001"
"""What PostgreSQL says when a transaction that only reads is to write from here on."""
BYPASSING_OWNER = "owner_past_row_security"
BYPASSING_LOGIN = "login_past_row_security"
TASKS_OF_EACH = 2

Statement = tuple[str, tuple[object, ...]]


@dataclass
class TwoUsers:
    """A database in which Ada and Ben have tasks, and the application's connections to it.

    :ivar connection: for statements in plain SQL, each of which is a flight
    :ivar database: what the application uses; a pool of one connection
    """

    connection: Connection
    database: Database
    owner: OwnerConnection
    ada: Person
    ben: Person

    def run(self, statement: Statement, *, check: Check | None = None, reads: bool = False) -> Result:
        """Run exactly this statement, without anything that SQLAlchemy could add."""
        sql, parameters = statement
        return self.connection.execute(sql, parameters, Flight(reads=reads, check=check))

    def run_as(self, person: Person, statement: Statement, *, reads: bool = False) -> Result:
        """Run the statement behind the check of this person's sign-in."""
        return self.run(statement, check=sign_in_check(person), reads=reads)

    def identity(self, *, check: Check | None = None, reads: bool = False) -> tuple[str, str]:
        """The role of a new flight, and the user's id that the policy compares."""
        [[role, user_id]] = self.run(IDENTITY, check=check, reads=reads).rows
        return role, user_id

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


@pytest.fixture(scope="module")
def bypassing_login_url(postgres: EmbeddedPostgres, shared_database: DatabaseCopy) -> Iterator[str]:
    """The URL of a login that was given BYPASSRLS, as an operator may by mistake. Otherwise it is the application's."""
    with connect(postgres.url()) as superuser:
        superuser.run(f"create role {BYPASSING_LOGIN} login noinherit bypassrls password 'login'")
        superuser.run(f"grant todo_auth, todo_user to {BYPASSING_LOGIN} with inherit false, set true")
    with connect(shared_database.login_url(BYPASSING_LOGIN, "login")) as login:
        [[may_bypass]] = login.run("select rolbypassrls from pg_roles where rolname = current_user")
    assert may_bypass
    yield shared_database.login_url(BYPASSING_LOGIN, "login")
    with connect(postgres.url()) as superuser:
        superuser.run(f"drop role {BYPASSING_LOGIN}")


@pytest.fixture(
    params=["the application's login", "a login that bypasses row security", "an owner that bypasses row security"]
)
def url(request: pytest.FixtureRequest, shared_database: DatabaseCopy) -> str:
    """DATABASE_URL with the application's login, with one that protects less by mistake, and with the owner's.

    The owner's is allowed, but protects less.
    """
    if request.param == "the application's login":
        return shared_database.url
    fixture = "bypassing_login_url" if request.param.startswith("a login") else "bypassing_owner_url"
    bypassing: str = request.getfixturevalue(fixture)
    return bypassing


@pytest.fixture
def two_users(url: str, postgres: EmbeddedPostgres, make_client: MakeClient) -> Iterator[TwoUsers]:
    """Ada and Ben, each with tasks, and one connection, which all flights of a test use one after the other."""
    client = make_client(database_url=url)
    people = [Person.sign_up(client, name=name) for name in ("Ada", "Ben")]
    for person in people:
        for number in range(TASKS_OF_EACH):
            person.create_task(f"Task {number}")
    parsed = DatabaseUrl.parse(url)
    database = Database(parsed, pool_size=1)
    with (
        connect(postgres.url(parsed.database)) as owner,
        Connection(parsed, opening=Opening(AUTH_ROLE)) as connection,
    ):
        yield TwoUsers(connection, database, owner, *people)
    database.close()


def refused_with(act: Callable[[], object]) -> str | type[CheckFailed] | None:
    """The SQLSTATE with which PostgreSQL refuses, or that the check gave no row; None when nothing refuses."""
    try:
        act()
    except CheckFailed:
        return CheckFailed
    except ServerError as error:
        return sqlstate(error)
    return None


def refused_with_each(
    act: Callable[[Statement], object], statements: list[Statement]
) -> dict[Statement, str | type[CheckFailed] | None]:
    """With what each statement is refused."""
    return {statement: refused_with(partial(act, statement)) for statement in statements}


IDENTITY: Statement = ("select current_user, coalesce(current_setting('app.user_id', true), '')", ())
NO_USER = (AUTH_ROLE, "")
SOME_ID = UUID(int=1)
BECOME_USER = "set_config('role', 'todo_user', true), set_config('app.user_id', $1, true)"

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
    ("with gone as (delete from tasks returning id) select count(*) from gone", ()),
    ("truncate tasks", ()),
    ("copy tasks to stdout", ()),
    ("lock table tasks", ()),
    ("select * from task_totals", ()),
    ("insert into task_totals values ($1, 0, 0)", (SOME_ID,)),
    ("update task_totals set tasks = 0, bytes = 0", ()),
    ("delete from task_totals", ()),
    ("truncate task_totals", ()),
    ("select has_room_for_task(1)", ()),
    ("select set_config('app.user_id', $1, true), (select count(*) from tasks)", (str(SOME_ID),)),
    (f"select {BECOME_USER}, (select count(*) from tasks)", (str(SOME_ID),)),
    (f"with bound as materialized (select {BECOME_USER}) select tasks.* from bound, tasks", (str(SOME_ID),)),
]


@pytest.mark.spec("FR-014", "FR-023", "SC-003")
def test_without_a_check_every_statement_on_tasks_is_refused(two_users: TwoUsers) -> None:
    before = two_users.stored_tasks(two_users.ada)

    refused = refused_with_each(two_users.run, STATEMENTS_ON_TASKS)

    assert refused == dict.fromkeys(STATEMENTS_ON_TASKS, INSUFFICIENT_PRIVILEGE)
    assert two_users.stored_tasks(two_users.ada) == before


@pytest.mark.spec("FR-014", "FR-023", "SC-003")
def test_without_a_check_a_flight_that_reads_is_refused_too(two_users: TwoUsers) -> None:
    refused = refused_with_each(partial(two_users.run, reads=True), STATEMENTS_ON_TASKS)

    assert set(refused.values()) == {INSUFFICIENT_PRIVILEGE, READ_ONLY_TRANSACTION}


class UncheckedUser(CurrentUser):
    """A user whose statements lack the check."""

    def _checked(
        self,
        send: Callable[..., Rows],
        statement: Executable,
        parameters: Mapping[str, Any],
        settings: Mapping[str, str] = NO_SETTINGS,
    ) -> Rows:
        return send(statement, {**parameters, "owner_id": self.id})


OPERATIONS: dict[str, Callable[[CurrentUser, UUID], object]] = {
    "list": lambda user, _: service.list_as_json(user),
    "create": lambda user, _: service.create(user, title="Mine now", description=None, limits=LIMITS),
    "get": service.get,
    "edit": lambda user, task_id: service.edit(user, task_id, {"title": "Mine now"}, allowed=None, limits=LIMITS),
    "toggle": lambda user, task_id: service.toggle(user, task_id, allowed=None),
    "delete": lambda user, task_id: service.remove(user, task_id, allowed=None),
}


@pytest.mark.spec("FR-013", "FR-023", "SC-003", "NFR-014")
@pytest.mark.parametrize("operate", OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_that_forgot_its_check_is_a_logged_503(
    two_users: TwoUsers, operate: Callable[[CurrentUser, UUID], object], logged: Logged
) -> None:
    [[task_id, *_], *_] = before = two_users.stored_tasks(two_users.ada)
    checked = current_user(two_users.ada, two_users.database)
    forgetful = UncheckedUser(checked.id, checked.sign_in_id, checked.database)

    with pytest.raises(DatabaseUnavailable) as refused:
        operate(forgetful, task_id)

    assert isinstance(refused.value.__cause__, DBAPIError)
    assert sqlstate(refused.value.__cause__.orig) == INSUFFICIENT_PRIVILEGE
    assert levels_of_unavailable(logged) == ["ERROR"]
    assert two_users.stored_tasks(two_users.ada) == before


def _sign_out(two_users: TwoUsers) -> Check:
    check = sign_in_check(two_users.ada)
    assert two_users.ada.post("/api/auth/signout").status_code == 200
    return check


def _expire(two_users: TwoUsers) -> Check:
    check = sign_in_check(two_users.ada)
    two_users.owner.run("update refresh_tokens set expires_at = now() where user_id = :id", id=two_users.ada.id)
    return check


def _name_another_users_sign_in(two_users: TwoUsers) -> Check:
    sign_in_of_ben, _ = sign_in_check(two_users.ben).parameters
    return Check(bind_to_user(), (sign_in_of_ben, UUID(two_users.ada.id)))


def _name_an_unknown_sign_in(two_users: TwoUsers) -> Check:
    return Check(bind_to_user(), (uuid4(), UUID(two_users.ada.id)))


each_failing_check = pytest.mark.parametrize(
    "make_failing_check",
    [_sign_out, _expire, _name_another_users_sign_in, _name_an_unknown_sign_in],
    ids=["signed out", "expired", "of another user", "unknown"],
)


@pytest.mark.spec("FR-012", "FR-013", "FR-023", "SC-003")
@each_failing_check
def test_after_a_check_without_a_row_no_statement_on_tasks_counts(
    two_users: TwoUsers, make_failing_check: Callable[[TwoUsers], Check]
) -> None:
    before = [two_users.stored_tasks(person) for person in (two_users.ada, two_users.ben)]
    check = make_failing_check(two_users)

    refused = refused_with_each(partial(two_users.run, check=check), STATEMENTS_ON_TASKS)

    assert refused == dict.fromkeys(STATEMENTS_ON_TASKS, CheckFailed)
    assert [two_users.stored_tasks(person) for person in (two_users.ada, two_users.ben)] == before


@pytest.mark.spec("FR-012", "FR-013", "SC-010")
def test_after_a_check_without_a_row_nothing_at_all_is_written(two_users: TwoUsers) -> None:
    """`todo_auth` may do these things, and the transaction still has that role."""
    check, key = _sign_out(two_users), uuid4().hex
    statements: list[Statement] = [
        ("insert into rate_limits values ($1, '{}', now())", (key,)),
        ("delete from refresh_tokens where user_id = $1", (UUID(two_users.ben.id),)),
    ]

    refused = refused_with_each(partial(two_users.run, check=check), statements)

    assert refused == dict.fromkeys(statements, CheckFailed)
    assert two_users.owner.run("select key from rate_limits where key = :key", key=key) == []
    assert two_users.ben.get("/api/tasks").status_code == 200


@pytest.mark.spec("FR-012", "FR-013", "FR-030")
@each_failing_check
@pytest.mark.parametrize("reads", [True, False])
def test_a_user_whose_check_gives_no_row_is_not_authenticated(
    two_users: TwoUsers, make_failing_check: Callable[[TwoUsers], Check], reads: bool
) -> None:
    sign_in_id, user_id = make_failing_check(two_users).parameters
    user = CurrentUser(user_id, sign_in_id, two_users.database)

    with pytest.raises(NotAuthenticated):
        (user.read if reads else user.run)(text("select 1"))


@pytest.mark.spec("FR-017", "FR-023", "SC-003", "US2-2")
@pytest.mark.parametrize(
    ("statement", "reads"),
    [
        (("select user_id from tasks", ()), True),
        (("select user_id from tasks where title <> $1", ("",)), True),
        (("with everything as (select * from tasks) select user_id from everything", ()), True),
        (("select a.user_id from tasks a left join tasks b on b.title = a.title and b.id <> a.id", ()), True),
        (("select user_id from tasks where user_id = $1 or true", (SOME_ID,)), True),
        (("select user_id from tasks for update", ()), False),
        (("update tasks set title = title returning user_id", ()), False),
        (("delete from tasks returning user_id", ()), False),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_checked_flight_sees_only_its_users_tasks(two_users: TwoUsers, statement: Statement, reads: bool) -> None:
    answer = two_users.run_as(two_users.ada, statement, reads=reads)

    assert [str(user_id) for [user_id] in answer.rows] == [two_users.ada.id] * TASKS_OF_EACH


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

    touched = two_users.run_as(two_users.ada, statement).row_count

    assert touched == TASKS_OF_EACH
    assert two_users.stored_tasks(two_users.ben) == others


@pytest.mark.spec("FR-023", "SC-003", "US2-4")
@pytest.mark.parametrize("sql", ["select * from tasks where id = $1", "delete from tasks where id = $1 returning id"])
def test_another_users_task_cannot_be_found_by_its_id(two_users: TwoUsers, sql: str) -> None:
    [[task_id, *_], *_] = two_users.stored_tasks(two_users.ben)

    found = two_users.run_as(two_users.ada, (sql, (task_id,)))

    assert found.rows == []
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

    refused = refused_with(lambda: two_users.run_as(two_users.ada, statement))

    assert refused == INSUFFICIENT_PRIVILEGE
    assert len(two_users.stored_tasks(two_users.ben)) == TASKS_OF_EACH


@pytest.mark.spec("FR-015", "FR-016")
def test_inserting_an_own_task_needs_no_access_to_the_users_table(two_users: TwoUsers) -> None:
    two_users.run_as(
        two_users.ada, ("insert into tasks (title, user_id) values ($1, $2)", ("Mine", UUID(two_users.ada.id)))
    )

    assert len(two_users.stored_tasks(two_users.ada)) == TASKS_OF_EACH + 1


OTHER_TABLES = ("users", "refresh_tokens", "rate_limits", "alembic_version", "task_totals")
STATEMENTS_BEYOND_TASKS: list[Statement] = [
    *((f"select * from {table}", ()) for table in OTHER_TABLES),
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
    ("insert into task_totals values ($1, 0, 0)", (SOME_ID,)),
    ("update task_totals set tasks = 0, bytes = 0", ()),
    ("delete from task_totals", ()),
    ("truncate task_totals", ()),
    ("alter table task_totals disable row level security", ()),
    ("alter table tasks disable row level security", ()),
    ("drop table tasks", ()),
    ("drop policy own_tasks on tasks", ()),
    ("create table loot (id int)", ()),
]


@pytest.mark.spec("FR-023", "SC-003", "NFR-007")
def test_a_checked_flight_reaches_nothing_but_tasks(two_users: TwoUsers) -> None:
    refused = refused_with_each(partial(two_users.run_as, two_users.ada), STATEMENTS_BEYOND_TASKS)

    assert refused == dict.fromkeys(STATEMENTS_BEYOND_TASKS, INSUFFICIENT_PRIVILEGE)


@pytest.mark.spec("FR-014")
@pytest.mark.parametrize("reads", [True, False])
def test_the_token_decides_the_user_of_the_flight(two_users: TwoUsers, reads: bool) -> None:
    identity, _ = IDENTITY
    for person in (two_users.ada, two_users.ben, two_users.ada):
        user = current_user(person, two_users.database)

        [row] = (user.read if reads else user.run)(text(f"{identity}, cast(:owner_id as uuid)"))

        assert tuple(row) == ("todo_user", person.id, user.id)


WRITES_IN_DISGUISE: list[Statement] = [
    ("with gone as (delete from tasks returning id) select count(*) from gone", ()),
    ("with changed as (update tasks set title = $1 returning id) select * from changed", ("Mine now",)),
    ("select id from tasks for update", ()),
    ("select id from tasks where title <> $1 for share", ("",)),
    ("update tasks set title = title returning id", ()),
    ("delete from tasks", ()),
]


@pytest.mark.spec("FR-023", "SC-010")
def test_a_write_that_is_marked_as_a_read_is_refused_and_writes_nothing(two_users: TwoUsers) -> None:
    before = two_users.stored_tasks(two_users.ada)

    refused = refused_with_each(partial(two_users.run_as, two_users.ada, reads=True), WRITES_IN_DISGUISE)

    assert refused == dict.fromkeys(WRITES_IN_DISGUISE, READ_ONLY_TRANSACTION)
    assert two_users.stored_tasks(two_users.ada) == before


@pytest.mark.spec("SC-010")
def test_the_same_writes_marked_as_such_are_made(two_users: TwoUsers) -> None:
    refused = refused_with_each(partial(two_users.run_as, two_users.ada), WRITES_IN_DISGUISE)

    assert refused == dict.fromkeys(WRITES_IN_DISGUISE)
    assert two_users.stored_tasks(two_users.ada) == []


@pytest.mark.spec("SC-010")
def test_without_a_check_too_a_write_marked_as_a_read_is_refused(two_users: TwoUsers) -> None:
    key = uuid4().hex
    statement: Statement = ("insert into rate_limits values ($1, '{}', now()) returning key", (key,))
    stored = partial(two_users.owner.run, "select key from rate_limits where key = :key", key=key)

    refused = refused_with(lambda: two_users.run(statement, reads=True))

    assert (refused, stored()) == (READ_ONLY_TRANSACTION, [])
    assert refused_with(lambda: two_users.run(statement)) is None
    assert stored() == [[key]]


@pytest.mark.spec("SC-010", "NFR-014")
def test_an_operation_that_marked_its_write_as_a_read_is_a_logged_503(two_users: TwoUsers, logged: Logged) -> None:
    before = two_users.stored_tasks(two_users.ada)

    with pytest.raises(DatabaseUnavailable):
        current_user(two_users.ada, two_users.database).read(text("delete from tasks"))

    assert levels_of_unavailable(logged) == ["ERROR"]
    assert two_users.stored_tasks(two_users.ada) == before


@pytest.mark.spec("SC-010")
@pytest.mark.parametrize(
    "sql",
    [
        "set transaction read write",
        "select set_config('transaction_read_only', 'off', true)",
        "select set_config('default_transaction_read_only', 'off', false), id from tasks for update",
    ],
)
def test_a_flight_that_reads_cannot_decide_otherwise(two_users: TwoUsers, sql: str) -> None:
    refused = refused_with(lambda: two_users.run_as(two_users.ada, (sql, ()), reads=True))

    assert refused in (ACTIVE_TRANSACTION, READ_ONLY_TRANSACTION)


def _succeed(two_users: TwoUsers) -> None:
    assert two_users.run_as(two_users.ada, IDENTITY).rows == [["todo_user", two_users.ada.id]]


def _read(two_users: TwoUsers) -> None:
    assert two_users.run_as(two_users.ada, IDENTITY, reads=True).rows == [["todo_user", two_users.ada.id]]


def _fail(two_users: TwoUsers) -> None:
    assert refused_with(lambda: two_users.run_as(two_users.ada, ("select 1 / 0", ()))) == "22012"


def _be_refused(two_users: TwoUsers) -> None:
    refused = refused_with(lambda: two_users.run_as(two_users.ada, ("select * from users", ())))
    assert refused == INSUFFICIENT_PRIVILEGE


def _fail_in_the_check(two_users: TwoUsers) -> None:
    check = Check(f"{bind_to_user()} and 1 / length($3) = 1", (*sign_in_check(two_users.ada).parameters, ""))
    assert refused_with(lambda: two_users.run(IDENTITY, check=check)) == "22012"


def _give_no_row(two_users: TwoUsers) -> None:
    assert refused_with(lambda: two_users.run(IDENTITY, check=_sign_out(two_users))) == CheckFailed


def _become_a_user_by_itself(two_users: TwoUsers) -> None:
    two_users.run((f"select {BECOME_USER}", (two_users.ada.id,)))


def _commit(two_users: TwoUsers) -> None:
    two_users.run_as(two_users.ada, ("commit", ()))


def _roll_back(two_users: TwoUsers) -> None:
    two_users.run_as(two_users.ada, ("rollback", ()))


each_flight = pytest.mark.parametrize(
    "fly",
    [
        _succeed,
        _read,
        _fail,
        _be_refused,
        _fail_in_the_check,
        _give_no_row,
        _become_a_user_by_itself,
        _commit,
        _roll_back,
    ],
    ids=lambda fly: fly.__name__.strip("_"),
)


@pytest.mark.spec("FR-014", "FR-023")
@each_flight
@pytest.mark.parametrize("reads", [True, False])
def test_the_next_flight_on_the_connection_has_no_user(
    two_users: TwoUsers, fly: Callable[[TwoUsers], None], reads: bool
) -> None:
    process = two_users.run(("select pg_backend_pid()", ())).rows
    fly(two_users)

    assert two_users.identity(reads=reads) == NO_USER
    assert two_users.run(("select pg_backend_pid()", ())).rows == process


@pytest.mark.spec("FR-014", "FR-023")
@each_flight
def test_the_session_keeps_no_role_and_no_user(
    two_users: TwoUsers, url: str, fly: Callable[[TwoUsers], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fly(two_users)

    monkeypatch.setattr(two_users.connection, "_opening", None)  # without it the role of the session itself shows
    sql, parameters = IDENTITY
    [left_behind] = two_users.connection.execute(sql, parameters).rows

    assert left_behind == [DatabaseUrl.parse(url).user, ""]


@pytest.mark.spec("FR-014", "FR-023")
def test_a_role_and_user_that_a_session_was_left_with_do_not_count(
    two_users: TwoUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without_opening:
        without_opening.setattr(two_users.connection, "_opening", None)
        two_users.connection.execute("select set_config('app.user_id', $1, false)", (two_users.ada.id,))
        two_users.connection.execute("set role todo_user")
        two_users.connection.commit()

    assert two_users.identity() == (AUTH_ROLE, two_users.ada.id)
    assert refused_with(lambda: two_users.run(("select * from tasks", ()))) == INSUFFICIENT_PRIVILEGE
    assert two_users.identity(check=sign_in_check(two_users.ben)) == ("todo_user", two_users.ben.id)


@pytest.mark.spec("SC-010", "FR-023")
def test_a_statement_that_leaves_a_transaction_open_ends_its_connection(two_users: TwoUsers) -> None:
    with pytest.raises(ConnectionLost):
        two_users.run_as(two_users.ada, ("begin", ()))

    with pytest.raises(ConnectionLost):
        two_users.run(IDENTITY)


@pytest.mark.spec("FR-023", "NFR-004")
@pytest.mark.parametrize("sql", ["select 1; delete from tasks", "commit; delete from tasks", "select 1; reset role"])
def test_a_flight_has_one_statement(two_users: TwoUsers, sql: str) -> None:
    assert refused_with(lambda: two_users.run_as(two_users.ada, (sql, ()))) == "42601"
    assert len(two_users.stored_tasks(two_users.ada)) == TASKS_OF_EACH


class LateOpening(Opening):
    """An opening whose deadline has passed, whatever the clock's offset."""

    def units(self, *, ends_at: float, reads: bool) -> bytes:
        return super().units(ends_at=ends_at - 24 * 3600, reads=reads)


@pytest.mark.spec("FR-023", "SC-010")
@pytest.mark.parametrize("has_check", [True, False], ids=["with a check", "without"])
def test_a_late_flight_does_nothing_on_tasks(two_users: TwoUsers, url: str, has_check: bool) -> None:
    before = two_users.stored_tasks(two_users.ada)
    check = sign_in_check(two_users.ada) if has_check else None

    with Connection(DatabaseUrl.parse(url), opening=LateOpening(AUTH_ROLE)) as connection:
        for sql, parameters in STATEMENTS_ON_TASKS:
            if not sql.startswith("copy"):  # the owner's would be answered, in a way that ends the connection
                with pytest.raises(Late):
                    connection.execute(sql, parameters, Flight(check=check))

    assert two_users.stored_tasks(two_users.ada) == before


@pytest.mark.spec("FR-014", "FR-023")
@pytest.mark.parametrize("pool_size", [0, 1])
def test_between_the_flights_of_a_conversation_there_is_no_user(two_users: TwoUsers, url: str, pool_size: int) -> None:
    database = Database(DatabaseUrl.parse(url), pool_size=pool_size)
    become_user = text("select set_config('role', 'todo_user', true), set_config('app.user_id', 'x', true)")
    identity = text(f"{IDENTITY[0]}, pg_backend_pid()")

    with database.conversation() as conversation:
        [(*_, process)] = conversation.run(identity)
        conversation.run(become_user)
        [between] = conversation.run(identity)
    database.close()

    assert tuple(between) == (*NO_USER, process)


@pytest.mark.spec("SC-010", "FR-023")
@pytest.mark.parametrize("parameters", [{}, {"nothing": ""}], ids=["without parameters", "with parameters"])
@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("pool_size", [0, 1])
def test_a_connections_first_statement_has_the_role_of_its_flight(
    url: str, pool_size: int, reads: bool, parameters: dict[str, str]
) -> None:
    database = Database(DatabaseUrl.parse(url), pool_size=pool_size)
    statement = text(IDENTITY[0] + (" where '' = :nothing" if parameters else ""))

    [first] = (database.read if reads else database.run)(statement, parameters)
    database.close()

    assert tuple(first) == NO_USER


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
    found = unprotected_operations(extensible_client, headers=person.headers)
    assert sorted(found) == ["GET /api/whoami", "HEAD /api/whoami"]
