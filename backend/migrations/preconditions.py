"""What must be so before a database can be migrated. Each is refused with a sentence that names the remedy."""

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from backend.migrations.difference import Subject, quote
from backend.migrations.failure import MigrationFailed
from backend.migrations.rights import TABLES

OLDEST_VERSION = 16
"""PostgreSQL 16 introduced `GRANT … WITH INHERIT FALSE, SET TRUE`."""


def require_version(connection: Connection) -> None:
    """Refuse a PostgreSQL that is too old.

    :raises MigrationFailed: it is
    """
    number, name = connection.exec_driver_sql(
        "select cast(current_setting('server_version_num') as int), current_setting('server_version')"
    ).one()
    if number < OLDEST_VERSION * 10_000:
        raise MigrationFailed(
            f"This is PostgreSQL {name}, and PostgreSQL {OLDEST_VERSION} or newer is needed: move the database to one "
            "(docs/operating.md, Moving to a new cluster)"
        )


def revision(connection: Connection, scripts: ScriptDirectory) -> str | None:
    """The revision that the database is at; None for an empty one.

    :raises MigrationFailed: it is at none, at several, or at one that this checkout does not know
    """
    there = set(connection.scalars(text("select tablename from pg_tables where schemaname = 'public'")))
    rows = list(connection.scalars(text("select version_num from public.alembic_version order by 1"))) if (
        "alembic_version" in there
    ) else []  # fmt: skip
    known = [script.revision for script in scripts.walk_revisions()]  # the newest first
    if unknown := [row for row in rows if row not in known]:
        raise MigrationFailed(
            f"The database is at revision {', '.join(unknown)}, which this checkout does not have: run `make migrate` "
            "in the checkout that migrated it, or in a newer one. An older version of the API works with it as it is"
        )
    if len(rows) > 1:
        newest = next(each for each in known if each in rows)
        raise MigrationFailed(
            f"The table alembic_version has {len(rows)} rows ({', '.join(rows)}), and there must be one, as after a "
            "restore into a database that was not empty. If that is the newest one's schema, run as the owner: "
            f"delete from public.alembic_version where version_num <> '{newest}'"
        )
    if not rows and (leftover := sorted(there & (TABLES.keys() - {"alembic_version"}))):
        raise MigrationFailed(
            f"The database has the table {leftover[0]}, but alembic_version does not say of which revision: restore "
            "that table too, or start with an empty database"
        )
    return rows[0] if rows else None


def require_schema(subject: Subject) -> None:
    """Refuse a schema `public` in which the owner may not create tables.

    :raises MigrationFailed: there is none, or the owner may not
    """
    owner, database = quote(subject.owner), quote(subject.database)
    exists, may_create = subject.connection.exec_driver_sql("""
        select count(*) > 0, coalesce(bool_or(has_schema_privilege(oid, 'create')), false)
        from pg_namespace where nspname = 'public'
    """).one()
    if may_create:
        return
    sql = f"grant create, usage on schema public to {owner} with grant option"
    raise MigrationFailed(
        f"{owner} may not create tables in the schema public of {database}"
        f"{'' if exists else ', which does not exist'}. Run as the database's owner or a superuser: "
        f"{'' if exists else 'create schema public; '}{sql}"
    )
