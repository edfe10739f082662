"""The database of `make start`: an embedded PostgreSQL, or the one that DATABASE_URL names."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pg8000.native import Connection

from backend.migrations.apply import apply
from backend.postgres.url import DatabaseUrl, InvalidDatabaseUrl
from backend.settings import Settings
from dev.embedded_postgres.server import EmbeddedPostgres
from dev.file_lock import acquire
from dev.local_secret import local_secret
from dev.user_error import UserError

DATABASE = "todo"
LOGIN = "todo_api"


@contextmanager
def embedded(data: Path, port: int, report: Callable[[str], None]) -> Iterator[EmbeddedPostgres]:
    """An embedded PostgreSQL with the application's database, while the block runs.

    :param data: the folder with this checkout's data
    :param port: the API's port. A second `make start` in the same checkout gets a database that belongs to its port
    """
    directory, directory_of_port = data / "postgres", data / f"postgres-{port}"
    if directory_of_port.exists():  # a second start has used this port before
        directory = directory_of_port
    elif acquire(data / "postgres.lock") is None:  # held until this process ends
        directory = directory_of_port
        report(f"Another `make start` is running in this checkout: this one has a database of its own, {directory}")
    report("Starting PostgreSQL")
    with EmbeddedPostgres(directory) as postgres:
        if postgres.directory != directory:
            report(f"The data are in {postgres.directory}: PostgreSQL runs as `nobody`, which cannot enter this folder")
        _create_database(postgres)
        yield postgres


def connection_strings(postgres: EmbeddedPostgres) -> dict[str, str]:
    """The variables DATABASE_DIRECT_URL and DATABASE_URL.

    As in production the first is the owner's, for migrations; the second has a login without rights of its own.
    """
    password = local_secret(postgres.directory / f"{LOGIN}_password")
    return {
        "DATABASE_DIRECT_URL": postgres.url(DATABASE),
        "DATABASE_URL": f"postgresql://{LOGIN}:{password}@127.0.0.1:{postgres.port}/{DATABASE}",
    }


def prepare(settings: Settings, report: Callable[[str], None]) -> None:
    """Migrate the database if it is on this machine. Any other may be in use, so only `make migrate` changes it.

    :raises UserError: the database cannot be used
    """
    database, direct = settings.database(), settings.database_direct()
    if not (database.is_local and direct.is_local):
        report(f"Using the database on {database.host} as it is; `make migrate` brings it up to date")
        return
    try:
        apply(direct, database, report)
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
