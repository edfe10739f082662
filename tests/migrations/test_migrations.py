"""Upgrades and downgrades lose no rows, even when several processes upgrade at once."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from alembic import command

from backend.migrations.apply import migrate
from dev.embedded_postgres.server import EmbeddedPostgres
from tests.conftest import MakeClient
from tests.migrations.migrating import HEAD, alembic, start_migrating
from tests.migrations.schema import PATH, dump
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person

ALL_ROWS = [
    "select md5(string_agg(jsonb_strip_nulls(to_jsonb(u))::text, ',' order by id)) from users u",
    "select count(*), md5(string_agg(jsonb_strip_nulls(to_jsonb(t))::text, ',' order by id)) from tasks t",
    "select md5(string_agg(jsonb_strip_nulls(to_jsonb(r) - 'rotations')::text, ',' order by id)) from refresh_tokens r",
]
"""All rows, without what only one revision has: null members, and the times that a downgrade may forget."""


def tables_of(database: DatabaseCopy) -> set[str]:
    [tables] = database.query("select tablename from pg_tables where schemaname = 'public'")
    return {name for (name,) in tables}


@pytest.mark.spec("SC-013")
def test_one_revision_back_and_forward_again_keeps_every_row(
    fresh_database: DatabaseCopy, make_client: MakeClient
) -> None:
    ada = Person.sign_up(make_client(database_url=fresh_database.url), name="Ada 👩")
    fresh_database.query(
        "insert into tasks (title, description, completed, user_id, version, created_at, updated_at) "
        "select 'task ' || n, nullif(repeat('é', n % 7), ''), n % 3 = 0, id, n, now() - n * interval '1 s', now() "
        "from users, generate_series(1, 5000) n",
    )
    assert ada.refresh().status_code == 200
    rows, tasks = fresh_database.query(*ALL_ROWS), ada.tasks()

    with alembic(fresh_database) as config:
        command.downgrade(config, "-1")
    rows_of_the_version_before = fresh_database.query(*ALL_ROWS)
    with alembic(fresh_database) as config:
        command.upgrade(config, "head")

    assert rows_of_the_version_before == rows
    assert fresh_database.query(*ALL_ROWS) == rows
    assert dump(fresh_database) == PATH.read_text()
    assert ada.tasks() == tasks
    assert len(tasks) == 5000
    assert ada.patch(f"/api/tasks/{tasks[0]['id']}/toggle").status_code == 200
    assert ada.refresh().status_code == 200
    assert ada.sign_in_again().create_task()["user_id"] == ada.id


@pytest.mark.spec("SC-013", "SC-010")
@pytest.mark.parametrize("revision", [HEAD, "0002", "0001"])
def test_a_downgrade_of_tables_with_rows_is_refused_and_changes_nothing(
    fresh_database: DatabaseCopy, make_client: MakeClient, revision: str
) -> None:
    ada = Person.sign_up(make_client(database_url=fresh_database.url))
    task = ada.create_task()
    with alembic(fresh_database) as config:
        command.downgrade(config, revision)

    with pytest.raises(RuntimeError, match="users is not empty"), alembic(fresh_database) as config:
        command.downgrade(config, "base")

    assert fresh_database.query("select version_num from alembic_version") == [[[revision]]]
    with alembic(fresh_database) as config:
        command.upgrade(config, "head")
    assert dump(fresh_database) == PATH.read_text()
    assert ada.tasks() == [task]


@pytest.mark.spec("SC-013")
def test_empty_tables_can_be_downgraded_and_upgraded_again(fresh_database: DatabaseCopy) -> None:
    with alembic(fresh_database) as config:
        command.downgrade(config, "base")
    tables = tables_of(fresh_database)
    with alembic(fresh_database) as config:
        command.upgrade(config, "head")

    assert tables == {"alembic_version"}
    assert dump(fresh_database) == PATH.read_text()


@pytest.mark.spec("SC-013")
def test_an_upgrade_of_an_up_to_date_database_changes_nothing(fresh_database: DatabaseCopy) -> None:
    migrate(fresh_database.owner_url, fresh_database.url, lambda _: None)  # closes CONNECT, which a copy has open
    printed: list[str] = []

    migrate(fresh_database.owner_url, fresh_database.url, printed.append)

    assert printed == [f"Schema: revision {HEAD}", "Login: todo_api is there already, and may take the two roles"]
    assert dump(fresh_database) == PATH.read_text()


@pytest.mark.spec("SC-013")
def test_racing_upgrades_of_an_empty_cluster_all_succeed() -> None:
    with (
        TemporaryDirectory() as directory,
        EmbeddedPostgres(Path(directory, "postgres"), {"fsync": "off"}, is_temporary=True) as server,
    ):
        database = DatabaseCopy(server, "todo")
        database.create(source="template1")

        racers = [start_migrating(database.owner_url, database.url) for _ in range(4)]
        printed = [racer.communicate() for racer in racers]

        assert [(racer.returncode, errors) for racer, (_, errors) in zip(racers, printed, strict=True)] == [(0, "")] * 4
        assert all(output.startswith(f"Schema: revision {HEAD}") for output, _ in printed)
        assert dump(database) == PATH.read_text()
