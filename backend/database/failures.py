"""What a failure of the database means to the client, decided by SQLSTATE and by what the driver knows.

A 503 carries `Retry-After` only when it is certain that nothing was written. That is so for everything but a flight
that writes and whose answer was lost: the driver says which it was (`nothing_written`).
"""

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backend.errors import ApiError, Conflict, InternalError, Unavailable, Unprocessable
from backend.postgres import ConnectFailed, ConnectionLost, Late, ServerError, sqlstate
from backend.postgres.sqlstates import (
    CHECK_VIOLATION,
    CONFLICTS,
    MISCONFIGURED,
    OVERLOADED,
    SERIALIZATION_CONFLICTS,
    UNSTORABLE,
)
from backend.telemetry import count, logger

RETRY_AFTER_SECONDS = 2


class DatabaseUnavailable(Unavailable):
    """The database cannot do this now (edge case "Database connection failure")."""

    def __init__(self, *, nothing_written: bool) -> None:
        super().__init__(headers={"Retry-After": str(RETRY_AFTER_SECONDS)} if nothing_written else {})


class ConstraintViolated(Unprocessable):
    """A CHECK constraint refused the values, or a trigger in its name. Nothing was stored.

    :ivar constraint: its name, by which a service may give a better answer than this 422
    """

    def __init__(self, constraint: str | None) -> None:
        super().__init__()
        self.constraint = constraint


class TransactionConflict(DatabaseUnavailable):
    """PostgreSQL undid this transaction because of another one. The route class runs the endpoint again."""

    def __init__(self) -> None:
        super().__init__(nothing_written=True)


def translate(error: Exception) -> ApiError:
    """The answer to a failure of the database. It is logged here without SQL, values or names."""
    if isinstance(error, UnicodeEncodeError):  # a lone surrogate; nothing was sent
        return Unprocessable()
    if isinstance(error, PoolTimeout):
        return unavailable("every connection of the pool is in use", urgent=False)
    if isinstance(error, TimeoutError):  # the request's time was used up before anything was sent
        return unavailable("time budget used up", urgent=False)
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, ServerError):
        return _server_error(cause)
    if isinstance(cause, ConnectFailed):
        return unavailable(str(cause), urgent=cause.needs_operator)
    if isinstance(cause, ConnectionLost | Late):
        return unavailable(str(cause), urgent=False, nothing_written=cause.nothing_written)
    logger.error("Unexpected database error", error=type(error).__name__)
    return InternalError()


def _server_error(error: ServerError) -> ApiError:
    state = sqlstate(error) or ""
    if state in SERIALIZATION_CONFLICTS:
        return TransactionConflict()
    if state.startswith(OVERLOADED):
        return unavailable(state, urgent=False, nothing_written=error.nothing_written)
    if error.before_statement or state.startswith(MISCONFIGURED):
        return unavailable(state, urgent=True, nothing_written=error.nothing_written)
    if state in CONFLICTS:
        return Conflict()
    if state == CHECK_VIOLATION:
        return ConstraintViolated(error.constraint)
    if state.startswith(UNSTORABLE):
        return Unprocessable()
    logger.error("Unexpected database error", sqlstate=state)
    return InternalError()


def unavailable(reason: str, *, urgent: bool, nothing_written: bool = True) -> DatabaseUnavailable:
    """Log and count that the database could not do something; gives the answer for the client.

    :param urgent: it does not heal by itself
    """
    log = logger.error if urgent else logger.warning
    log("Database unavailable", reason=reason, nothing_written=nothing_written)
    count("DatabaseUnavailable")
    return DatabaseUnavailable(nothing_written=nothing_written)
