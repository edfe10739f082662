"""Starts one PostgreSQL with an empty and a full database, and the pooler in front of both."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.auth.tokens import Kind, Tokens
from backend.settings import Settings
from benchmarks.accounts import Account
from benchmarks.scale.data import SIGN_INS, TASKS, TOKENS, USERS, Contents, fill, row_id
from benchmarks.scale.size import Size
from benchmarks.testbed import Application, migrated, settings_for, stored_password, surroundings, this_project
from dev.embedded_postgres.server import EmbeddedPostgres
from dev.user_error import UserError
from tests.conftest import FAST_POSTGRES, SECRET
from tests.support.database_copy import DatabaseCopy
from tests.support.people import PASSWORD
from tests.support.pooler import Pooler

FREE_BYTES_NEEDED = 10_000_000_000
LOADING = {**FAST_POSTGRES, "max_wal_size": "4GB", "autovacuum": "off"}
"""Autovacuum would take CPU time at any moment of a measurement. Each database is vacuumed once, after filling."""
SERVER_CONNECTIONS = 20


def refuse_small_disk(directory: Path, free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free) -> None:
    """Refuse to start where the full database would not fit.

    :raises UserError: less than `FREE_BYTES_NEEDED` are free in this directory
    """
    if (left := free(directory)) < FREE_BYTES_NEEDED:
        raise UserError(
            f"`make scale` needs {FREE_BYTES_NEEDED / 1e9:.0f} GB of free disk for ten million tasks, and {directory}"
            f" has {left / 1e9:.1f} GB. Free some, or set TMPDIR to a folder on a larger disk."
        )


@dataclass(frozen=True)
class User:
    """A user of a filled database, who is known without reading a row. `Operation.of` takes it for a person."""

    number: int
    task: int
    """Which of the user's tasks an operation is about, counted from 0."""
    sign_in: int
    """Which of the user's sign-ins sends the request, counted from 0."""
    contents: Contents
    password: str = PASSWORD

    @property
    def email(self) -> str:
        """The user's e-mail."""
        return f"user{self.number}@example.com"

    @property
    def auth(self) -> dict[str, str]:
        """The tokens of the sign-in."""
        tokens, now = Tokens(SECRET), int(time.time())
        sign_in = self.sign_in * self.contents.all_users + self.number
        ids = {"user_id": row_id(USERS + self.number), "sign_in_id": row_id(SIGN_INS + sign_in), "issued_at": now}
        access: Any = {**ids, "expires_at": now + 24 * 3600}
        refresh: Any = {**ids, "expires_at": now + 6 * 24 * 3600, "token_id": row_id(TOKENS + sign_in)}
        return {
            "access_token": tokens.sign(Kind.ACCESS, **access),
            "refresh_token": tokens.sign(Kind.REFRESH, **refresh),
        }

    @property
    def account(self) -> Account:
        """The user as a client of `run_clients`."""
        return Account(self.email, self.auth["access_token"])

    def tasks(self) -> list[dict[str, str]]:
        """The task that an operation is about."""
        return [{"id": str(row_id(TASKS + self.task * self.contents.users + self.number))}]


@dataclass(frozen=True)
class Filled:
    """A database and what is in it."""

    database: DatabaseCopy
    contents: Contents

    @property
    def application(self) -> Application:
        """This project on this database."""
        return this_project(self.database)


@dataclass(frozen=True)
class Databases:
    """Both databases, and the pooler through which requests reach them."""

    server: EmbeddedPostgres
    pooler: Pooler
    empty: Filled
    full: Filled

    def settings(self, filled: Filled, pooler: Pooler | None = None) -> Settings:
        """Settings for a TLS connection per request, through this pooler or the common one."""
        pooler = pooler or self.pooler
        return settings_for(database_url=pooler.url(filled.database), database_ca_file=str(pooler.ca_file))

    def functions(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """The Lambda handler on each of the databases, by its name."""
        named = {"empty": self.empty, "full": self.full}
        return {name: filled.application.function(self.settings(filled)) for name, filled in named.items()}


@contextmanager
def build_databases(size: Size, log_progress: Callable[[str], None]) -> Iterator[Databases]:
    """Start the server, fill both databases, and remove all of it when the block ends, also by Ctrl-C."""
    with surroundings("scale") as directory, ExitStack() as running:
        server = running.enter_context(EmbeddedPostgres(directory / "postgres", LOADING, is_temporary=True))
        empty, full = (
            _filled(server, name, Contents(users, size.long_lists), log_progress)
            for name, users in (("empty", size.rounds + 1), ("full", size.users))
        )
        password = stored_password(server)
        pooler = running.enter_context(Pooler(server, pool_size=SERVER_CONNECTIONS, password=password))
        yield Databases(server, pooler, empty, full)


def _filled(server: EmbeddedPostgres, name: str, contents: Contents, log_progress: Callable[[str], None]) -> Filled:
    database = migrated(DatabaseCopy(server, name))
    fill(database, contents, lambda line: log_progress(f"{name} database: {line}"))
    return Filled(database, contents)
