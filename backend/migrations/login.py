"""The application's login: creates it where it is missing, and proves that it leads to the migrated database."""

import secrets

from pg8000.exceptions import Error
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from backend import postgres
from backend.database.roles import AUTH_ROLE
from backend.migrations.difference import quote
from backend.migrations.failure import MigrationFailed, reason
from backend.postgres import DatabaseUrl, Flight, Opening, sqlstate
from backend.postgres.sqlstates import ROLE_EXISTS, UNKNOWN_DATABASE

SEES_LOCK = """
    select exists (
        select from pg_locks
        where locktype = 'advisory' and (classid, objid, objsubid) = ($1::oid, $2::oid, 2)
            and database = (select oid from pg_database where datname = current_database())
    )
"""
"""Whether a session of this database, on this server, holds the advisory lock with these two numbers."""
DIFFERENT = (
    "DATABASE_URL and DATABASE_DIRECT_URL are different databases, or on different servers: both must name the one "
    "that the API is to use"
)


def create(connection: Connection, application: DatabaseUrl) -> bool:
    """Create the login where it is missing, without any right. Gives whether it was missing."""
    with connection.begin():
        found = connection.scalar(text("select true from pg_roles where rolname = :name"), {"name": application.user})
    if found:
        return False
    try:
        with connection.begin():
            # Neon takes only plain text here, and DDL takes no parameters; the connection is encrypted, or local.
            password = connection.scalar(text("select quote_literal(:password)"), {"password": application.password})
            connection.exec_driver_sql(f"create role {quote(application.user)} login noinherit password {password}")
    except DBAPIError as error:
        if sqlstate(error.orig) not in ROLE_EXISTS:  # a concurrent migration was faster
            raise
        return False
    return True


def require_same_database(connection: Connection, application: DatabaseUrl) -> None:
    """Refuse two different databases, before one of them is changed.

    Names and even identifiers are no proof: two servers have databases of one name, and a copy of a server (Neon's
    branches) has the identifiers of the original. So the owner takes a lock, and the login looks for it. Where the
    login cannot log in yet, nothing is proven.

    :raises MigrationFailed: they are different, or the application's does not exist
    """
    with connection.begin():
        numbers = (secrets.randbelow(2**31), secrets.randbelow(2**31))
        connection.exec_driver_sql(f"select pg_advisory_xact_lock({numbers[0]}, {numbers[1]})")
        try:
            with postgres.Connection(application) as login:
                [[is_same]] = login.execute(SEES_LOCK, numbers).rows
        except Error as error:
            if sqlstate(error) == UNKNOWN_DATABASE:
                raise MigrationFailed(f"DATABASE_URL: {reason(error)}. {DIFFERENT}") from error
            return
    if not is_same:
        raise MigrationFailed(DIFFERENT)


def prove(connection: Connection, application: DatabaseUrl) -> None:
    """Log in as the application does, and reach its tables.

    :raises MigrationFailed: that does not work
    """
    require_same_database(connection, application)
    try:
        with postgres.Connection(application, opening=Opening(AUTH_ROLE)) as login:
            login.execute("select from users limit 0", flight=Flight(reads=True))
    except Error as error:
        raise _cannot_log_in(application, error) from error


def _cannot_log_in(application: DatabaseUrl, error: Error) -> MigrationFailed:
    login = quote(application.user)
    return MigrationFailed(
        f"DATABASE_URL cannot log in ({reason(error)}). If its password does not fit the login, "
        f"correct DATABASE_URL, or give the login that password, as the owner: alter role {login} password '…'"
    )
