"""`make migrate` and `make check-database`, run in this process."""

from backend.migrations import apply
from backend.migrations.check import check
from backend.migrations.failure import MigrationFailed
from backend.postgres.url import DatabaseUrl
from tests.support.database_copy import DatabaseCopy


def migrate(database: DatabaseCopy, url: str | None = None) -> list[str]:
    """Migrate the database as its owner. Gives the printed lines.

    :param url: the application's; None: with the usual login
    """
    printed: list[str] = []
    apply.migrate(database.owner_url, url or database.url, printed.append)
    return printed


def findings(database: DatabaseCopy, url: str | None = None) -> list[str]:
    """What the operator's check finds wrong."""
    printed: list[str] = []
    failure = ""
    try:
        check(DatabaseUrl.parse(database.owner_url), DatabaseUrl.parse(url or database.url), printed.append)
    except MigrationFailed as failed:
        failure = str(failed)
    if not failure:
        assert printed == ["Everything is as it must be: revision, roles, rights, row level security, login"]
        return []
    assert failure.startswith(f"{len(printed)} things are wrong")
    return [line.removeprefix("Wrong: ") for line in printed]
