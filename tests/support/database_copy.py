"""A database of the test server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from pg8000.native import Connection, identifier

from backend.postgres.url import DatabaseUrl
from dev.embedded_postgres.server import EmbeddedPostgres

LOGIN = "todo_api"
LOGIN_PASSWORD = "a password of the application's own login"


class DatabaseCopy:
    """One database, with its owner's URL and the URL of the application's login, as in production."""

    def __init__(self, server: EmbeddedPostgres, name: str) -> None:
        self.server, self.name = server, name
        self.owner_url = server.url(name)
        self.url = self.login_url(LOGIN, LOGIN_PASSWORD)

    def create(self, *, source: str) -> None:
        """Copy this database from another one, to which there must be no connection."""
        with connect(self.server.url()) as server:
            server.run(f"create database {identifier(self.name)} template {identifier(source)}")

    def drop(self) -> None:
        """Remove it, and end its connections."""
        with connect(self.server.url()) as server:
            server.run(f"drop database {identifier(self.name)} with (force)")

    def login_url(self, login: str, password: str) -> str:
        """The connection string of this login."""
        return f"postgresql://{quote(login, '')}:{quote(password, '')}@127.0.0.1:{self.server.port}/{self.name}"

    def query(self, *statements: str) -> list[Any]:
        """Run statements as the owner. Gives the rows of each."""
        with self.connect_as_owner() as connection:
            return [connection.run(statement) for statement in statements]

    @contextmanager
    def connect_as_owner(self) -> Iterator[Connection]:
        """A plain connection of the owner."""
        with connect(self.owner_url) as connection:
            yield connection


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """A plain pg8000 connection, without our driver."""
    parsed = DatabaseUrl.parse(url)
    connection = Connection(
        parsed.user, host=parsed.host, port=parsed.port, database=parsed.database, password=parsed.password
    )
    try:
        yield connection
    finally:
        connection.close()
