"""The database that `make start` uses: an embedded one, or the developer's own."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pg8000.native import Connection

from backend.migrations.apply import apply
from backend.postgres.url import DatabaseUrl, InvalidDatabaseUrl
from backend.settings import Settings
from dev.embedded_postgres.server import EmbeddedPostgres
from dev.lock import acquire
from dev.start.secret import kept_secret
from dev.user_error import UserError

DATABASE = "todo"
LOGIN = "todo_api"


@contextmanager
def embedded(data: Path, port: int, say: Callable[[str], None]) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of this checkout's own with the application's database, for as long as the block runs."""
    directory, own = data / "postgres", data / f"postgres-{port}"
    if own.exists():  # who started on this port beside another one finds those data again
        directory = own
    elif acquire(data / "postgres.lock") is None:  # held to the end of this process
        directory = own
        say(f"Another `make start` is running in this checkout: this one has a database of its own, {directory}")
    say("Starting PostgreSQL")
    with EmbeddedPostgres(directory) as postgres:
        if postgres.directory != directory:
            say(f"PostgreSQL, which root runs as `nobody`, cannot enter this folder: data are in {postgres.directory}")
        _create_database(postgres)
        yield postgres


def environment(postgres: EmbeddedPostgres) -> dict[str, str]:
    """Both connection strings, as in production: the owner's to migrate, a login with no rights of its own to serve."""
    password = kept_secret(postgres.directory / f"{LOGIN}_password")
    return {
        "DATABASE_DIRECT_URL": postgres.url(DATABASE),
        "DATABASE_URL": f"postgresql://{LOGIN}:{password}@127.0.0.1:{postgres.port}/{DATABASE}",
    }


def prepare(settings: Settings, say: Callable[[str], None]) -> None:
    """Migrate the database if it is on this machine; what is elsewhere may be in use and is left to `make migrate`."""
    database, direct = settings.database(), settings.database_direct()
    if not (database.is_local and direct.is_local):
        say(f"Using the database on {database.host} as it is; `make migrate` brings it up to date")
        return
    try:
        apply(direct, database, say)
    except (InvalidDatabaseUrl, OSError) as error:
        where = direct.socket or f"{direct.host}:{direct.port}"
        raise UserError(f"The database on {where} cannot be used: {error}") from None


def _create_database(postgres: EmbeddedPostgres) -> None:
    owner = DatabaseUrl.parse(postgres.url())
    with closing(
        Connection(owner.user, host=owner.host, port=owner.port, database=owner.database, password=owner.password)
    ) as connection:
        if not connection.run("SELECT FROM pg_database WHERE datname = :name", name=DATABASE):
            connection.run(f"CREATE DATABASE {DATABASE}")
