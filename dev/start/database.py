"""The database of `make start`: an embedded PostgreSQL, or the one that DATABASE_URL names."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pg8000.exceptions import Error
from pg8000.native import Connection

from backend import postgres as driver
from backend.database.roles import AUTH_ROLE
from backend.migrations.apply import apply
from backend.migrations.failure import MigrationFailed, reason
from backend.postgres import DatabaseUrl, Flight, InvalidDatabaseUrl, Opening, sqlstate
from backend.settings import Settings
from dev.embedded_postgres.server import Address, EmbeddedPostgres, running_in
from dev.file_lock import acquire
from dev.local_secret import local_secret
from dev.user_error import UserError

DATABASE = "todo"
LOGIN = "todo_api"
LOGIN_REFUSED = "28"
"""How the SQLSTATEs of a refused login begin."""
NOT_MIGRATED = ("42P01", "42501", "22023")
"""Without the table, the right to it, or the role."""


@contextmanager
def embedded(data: Path, port: int, report: Callable[[str], None]) -> Iterator[EmbeddedPostgres]:
    """An embedded PostgreSQL with the application's database, while the block runs.

    :param data: the folder with this checkout's data
    :param port: the API's port. A second `make start` in the same checkout gets a database that belongs to its port
    """
    directory, directory_of_port = data / "postgres", data / f"postgres-{port}"
    if directory_of_port.exists():  # a second start has used this port before
        directory = directory_of_port
        report(f"Port {port} has data of its own, {directory}: it was used while another `make start` was running")
    elif acquire(data / "postgres.lock") is None:  # held until this process ends
        directory = directory_of_port
        report(f"Another `make start` is running in this checkout: this one has a database of its own, {directory}")
    report("Starting PostgreSQL")
    with EmbeddedPostgres(directory) as postgres:
        if postgres.directory != directory:
            report(f"The data are in {postgres.directory}: PostgreSQL runs as `nobody`, which cannot enter this folder")
        _create_database(postgres)
        yield postgres


@contextmanager
def existing(directory: Path) -> Iterator[dict[str, str]]:
    """The connection strings of the database that `make start` has made in `directory`, while the block runs.

    It is running when `make start` is; otherwise it is started.
    """
    if address := running_in(directory):
        yield connection_strings(address)
    else:
        with EmbeddedPostgres(directory) as postgres:
            _create_database(postgres)
            yield connection_strings(postgres)


@contextmanager
def temporary() -> Iterator[EmbeddedPostgres]:
    """An embedded PostgreSQL with an empty database, of which nothing is left after the block."""
    with TemporaryDirectory(prefix="todo-api-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's user must be able to enter it
        with EmbeddedPostgres(Path(folder, "postgres"), {"fsync": "off"}, is_temporary=True) as postgres:
            _create_database(postgres)
            yield postgres


def connection_strings(postgres: EmbeddedPostgres | Address) -> dict[str, str]:
    """The variables DATABASE_DIRECT_URL and DATABASE_URL.

    As in production the first is the owner's, for migrations; the second has a login without rights of its own.
    """
    password = local_secret(_password_file(postgres))
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
        _try(database)
        report(f"Using the database on {database.host} as it is; `make migrate` brings it up to date")
        return
    try:
        apply(direct, database, report)
    except (InvalidDatabaseUrl, MigrationFailed, OSError) as error:
        advice = ""
        if direct.user == database.user and isinstance(error, MigrationFailed) and _has_let_in(error):
            advice = f"; or, if {direct.user!r} is not its owner, set DATABASE_DIRECT_URL to the owner's login"
        raise UserError(f"The database on {_where(direct)} cannot be used: {error}{advice}") from None


def _try(url: DatabaseUrl) -> None:
    """Make sure that the database answers, and that it has been migrated.

    :raises UserError: it does not, or has not
    """
    try:
        with driver.Connection(url, opening=Opening(AUTH_ROLE)) as connection:
            connection.execute("select from users limit 0", flight=Flight(reads=True))
    except Error as error:
        advice = "; `make migrate` sets it up" if sqlstate(error) in NOT_MIGRATED else "; is DATABASE_URL right?"
        raise UserError(f"The database on {_where(url)} cannot be used: {reason(error)}{advice}") from None


def _where(url: DatabaseUrl) -> str:
    return url.socket or f"{url.host}:{url.port}"


def _has_let_in(error: MigrationFailed) -> bool:
    """Whether the login has succeeded, so that what failed behind it may be a matter of rights."""
    cause = getattr(error.__cause__, "orig", None) or error.__cause__
    state = sqlstate(cause)
    return cause is None or (state is not None and not state.startswith(LOGIN_REFUSED))


def _password_file(postgres: EmbeddedPostgres | Address) -> Path:
    return postgres.directory / f"{LOGIN}_password"


def _create_database(postgres: EmbeddedPostgres) -> None:
    """Create the database where it is missing, and give the login a new password where that has been lost."""
    owner = DatabaseUrl.parse(postgres.url())
    is_lost = not _password_file(postgres).exists()
    with closing(
        Connection(owner.user, host=owner.host, port=owner.port, database=owner.database, password=owner.password)
    ) as connection:
        if not connection.run("SELECT FROM pg_database WHERE datname = :name", name=DATABASE):
            connection.run(f"CREATE DATABASE {DATABASE}")
        if is_lost and connection.run("SELECT FROM pg_roles WHERE rolname = :name", name=LOGIN):
            password = local_secret(_password_file(postgres))  # letters, digits, - and _, so it needs no quoting
            connection.run(f"ALTER ROLE {LOGIN} PASSWORD '{password}'")
