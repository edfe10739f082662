"""Applies the migrations to a database, and creates the application's own login there."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from pg8000.exceptions import DatabaseError, Error
from sqlalchemy import Connection, Engine, NullPool, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from backend import postgres
from backend.database.roles import AUTH_ROLE, USER_ROLE
from backend.postgres import DatabaseUrl, Flight, InvalidDatabaseUrl, Opening, sqlstate
from backend.postgres.sqlstates import ROLE_EXISTS, UNDEFINED_TABLE
from backend.settings import ConfigurationError

LOGIN_SETTINGS = {"statement_timeout": "8s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "15s"}
"""PostgreSQL ends what our own timeouts gave up on. A pooler refuses these at start-up, so the login has them."""


class MigrationFailed(ConfigurationError):
    """A migration failed. The message is one line that says what to correct, without a password in it."""


def migrate(direct_url: str, database_url: str, say: Callable[[str], None]) -> None:
    """Apply every migration, and create the application's login where it is missing.

    :param direct_url: the owner's connection string, without a pooler
    :param database_url: the application's connection string, whose user and password the login gets
    :param say: called with one line for each step
    :raises MigrationFailed: the database cannot be reached, or a migration failed
    """
    try:
        owner = DatabaseUrl.parse(direct_url)
        application = DatabaseUrl.parse(database_url)
    except InvalidDatabaseUrl as error:
        raise MigrationFailed(f"DATABASE_URL or DATABASE_DIRECT_URL: {error}") from None
    apply(owner, application, say)


def apply(owner: DatabaseUrl, application: DatabaseUrl, say: Callable[[str], None]) -> None:
    """`migrate`, for connection strings that are parsed already."""
    if application.user != owner.user and not application.password:
        raise MigrationFailed("DATABASE_URL has no password, and a login without one cannot log in")
    try:
        with owner_engine(owner).connect() as connection:
            before = _revision(connection)
            _upgrade(connection)
            after = _revision(connection)
            connection.commit()
            say(f"Schema: revision {after}" + ("" if before == after else f" (was {before or 'empty'})"))
            if owner.user == application.user:
                say("Login: DATABASE_URL is the owner's, so PostgreSQL protects less. docs/deploying.md says how.")
            else:
                say(_create_login(connection, application))
                connection.commit()
    except SQLAlchemyError as error:
        raise MigrationFailed(_sentence(error)) from error
    except CommandError as error:  # Alembic raises it for a revision that it does not have
        raise MigrationFailed(
            f"The database is not at a revision of this checkout, but of a newer one or another branch: {error}"
        ) from error
    try:
        with postgres.Connection(application, opening=Opening(AUTH_ROLE)) as login:
            login.execute("select from users limit 0", flight=Flight(reads=True))
    except DatabaseError as error:
        if sqlstate(error) != UNDEFINED_TABLE:
            raise MigrationFailed(_cannot_log_in(application, error)) from error
        raise MigrationFailed("DATABASE_URL and DATABASE_DIRECT_URL are different databases") from error
    except Error as error:
        raise MigrationFailed(_cannot_log_in(application, error)) from error


def _cannot_log_in(application: DatabaseUrl, error: Error) -> str:
    return (
        f"The schema is up to date, but DATABASE_URL cannot log in ({_reason(error)}). "
        f"Does its password fit the login {application.user!r}?"
    )


def owner_engine(url: DatabaseUrl) -> Engine:
    """An engine for the owner. Its transactions do not start with another role."""
    return postgres.engine(url, poolclass=NullPool)


def alembic_config() -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _upgrade(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    exists = connection.execute(text("select to_regclass('public.alembic_version') is not null")).scalar_one()
    revision: str | None = None
    if exists:
        revision = connection.execute(text("select version_num from alembic_version")).scalar_one_or_none()
    connection.rollback()  # no transaction may be open when Alembic begins
    return revision


def _create_login(connection: Connection, application: DatabaseUrl) -> str:
    """Create the application's login where it is missing. Its only right is to switch to the two roles."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    login = quote(application.user)
    is_there = connection.execute(
        text("select true from pg_roles where rolname = :name"), {"name": application.user}
    ).scalar_one_or_none()
    if not is_there:
        # Neon takes only plain text here, and DDL takes no parameters; the connection is encrypted, or local.
        password = connection.execute(
            text("select quote_literal(:password)"), {"password": application.password}
        ).scalar_one()
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(f"create role {login} login noinherit password {password}")
        except DBAPIError as error:
            if sqlstate(error.orig) not in ROLE_EXISTS:  # a concurrent migration was faster
                raise
    connection.exec_driver_sql(f"grant {AUTH_ROLE}, {USER_ROLE} to {login} with inherit false, set true")
    for name, value in LOGIN_SETTINGS.items():
        connection.exec_driver_sql(f"alter role {login} set {name} = '{value}'")
    return f"Login: {application.user} {'is there already' if is_there else 'created'}, and may take the two roles"


def _sentence(error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None) or error
    return f"The database could not be migrated: {_reason(cause)}"


def _reason(error: BaseException) -> str:
    state = sqlstate(error)
    return f"PostgreSQL says {state}: {error.args[0]['M']}" if state else str(error)
