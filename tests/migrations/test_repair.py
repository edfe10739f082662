"""What a cluster may have that takes the protection away: each is named by the check, and mended or refused by name."""

import re

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from backend.migrations import repair
from backend.migrations.difference import Difference
from backend.migrations.failure import MigrationFailed
from backend.postgres import ServerError
from tests.migrations.checking import findings, migrate
from tests.migrations.migrating import HEAD
from tests.migrations.schema import PATH, dump
from tests.support.cluster import OWNER, Cluster, OwnedDatabase

USUAL = [f"Schema: revision {HEAD}", "Login: todo_api is there already, and may take the two roles"]
READER = "create role reader nologin"


@pytest.fixture
def database(cluster: Cluster) -> OwnedDatabase:
    """A migrated database, whose owner is no superuser, in a cluster of its own."""
    database = cluster.database()
    migrate(database)
    assert findings(database) == []
    return database


MENDED = {
    "may bypass row security": ("alter role todo_user bypassrls", "the role todo_user has BYPASSRLS"),
    "can log in": ("alter role todo_auth login password 'x'", "the role todo_auth has LOGIN"),
    "inherits": ("alter role todo_user inherit", "the role todo_user has INHERIT"),
    "creates roles": ("alter role todo_auth createrole", "the role todo_auth has CREATEROLE"),
    "creates databases": ("alter role todo_auth createdb", "the role todo_auth has CREATEDB"),
    "replicates": ("alter role todo_auth replication", "the role todo_auth has REPLICATION"),
    "one role in the other": (
        f"grant todo_auth to todo_user granted by {OWNER}",
        "the role todo_user is a member of todo_auth, with rights that it must not have",
    ),
    "a role in the owner's": (
        f"set role {OWNER}; create role reader nologin; grant reader to todo_user",
        "the role todo_user is a member of reader, with rights that it must not have",
    ),
    "a setting": ("alter role todo_user set search_path = pg_temp", "the role todo_user starts with search_path = "),
    "a setting in the database": (
        "alter role todo_auth in database todo set row_security = off",
        "the role todo_auth starts with row_security = 'off'",
    ),
    "a table": ("create table public.loot (); alter table loot owner to todo_user", "owns the table public.loot"),
    "a function": (
        "create function f() returns int return 1; alter function f owner to todo_auth",
        "the role todo_auth owns the function public.f()",
    ),
    "the tasks": ("alter table tasks owner to todo_user", "the role todo_user owns the table public.tasks"),
    "a right on a table": ("grant select on users to todo_user", "todo_user may select on table public.users"),
    "a right on a whole table": ("grant update on tasks to todo_user", "todo_user may update on table public.tasks"),
    "a right on a column": (
        "grant update (user_id) on tasks to todo_user",
        "todo_user may update (user_id) on table public.tasks",
    ),
    "a right to pass on": (
        "grant select on tasks to todo_user with grant option",
        "todo_user may select on table public.tasks and pass it on",
    ),
    "a right on the schema": ("grant create on schema public to todo_user", "may create on schema public"),
    "a right on another schema": (
        f"create schema elsewhere authorization {OWNER}; grant usage on schema elsewhere to todo_auth",
        "todo_auth may usage on schema elsewhere",
    ),
    "a right on a sequence": (
        f"set role {OWNER}; create sequence numbers; grant usage on sequence numbers to todo_user",
        "todo_user may usage on sequence public.numbers",
    ),
    "a right on a function": (
        f"set role {OWNER}; create function f() returns int return 1; grant execute on function f to todo_user",
        "todo_user may execute on function public.f()",
    ),
    "a right on a procedure": (
        f"set role {OWNER}; create procedure p() begin atomic end; grant execute on procedure p to todo_user",
        "todo_user may execute on procedure public.p()",
    ),
    "PUBLIC reads": ("grant select on users to public", "public may select on table public.users"),
    "PUBLIC creates": ("grant create on schema public to public", "public may create on schema public"),
    "a right is missing": ("revoke select on tasks from todo_user", "todo_user lacks select on table public.tasks"),
    "a column's right is missing": (
        "revoke update (version) on tasks from todo_user",
        "todo_user lacks update (version) on table public.tasks",
    ),
    "the schema is closed": ("revoke usage on schema public from todo_auth", "todo_auth lacks usage on schema public"),
    "a function is closed": (
        "revoke execute on function uuid_v7() from public",
        "public lacks execute on function public.uuid_v7()",
    ),
    "PUBLIC counts": (
        "grant execute on function count_tasks() to public",
        "public may execute on function public.count_tasks()",
    ),
    "totals are shown": (
        "alter table task_totals disable row level security",
        "row level security of the table task_totals is off",
    ),
    "a trigger is off": (
        "alter table tasks disable trigger tasks_count_inserted",
        "the trigger tasks_count_inserted of the table tasks is off",
    ),
    "all triggers are off": (
        "alter table tasks disable trigger user",
        "the trigger tasks_set_updated_at of the table tasks is off",
    ),
    "counting with the caller's rights": (
        "alter function count_tasks() security invoker",
        "the function count_tasks() runs with the rights of its caller",
    ),
    "row security is off": (
        "alter table tasks disable row level security",
        "row level security of the table tasks is off",
    ),
    "row security is on": (
        "alter table users enable row level security",
        "row level security of the table users is on",
    ),
    "row security is forced": (
        "alter table tasks force row level security",
        "row level security of the table tasks is forced on its owner",
    ),
    "the policy is missing": ("drop policy own_tasks on tasks", "the policy own_tasks on tasks is missing"),
    "the policy admits all": ("alter policy own_tasks on tasks using (true)", "own_tasks on tasks has been changed"),
    "the policy stores all": (
        "alter policy own_tasks on tasks with check (true)",
        "the policy own_tasks on tasks has been changed",
    ),
    "the policy is for all": ("alter policy own_tasks on tasks to public", "own_tasks on tasks has been changed"),
    "a policy besides": (
        'create policy "Open" on tasks using (true)',
        'the table tasks has another policy, "Open"',
    ),
    "the login bypasses": ("alter role todo_api bypassrls", "the role todo_api has BYPASSRLS"),
    "the login inherits": ("alter role todo_api inherit", "the role todo_api has INHERIT"),
    "the login has the roles' rights": (
        f"grant todo_user to todo_api with inherit true granted by {OWNER}",
        "the role todo_api is a member of todo_user, with rights that it must not have",
    ),
    "the login may grant a role": (
        f"grant todo_user to todo_api with admin true granted by {OWNER}",
        "the role todo_api is a member of todo_user, with rights that it must not have",
    ),
    "the login may not log in": ("alter role todo_api nologin", "the role todo_api lacks LOGIN"),
    "the login has expired": ("alter role todo_api valid until '2020-01-01'", "login todo_api has expired"),
    "the login lacks a role": (
        f"revoke todo_user from todo_api granted by {OWNER}",
        "the login todo_api may not take the role todo_user",
    ),
    "the login owns a table": ("alter table tasks owner to todo_api", "the role todo_api owns the table public.tasks"),
    "the login reads a table": ("grant select on users to todo_api", "todo_api may select on table public.users"),
    "the login has another timeout": (
        "alter role todo_api set statement_timeout = '80s'",
        "the role todo_api does not start with statement_timeout = '8s'",
    ),
    "the login has a setting": (
        "alter role todo_api set role = 'todo_user'",
        "the role todo_api starts with role = 'todo_user'",
    ),
    "the login may not connect": (
        "revoke connect on database todo from todo_api",
        "todo_api lacks connect on database todo",
    ),
}


@pytest.mark.spec("SC-013", "NFR-008", "FR-023")
@pytest.mark.parametrize(("fault", "sentence"), MENDED.values(), ids=MENDED)
def test_what_the_owner_may_mend_is_named_and_mended(database: OwnedDatabase, fault: str, sentence: str) -> None:
    database.as_superuser(*fault.split("; "))

    wrong, printed = findings(database), migrate(database)

    assert [line for line in wrong if sentence in line], wrong
    assert [line for line in printed if line.startswith("Mended: ") and sentence in line], printed
    assert findings(database) == []
    assert migrate(database) == USUAL


@pytest.mark.spec("SC-013")
def test_what_another_migration_changes_at_the_same_moment_is_tried_again(
    database: OwnedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Roles are shared by all databases of a cluster, which the lock of a migration is not."""
    database.as_superuser("alter role todo_user createdb")
    mend = repair._mend
    refused: list[Difference] = []

    def mend_the_second_time(connection: Connection, difference: Difference) -> None:
        if not refused:
            refused.append(difference)
            fields = {"C": "XX000", "M": "tuple concurrently updated"}
            raise DBAPIError("", None, ServerError(fields, nothing_written=True))
        mend(connection, difference)

    monkeypatch.setattr(repair, "_mend", mend_the_second_time)

    assert "Mended: the role todo_user has CREATEDB" in migrate(database)


@pytest.mark.spec("SC-013", "NFR-008", "FR-023")
def test_a_mended_schema_is_the_committed_one(database: OwnedDatabase) -> None:
    database.as_superuser(
        "revoke all on users, tasks, refresh_tokens, rate_limits from todo_auth, todo_user",
        "revoke usage on schema public from todo_auth, todo_user",
        "alter table tasks disable row level security",
        "drop policy own_tasks on tasks",
    )

    migrate(database)

    assert dump(database) == PATH.read_text()


REFUSED = {
    "a superuser": ("alter role todo_user superuser", "the role todo_user has SUPERUSER"),
    "reads everything": ("grant pg_read_all_data to todo_user", "todo_user is a member of pg_read_all_data"),
    "writes everything": ("grant pg_write_all_data to todo_auth", "todo_auth is a member of pg_write_all_data"),
    "in a stranger's role": (f"{READER}; grant reader to todo_user", "todo_user is a member of reader"),
    "the login is a superuser": ("alter role todo_api superuser", "the role todo_api has SUPERUSER"),
    "the login is in another role": ("grant pg_monitor to todo_api", "todo_api is a member of pg_monitor"),
    "a stranger's table": ("alter table users owner to postgres", "the table users belongs to postgres"),
    "a stranger's function": (
        "create role reader login; alter function count_tasks owner to reader",
        "the function count_tasks() belongs to reader",
    ),
    "a stranger's right": (
        "create table theirs (); grant select on theirs to todo_user",
        "todo_user may select on table public.theirs",
    ),
    "a catalog": ("grant select on pg_authid to todo_auth", "todo_auth may select on table pg_catalog.pg_authid"),
}


@pytest.mark.spec("SC-013", "NFR-008", "FR-023")
@pytest.mark.parametrize(("fault", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_the_owner_may_not_mend_is_refused_with_the_sql_that_does(
    database: OwnedDatabase, fault: str, sentence: str
) -> None:
    database.as_superuser(*fault.split("; "))

    wrong = findings(database)
    with pytest.raises(MigrationFailed) as refused:
        migrate(database)

    assert [line for line in wrong if sentence in line], wrong
    told = str(refused.value)
    assert sentence in told
    assert "\n" not in told
    assert "PostgreSQL says 42501" in told
    [remedy] = re.findall(r": run as [^:]*: (.*)$", told)
    database.as_superuser(*remedy.split("; "))
    assert findings(database) == []
    assert migrate(database) == USUAL


@pytest.mark.spec("SC-013", "NFR-008")
@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            "alter default privileges in schema public grant select on tables to todo_user",
            "the role todo_user has rights on default privileges on new relations belonging to role postgres",
        ),
        (
            "grant set on parameter log_statement to todo_user",
            "the role todo_user has rights on parameter log_statement",
        ),
        ("drop table rate_limits", "the table rate_limits is missing"),
        ("drop trigger tasks_count_deleted on tasks", "the trigger tasks_count_deleted of the table tasks is missing"),
    ],
    ids=["default privileges", "a parameter", "no table", "no trigger"],
)
def test_what_only_a_person_can_decide_is_refused_by_name(database: OwnedDatabase, fault: str, sentence: str) -> None:
    database.as_superuser(fault)

    wrong = findings(database)
    with pytest.raises(MigrationFailed) as refused:
        migrate(database)

    assert [line for line in wrong if sentence in line], wrong
    assert sentence in str(refused.value)


@pytest.mark.spec("SC-013")
def test_tasks_written_while_triggers_were_off_are_counted_by_a_migration(database: OwnedDatabase) -> None:
    database.as_superuser(
        "insert into users (email, password_hash, name) values ('ada@example.com', 'x', 'Ada')",
        "alter table tasks disable trigger user",
        "insert into tasks (title, user_id) select 'Buy milk', id from users, generate_series(1, 3)",
    )

    migrate(database)

    with database.connect_as_owner() as owner:
        [[tasks, size]] = owner.run("select tasks, bytes from task_totals")
        [[counted]] = owner.run("select sum(task_bytes(title, description)) from tasks")
    assert (tasks, size) == (3, counted)


@pytest.mark.spec("NFR-008")
def test_rights_of_a_persons_own_roles_stay(database: OwnedDatabase) -> None:
    database.as_superuser(
        READER, "grant select on users to reader", "create policy reports on tasks to reader using (true)"
    )

    assert findings(database) == []
    assert migrate(database) == USUAL


@pytest.mark.spec("SC-013", "NFR-008")
def test_the_check_names_everything_at_once_and_changes_nothing(database: OwnedDatabase) -> None:
    database.as_superuser("alter role todo_user bypassrls", "alter table tasks disable row level security")

    first, second = findings(database), findings(database)

    assert first == second
    assert first == [
        "the role todo_user has BYPASSRLS (make migrate, or run as a superuser: alter role todo_user nobypassrls)",
        (
            "row level security of the table tasks is off (make migrate, or run as a superuser: "
            "alter table public.tasks enable row level security)"
        ),
    ]
