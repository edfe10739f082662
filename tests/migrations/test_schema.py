"""The migrated schema is the committed one and that of the models, and its constraints refuse invalid rows."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pg8000.exceptions import DatabaseError
from sqlmodel import SQLModel

from backend.migrations.apply import owner_engine
from backend.postgres.url import DatabaseUrl
from tests.migrations.schema import PATH, dump
from tests.support.database_copy import DatabaseCopy

CONSTRAINTS_AND_INDEXES = """
    select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
    where connamespace = 'public'::regnamespace and conrelid::regclass::text <> 'alembic_version'
    union all
    select tablename, indexname, indexdef from pg_indexes where schemaname = 'public' and tablename <> 'alembic_version'
    order by 1, 2, 3
"""


@pytest.mark.spec("SC-012", "SC-013", "NFR-011", "FR-005")
def test_the_schema_is_the_committed_one(fresh_database: DatabaseCopy) -> None:
    assert dump(fresh_database) == PATH.read_text(), "if that is meant, run `make schema`"


@pytest.mark.spec("SC-012", "SC-013")
@pytest.mark.parametrize(
    "loss",
    [
        "alter table tasks drop constraint ck_tasks_title",
        "alter table users drop constraint ck_users_email",
        "alter table users drop constraint uq_users_email",
        "alter table tasks drop constraint fk_tasks_user_id_users",
        "alter table tasks alter column title drop not null",
        "alter table tasks alter column completed drop default",
        "alter table rate_limits set unlogged",
        "drop trigger tasks_set_updated_at on tasks",
        "alter table tasks disable trigger tasks_set_updated_at",
        "drop policy own_tasks on tasks",
        "alter policy own_tasks on tasks to public",
        "alter table tasks disable row level security",
        "revoke select on tasks from todo_user",
        "revoke update (version) on tasks from todo_user",
        "revoke insert on users from todo_auth",
        "grant select on tasks to todo_auth",
        "grant update on users to todo_auth",
        "grant select on users to public",
        "drop index ix_tasks_user_id_created_at_id",
        "alter function has_room_for_task(integer) security definer",
        "alter function count_tasks() security invoker",
        "alter function count_tasks() reset all",
        "grant execute on function count_tasks() to public",
        "grant select on task_totals to todo_user",
        "alter table task_totals disable row level security",
        "drop trigger tasks_count_updated on tasks",
    ],
)
def test_the_comparison_notices_what_alembic_does_not(fresh_database: DatabaseCopy, loss: str) -> None:
    fresh_database.query(loss)

    assert dump(fresh_database) != PATH.read_text()


@pytest.mark.spec("SC-012", "NFR-020")
def test_alembic_finds_no_difference_between_models_and_schema(fresh_database: DatabaseCopy) -> None:
    with owner_engine(DatabaseUrl.parse(fresh_database.owner_url)).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})

        assert compare_metadata(context, SQLModel.metadata) == []


@pytest.mark.spec("SC-012", "NFR-020")
def test_the_models_have_the_constraints_and_indexes_of_the_schema(
    fresh_database: DatabaseCopy, empty_database: DatabaseCopy
) -> None:
    [[[uuid_v7]]] = fresh_database.query("select pg_get_functiondef('uuid_v7'::regproc)")
    empty_database.query(uuid_v7)
    with owner_engine(DatabaseUrl.parse(empty_database.owner_url)).connect() as connection:
        SQLModel.metadata.create_all(connection)
        connection.commit()

    [of_the_models] = empty_database.query(CONSTRAINTS_AND_INDEXES)
    [of_the_migrations] = fresh_database.query(CONSTRAINTS_AND_INDEXES)
    only_models = [row for row in of_the_models if row not in of_the_migrations]
    only_migrations = [row for row in of_the_migrations if row not in of_the_models]

    assert (only_models, only_migrations) == ([], []), (
        f"only the models have {only_models}, only the migrations have {only_migrations}: "
        "Alembic does not write CHECK constraints (CONTRIBUTING.md, Adding a column)"
    )


@pytest.mark.spec("SC-012", "NFR-004")
@pytest.mark.parametrize(
    "statement",
    [
        "insert into tasks (title, user_id) select '', id from users",
        "insert into tasks (title, user_id) select '   ', id from users",
        "insert into tasks (title, user_id) select repeat('t', 201), id from users",
        "insert into tasks (title, description, user_id) select 't', repeat('d', 2001), id from users",
        "insert into tasks (title, user_id) values ('nobody''s', gen_random_uuid())",
        "insert into tasks (title, user_id) values ('nobody''s', null)",
        "insert into users (email, password_hash, name) select email, 'x', 'x' from users",
        "insert into users (email, password_hash, name) values ('Ada@example.com', 'x', 'x')",
        "insert into users (email, password_hash, name) values ('a@example.com', 'x', '')",
        "insert into users (email, password_hash, name) values ('a@example.com', 'x', repeat('n', 101))",
        "insert into users (email, password_hash, name) values ('a@example.com', null, 'x')",
    ],
)
def test_the_database_itself_refuses_what_the_api_would_not_send(fresh_database: DatabaseCopy, statement: str) -> None:
    fresh_database.query("insert into users (email, password_hash, name) values ('ada@example.com', 'x', 'Ada')")

    with pytest.raises(DatabaseError, match="'C': '23"):
        fresh_database.query(statement)


@pytest.mark.spec("SC-012")
def test_ids_are_uuids_of_version_7_in_the_order_of_creation(fresh_database: DatabaseCopy) -> None:
    [rows] = fresh_database.query(
        "select uuid_v7()::text from generate_series(1, 50) where pg_sleep(0.002) is not null"
    )
    ids = [row[0] for row in rows]

    assert ids == sorted(ids)
    assert {(text[14], text[19] in "89ab") for text in ids} == {("7", True)}
