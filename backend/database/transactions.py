"""Transactions: every statement of the application is one, sent in one flight (SC-010, NFR-017).

The application has no transaction of several statements. Where several things have to be decided together, one SQL
statement does it. What is run here has committed when the call returns.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Executable, NullPool, QueuePool, Row
from sqlalchemy.exc import SQLAlchemyError

from backend import postgres
from backend.database import failures
from backend.database.roles import AUTH_ROLE
from backend.postgres import Check, DatabaseUrl, Flight, Opening

POOL_TIMEOUT_SECONDS = 10
POOL_RECYCLE_SECONDS = 240
"""Shorter than the five idle minutes after which Neon suspends a compute, and with it the connections."""

Parameters = Mapping[str, Any] | None
Rows = Sequence[Row[Any]]


class Transactions:
    """Runs statements on one connection, each as a transaction of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, statement: Executable, parameters: Parameters = None, *, check: Check | None = None) -> Rows:
        """Run a statement that may write. Gives its rows.

        :param check: a statement in front of it, which must give a row
        :raises CheckFailed: it gave none; nothing was done
        :raises ApiError: what a failure of the database means to the client
        """
        return self._send(statement, parameters, Flight(reads=False, check=check))

    def read(self, statement: Executable, parameters: Parameters = None, *, check: Check | None = None) -> Rows:
        """Run a statement that only reads, which PostgreSQL enforces. It saves a round trip on a new connection."""
        return self._send(statement, parameters, Flight(reads=True, check=check))

    def _send(self, statement: Executable, parameters: Parameters, flight: Flight) -> Rows:
        try:
            result = self._connection.execute(statement, parameters, execution_options={"flight": flight})
            return result.all() if result.returns_rows else ()
        except (SQLAlchemyError, UnicodeEncodeError) as error:
            raise failures.translate(error) from error


class Database:
    """Where connections come from. One of these lives as long as the process.

    :param pool_size: 0 opens a connection for each request and closes it again, as a Lambda function should: the pooler
        does the pooling. A number keeps up to that many open for a long-running server (SC-020, NFR-013)
    """

    def __init__(self, url: DatabaseUrl, *, pool_size: int) -> None:
        self._is_pooled = pool_size > 0
        pool = (
            {
                "poolclass": QueuePool,
                "pool_size": pool_size,
                "max_overflow": 0,
                "pool_timeout": POOL_TIMEOUT_SECONDS,
                "pool_recycle": POOL_RECYCLE_SECONDS,
                "pool_pre_ping": True,
                "pool_use_lifo": True,
            }
            if self._is_pooled
            else {"poolclass": NullPool}
        )
        self._engine = postgres.engine(url, opening=Opening(AUTH_ROLE), **pool)

    def run(self, statement: Executable, parameters: Parameters = None, *, check: Check | None = None) -> Rows:
        """`Transactions.run` on a connection of its own."""
        with self._transactions() as transactions:
            return transactions.run(statement, parameters, check=check)

    def read(self, statement: Executable, parameters: Parameters = None, *, check: Check | None = None) -> Rows:
        """`Transactions.read` on a connection of its own."""
        with self._transactions() as transactions:
            return transactions.read(statement, parameters, check=check)

    @contextmanager
    def conversation(self) -> Iterator["Database | Transactions"]:
        """For several transactions in sequence, with work between them. Between them no transaction is open.

        Without a pool they share one connection, because connecting costs more than all else. With a pool the
        connection goes back in between, because a password takes long to hash.
        """
        if self._is_pooled:
            yield self
        else:
            with self._transactions() as transactions:
                yield transactions

    def close(self) -> None:
        """Close the pool's idle connections."""
        self._engine.dispose()

    @contextmanager
    def _transactions(self) -> Iterator[Transactions]:
        try:
            connection = self._engine.connect()
        except (SQLAlchemyError, TimeoutError) as error:
            raise failures.translate(error) from error
        with connection:
            yield Transactions(connection)
