"""The engine, and transactions that have committed when their block ends (SC-010, NFR-017)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from sqlalchemy import Connection, NullPool, QueuePool
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from backend import postgres
from backend.database import failures
from backend.database.roles import AUTH_ROLE
from backend.postgres import DatabaseUrl

POOL_TIMEOUT_SECONDS = 10
POOL_RECYCLE_SECONDS = 240
"""Shorter than the five idle minutes after which Neon suspends a compute, and with it the connections."""


class Database:
    """Where transactions come from. One of these lives as long as the process.

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
        self._engine = postgres.engine(url, role=AUTH_ROLE, **pool)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction, committed when the block ends and undone when it raises.

        :raises ApiError: what a failure of the database means to the client
        """
        with self.conversation() as begin, begin() as session:
            yield session

    @contextmanager
    def conversation(self) -> Iterator[Callable[[], AbstractContextManager[Session]]]:
        """Several transactions with work between them, in which nothing is open and nothing locked.

        Without a pool they share one connection, because connecting costs more than all else; with a pool the
        connection goes back in between, because a password takes long to hash.
        """
        if self._is_pooled:
            yield self._transaction_on_any_connection
            return
        with self._connection() as connected:
            yield partial(_transaction, connected)

    def close(self) -> None:
        """Close the pool's idle connections."""
        self._engine.dispose()

    @contextmanager
    def _transaction_on_any_connection(self) -> Iterator[Session]:
        with self._connection() as connected, _transaction(connected) as session:
            yield session

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            connected = self._engine.connect()
        except (SQLAlchemyError, TimeoutError) as error:
            raise failures.translate(error, committing=False) from error
        with connected:
            yield connected


@contextmanager
def _transaction(connected: Connection) -> Iterator[Session]:
    committing = False
    try:
        with Session(connected, expire_on_commit=False, autoflush=False) as session:
            yield session
            committing = True
            session.commit()
    except (SQLAlchemyError, UnicodeEncodeError) as error:
        raise failures.translate(error, committing=committing) from error
