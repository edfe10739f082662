"""A PostgreSQL cluster of its own, for what concerns the whole cluster: roles, logins, several owners."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pg8000.native import Connection, identifier

from dev.embedded_postgres.server import EmbeddedPostgres
from tests.conftest import FAST_POSTGRES
from tests.support.database_copy import DatabaseCopy, connect

OWNER = "neondb_owner"
OWNER_PASSWORD = "a password of the owner"
LIKE_NEON = "login createrole createdb bypassrls replication"
"""The attributes of Neon's owner, who is no superuser."""


class OwnedDatabase(DatabaseCopy):
    """A database that belongs to a login that is no superuser."""

    def __init__(self, server: EmbeddedPostgres, name: str, owner: str = OWNER) -> None:
        super().__init__(server, name)
        self.owner = owner
        self.owner_url = self.login_url(owner, OWNER_PASSWORD)

    def create(self, *, source: str = "template0", attributes: str = LIKE_NEON) -> None:
        """Create it, and its owner where there is none."""
        self.as_superuser(
            f"do $$ begin create role {self.owner} {attributes} password '{OWNER_PASSWORD}'; "
            "exception when duplicate_object then null; end $$"
        )
        with connect(self.server.url()) as superuser:
            superuser.run(f"create database {identifier(self.name)} template {source} owner {self.owner}")

    def as_superuser(self, *statements: str) -> None:
        """Run statements in one transaction: in this database, or in `postgres` where there is none yet."""
        with connect(self.server.url()) as server:
            exists = server.run("select true from pg_database where datname = :name", name=self.name)
        with connect(self.server.url(self.name if exists else "postgres")) as superuser:
            run_in_one_transaction(superuser, statements)


def run_in_one_transaction(connection: Connection, statements: tuple[str, ...]) -> None:
    """Run all statements, or none."""
    connection.run("begin")
    for statement in statements:
        connection.run(statement)
    connection.run("commit")


class Cluster(EmbeddedPostgres):
    """A PostgreSQL whose roles and databases a test may do anything with."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, FAST_POSTGRES)

    @contextmanager
    def emptied(self) -> Iterator["Cluster"]:
        """The cluster as it was made, before and after."""
        self._empty()
        yield self
        self._empty()

    def database(self, name: str = "todo", owner: str = OWNER, attributes: str = LIKE_NEON) -> OwnedDatabase:
        """A new, empty database with its owner."""
        database = OwnedDatabase(self, name, owner)
        database.create(attributes=attributes)
        return database

    def _empty(self) -> None:
        with connect(self.url()) as superuser:
            for [name] in superuser.run("select datname from pg_database where not datistemplate"):
                if name != "postgres":
                    superuser.run(f"drop database {identifier(name)} with (force)")
            roles = superuser.run("select quote_ident(rolname) from pg_roles where oid >= 16384")
            for [role] in roles:
                superuser.run(f"drop owned by {role} cascade")
            for [role] in roles:
                superuser.run(f"drop role {role}")
