"""What a server calls its own version is not read: forks, builds and previews name themselves in their own way."""

from collections.abc import Iterator

import pytest
from sqlalchemy import NullPool, text

from backend import postgres
from backend.database.transactions import Database
from backend.migrations.failure import MigrationFailed
from backend.migrations.preconditions import require_version
from backend.postgres import DatabaseUrl
from tests.support.database_copy import DatabaseCopy
from tests.support.scripted_server import ScriptedServer, Step, before, parameter

NAMES = ["17.5 (aa1f7e4)", "19devel", "19beta1", "18.0 (Debian 18.0-1.pgdg13+3)", "EnterpriseDB 17", ""]
"""The first is Neon's way."""
each_name = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(tls=False) as running:
        yield running


@pytest.mark.spec("SC-010")
@each_name
@pytest.mark.parametrize("reads", [True, False], ids=["reads", "writes"])
def test_a_flight_works_whatever_the_server_calls_its_version(server: ScriptedServer, name: str, reads: bool) -> None:
    server.follow({Step.PARAMETERS: before(parameter("server_version", name))})
    database = Database(server.database_url(), pool_size=1)

    rows = (database.read if reads else database.run)(text("select 1"))
    database.close()

    assert len(rows) == 1
    assert b"version" not in server.received  # nor is it asked for


@pytest.mark.spec("SC-010")
@each_name
def test_a_migrations_connection_works_whatever_the_version_is_called(server: ScriptedServer, name: str) -> None:
    server.follow({Step.PARAMETERS: before(parameter("server_version", name))})

    with postgres.engine(server.database_url(), poolclass=NullPool).connect() as connection:
        rows = connection.execute(text("select 1")).all()

    assert len(rows) == 1


@pytest.mark.spec("SC-013")
@pytest.mark.parametrize(
    ("number", "name", "is_refused"),
    [
        (170005, "17.5 (aa1f7e4)", False),
        (190000, "19devel", False),
        (160000, "", False),
        (150013, "15.13 (aa1f7e4)", True),
        (90624, "9.6.24", True),
    ],
)
def test_a_migration_goes_by_the_number_of_the_version(
    empty_database: DatabaseCopy, number: int, name: str, is_refused: bool
) -> None:
    engine = postgres.engine(DatabaseUrl.parse(empty_database.owner_url), poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("create schema fake")
        connection.exec_driver_sql(f"""
            create function fake.current_setting(name text) returns text language sql
            return case name when 'server_version_num' then '{number}' when 'server_version' then '{name}' end
        """)
        connection.exec_driver_sql("set local search_path = fake, pg_catalog")

        if is_refused:
            with pytest.raises(MigrationFailed) as refused:
                require_version(connection)
            assert str(refused.value).startswith(f"This is PostgreSQL {name}, and ")
        else:
            require_version(connection)
