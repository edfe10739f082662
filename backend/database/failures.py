"""What a database failure means to the client: one table, by SQLSTATE. pg8000's and SQLAlchemy's
exception classes do not tell the failures apart.

A 503 carries `Retry-After` only when it is certain that nothing was written. That is so for everything but a COMMIT
whose answer got lost: PostgreSQL undoes a transaction that was not committed.
"""

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backend.errors import ApiError, Conflict, InternalError, Unavailable, Unprocessable
from backend.postgres import ConnectFailed, ConnectionLost, OutOfTime, ServerNotTrusted, sqlstate
from backend.postgres.sqlstates import (
    CONFLICTS,
    FATE_UNKNOWN,
    MISCONFIGURED,
    OVERLOADED,
    SERIALIZATION_CONFLICTS,
    UNSTORABLE,
)
from backend.telemetry import count, logger

RETRY_AFTER_SECONDS = 2


class DatabaseUnavailable(Unavailable):
    """The database cannot do this now (edge case "Database connection failure")."""

    def __init__(self, *, nothing_was_written: bool) -> None:
        super().__init__(headers={"Retry-After": str(RETRY_AFTER_SECONDS)} if nothing_was_written else {})


class TransactionConflict(DatabaseUnavailable):
    """PostgreSQL chose this transaction as the one to give way. Running it again is all it takes (`retry`)."""

    def __init__(self) -> None:
        super().__init__(nothing_was_written=True)


def translate(error: Exception, *, committing: bool) -> ApiError:
    """The answer to a failure of the database, which is logged here without SQL, values or names.

    :param committing: the failure came after COMMIT was sent, so its fate is unknown unless the server said it
    """
    if isinstance(error, UnicodeEncodeError):  # a lone surrogate; nothing was sent
        return Unprocessable()
    if isinstance(error, PoolTimeout):
        return unavailable("every connection of the pool is in use", urgent=False)
    if isinstance(error, TimeoutError):  # the request's budget was used up before anything was sent
        return unavailable("time budget used up", urgent=False)
    cause = error.orig if isinstance(error, DBAPIError) else None
    state = sqlstate(cause)
    if state is None:
        return _network_failure(error, cause, committing=committing)
    if state in SERIALIZATION_CONFLICTS:
        return TransactionConflict()
    if state in CONFLICTS:
        return Conflict()
    if state.startswith(UNSTORABLE):
        return Unprocessable()
    nothing_was_written = not (committing and state.startswith(FATE_UNKNOWN))
    if state.startswith(MISCONFIGURED):
        return unavailable(state, urgent=True, nothing_was_written=nothing_was_written)
    if state.startswith(OVERLOADED):
        return unavailable(state, urgent=False, nothing_was_written=nothing_was_written)
    logger.error("Unexpected database error", sqlstate=state)
    return InternalError()


def _network_failure(error: Exception, cause: BaseException | None, *, committing: bool) -> ApiError:
    if isinstance(cause, ConnectFailed):
        return unavailable(str(cause), urgent=isinstance(cause, ServerNotTrusted))
    if isinstance(cause, ConnectionLost):
        was_sent = not isinstance(cause, OutOfTime)
        return unavailable(str(cause), urgent=False, nothing_was_written=not (committing and was_sent))
    assert isinstance(error, SQLAlchemyError)
    logger.error("Unexpected database error", error=type(error).__name__)
    return InternalError()


def unavailable(reason: str, *, urgent: bool, nothing_was_written: bool = True) -> DatabaseUnavailable:
    """Log and count that the database could not do something; gives the answer for the client.

    :param urgent: it does not heal by itself
    """
    log = logger.error if urgent else logger.warning
    log("Database unavailable", reason=reason, nothing_was_written=nothing_was_written)
    count("DatabaseUnavailable")
    return DatabaseUnavailable(nothing_was_written=nothing_was_written)
