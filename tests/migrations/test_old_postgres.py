"""A PostgreSQL that is too old is refused with one line. It is Debian's PostgreSQL 15."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.migrations import preconditions
from backend.migrations.failure import MigrationFailed
from dev.embedded_postgres.server import EmbeddedPostgres
from tests.conftest import FAST_POSTGRES
from tests.migrations.checking import findings, migrate
from tests.support.database_copy import DatabaseCopy
from tests.support.missing import skip_or_fail

PROGRAMS = Path("/usr/lib/postgresql/15/bin")


class Postgres15(EmbeddedPostgres):
    """PostgreSQL 15, from Debian's package."""

    LOCALE = ("--locale=C",)

    def binary(self, name: str) -> Path:
        """One of Debian's programs."""
        return PROGRAMS / name


@pytest.fixture
def old_database() -> Iterator[DatabaseCopy]:
    """An empty database of PostgreSQL 15."""
    if not (PROGRAMS / "postgres").exists():
        system = Path("/etc/os-release")
        skip = skip_or_fail if system.exists() and "bookworm" in system.read_text() else pytest.skip
        skip("PostgreSQL 15 is missing (Debian 12: apt install postgresql-15): A REAL ONE IS NOT TESTED")
    with tempfile.TemporaryDirectory(prefix="todo-api-old-") as directory:
        Path(directory).chmod(0o711)  # root's PostgreSQL runs as the account `nobody`, which has to enter
        with Postgres15(Path(directory, "postgres"), FAST_POSTGRES) as server:
            database = DatabaseCopy(server, "todo")
            database.create(source="template1")
            yield database


@pytest.mark.spec("SC-013")
def test_a_version_before_the_oldest_is_refused_by_name(
    empty_database: DatabaseCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preconditions, "OLDEST_VERSION", 99)

    with pytest.raises(MigrationFailed, match=r"^This is PostgreSQL \d+\.\d+, and PostgreSQL 99 or newer is needed: "):
        migrate(empty_database)


@pytest.mark.spec("SC-013")
def test_postgresql_15_is_refused_with_one_line_and_unchanged(old_database: DatabaseCopy) -> None:
    with pytest.raises(MigrationFailed) as refused:
        migrate(old_database)

    line = str(refused.value)
    assert line.startswith("This is PostgreSQL 15.")
    assert "PostgreSQL 16 or newer is needed" in line
    assert "\n" not in line
    assert line in findings(old_database)
    [tables] = old_database.query("select count(*) from pg_tables where schemaname = 'public'")
    assert tables == [[0]]
