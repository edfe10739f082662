"""`make check-database`: says everything that `make migrate` would mend or refuse, and changes nothing."""

from collections.abc import Callable, Iterator

from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from backend.migrations import login, roles
from backend.migrations.apply import alembic_config, login_name, owner_engine
from backend.migrations.difference import Subject
from backend.migrations.failure import MigrationFailed, reason
from backend.migrations.preconditions import require_version, revision
from backend.migrations.repair import everything
from backend.postgres import DatabaseUrl


def check(owner: DatabaseUrl, application: DatabaseUrl, say: Callable[[str], None]) -> None:
    """Say each thing that is wrong, in one line.

    :param say: called with the lines
    :raises MigrationFailed: something is wrong
    """
    name = login_name(owner, application)
    try:
        with owner_engine(owner).connect() as connection:
            wrong = [*_told(_look(connection, name)), *_told(_prove(connection, application))]
    except SQLAlchemyError as error:
        raise MigrationFailed(f"The database could not be checked: {reason(error)}") from error
    for line in wrong:
        say(f"Wrong: {line}")
    if wrong:
        raise MigrationFailed(f"{len(wrong)} things are wrong. `make migrate` mends what the owner may mend")
    say("Everything is as it must be: revision, roles, rights, row level security, login")


def _told(lines: Iterator[str]) -> Iterator[str]:
    """The lines, and last the one for which it cannot be looked further."""
    try:
        yield from lines
    except MigrationFailed as error:
        yield str(error)


def _prove(connection: Connection, application: DatabaseUrl) -> Iterator[str]:
    """Whether the application's login works, and leads to the same database."""
    login.prove(connection, application)
    yield from ()


def _look(connection: Connection, name: str | None) -> Iterator[str]:
    """Everything that is wrong, in one transaction that cannot write."""
    with connection.begin():
        connection.exec_driver_sql("set transaction read only")
        require_version(connection)
        scripts = ScriptDirectory.from_config(alembic_config())
        at, head = revision(connection, scripts), scripts.get_current_head()
        subject = Subject.of(connection, name)
        gone = list(roles.missing(subject))
        for difference in gone:
            yield difference.sentence
        if at != head:
            yield f"the database is at revision {at or 'none'}, not at {head}: run `make migrate`"
        elif not any(difference.is_new for difference in gone):  # without the roles there is nothing to compare
            for difference in everything(subject):
                yield f"{difference.sentence} (make migrate, or {difference.remedy})"
