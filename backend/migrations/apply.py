"""Applies the migrations to a database, and sees to its roles, their rights, and the application's own login.

preconditions   version, one known revision, a schema to create in, both URLs the same database
roles           created where they are missing: they belong to the cluster, and no dump has them
revision        Alembic's upgrade, in one transaction
login           created where it is missing
repair          everything else that differs from `rights.py` is mended, or refused by name
proof           the login logs in as the application does
"""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, event
from sqlalchemy.exc import SQLAlchemyError

from backend import postgres
from backend.migrations import grants, login, ownership, roles
from backend.migrations.difference import Subject
from backend.migrations.failure import MigrationFailed, not_mended, reason
from backend.migrations.preconditions import require_schema, require_version, revision
from backend.migrations.repair import Look, everything, repair
from backend.migrations.rights import ROLES
from backend.postgres import DatabaseUrl, InvalidDatabaseUrl

STATEMENT_SECONDS = 3600.0
"""How long the owner waits for one statement: a migration may count every row, or wait for another migration."""


def migrate(direct_url: str, database_url: str, say: Callable[[str], None]) -> None:
    """Apply every migration, mend roles and rights, and create the application's login where it is missing.

    :param direct_url: the owner's connection string, without a pooler
    :param database_url: the application's connection string, whose user and password the login gets
    :param say: called with one line for each step
    :raises MigrationFailed: the database cannot be reached, a migration failed, or something cannot be mended
    """
    try:
        owner = DatabaseUrl.parse(direct_url)
        application = DatabaseUrl.parse(database_url)
    except InvalidDatabaseUrl as error:
        raise MigrationFailed(f"DATABASE_URL or DATABASE_DIRECT_URL: {error}") from None
    apply(owner, application, say)


def apply(owner: DatabaseUrl, application: DatabaseUrl, say: Callable[[str], None]) -> None:
    """`migrate`, for connection strings that are parsed already."""
    name = login_name(owner, application)
    if name is not None and not application.password:
        raise MigrationFailed("DATABASE_URL has no password, and a login without one cannot log in")
    try:
        with owner_engine(owner).connect() as connection:
            _migrate(connection, application, name, say)
            login.prove(connection, application)
    except SQLAlchemyError as error:
        raise MigrationFailed(f"The database could not be migrated: {reason(error)}") from error


def login_name(owner: DatabaseUrl, application: DatabaseUrl) -> str | None:
    """The application's login; None where the application uses the owner's.

    :raises MigrationFailed: it is one of the two roles, which cannot log in
    """
    if application.user in ROLES:
        raise MigrationFailed(f"DATABASE_URL: {application.user} is a role, which cannot log in; name another login")
    return None if application.user == owner.user else application.user


def owner_engine(url: DatabaseUrl) -> Engine:
    """An engine for the owner. Its transactions do not start with another role.

    They look for names in the schema `public`, whatever the database or the login has as its search_path, and although
    there may be a schema named like the owner. SET LOCAL leaves nothing behind in a pooler.
    """
    engine = postgres.engine(url, answer_seconds=STATEMENT_SECONDS, poolclass=NullPool)
    event.listen(
        engine, "begin", lambda connection: connection.exec_driver_sql("set local search_path = public, pg_temp")
    )
    return engine


def alembic_config() -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _migrate(connection: Connection, application: DatabaseUrl, name: str | None, say: Callable[[str], None]) -> None:
    config = alembic_config()
    scripts = ScriptDirectory.from_config(config)
    with connection.begin():
        require_version(connection)
        before = revision(connection, scripts)
        if before != scripts.get_current_head():
            require_schema(Subject.of(connection, name))
    login.require_same_database(connection, application)
    was_empty = before is None
    for look in (roles.missing, ownership.differences):
        _repair(connection, name, look, say, is_first_time=was_empty)

    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    after = scripts.get_current_head()
    say(f"Schema: revision {after}" + ("" if before == after else f" (was {before or 'empty'})"))

    is_new = name is not None and login.create(connection, application)
    _repair(connection, name, everything, say, is_first_time=is_new, was_empty=was_empty)
    if name is None:
        say("Login: DATABASE_URL is the owner's, so PostgreSQL protects less. docs/deploying.md says how.")
    else:
        say(f"Login: {name} {'created' if is_new else 'is there already'}, and may take the two roles")


def _repair(
    connection: Connection,
    name: str | None,
    look: Look,
    say: Callable[[str], None],
    *,
    is_first_time: bool,
    was_empty: bool = False,
) -> None:
    """Mend what `look` finds, and say what was wrong.

    :param is_first_time: what is missing has never been there
    :param was_empty: no login has used the database before
    :raises MigrationFailed: something is left that the owner may not mend
    """
    repaired = repair(connection, name, look)
    for difference in repaired.mended:
        if not (difference.is_advice or (difference.is_new and is_first_time)):
            say(f"Mended: {difference.sentence}")
    with connection.begin():
        subject = Subject.of(connection, name)
        others = grants.locked_out(subject) if any(each.is_advice for each in repaired.mended) else []
    if others and not was_empty:
        say(
            f"Logins that may no longer connect to {subject.database}: {', '.join(others)}. docs/deploying.md says why."
        )
    for difference in repaired.left:
        if difference.is_advice:
            say(f"Warning: {difference.sentence}. To end that, {difference.remedy}")
    if left := [difference for difference in repaired.left if not difference.is_advice]:
        raise not_mended(subject.owner, left, repaired.reasons)
