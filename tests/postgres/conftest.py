"""Fixtures for the tests of the driver: a PostgreSQL with TLS."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.migrations.apply import migrate
from tests.support.database_copy import DatabaseCopy
from tests.support.tls_postgres import TlsPostgres, require_tls_postgres


@pytest.fixture(scope="session")
def tls_postgres() -> Iterator[TlsPostgres]:
    """A PostgreSQL with TLS for all tests. A test that changes its certificate changes it back."""
    require_tls_postgres()
    directory = Path(tempfile.mkdtemp(prefix="todo-api-tls-"))
    directory.chmod(0o711)  # root's PostgreSQL runs as the account `nobody`, which has to enter
    try:
        with TlsPostgres(directory) as server:
            yield server
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def tls_database(tls_postgres: TlsPostgres) -> DatabaseCopy:
    """The migrated database of that PostgreSQL."""
    database = DatabaseCopy(tls_postgres, "todo_tls")
    database.create(source="template1")
    migrate(database.owner_url, database.url, lambda _: None)
    return database
