"""The answer to each failure of the database, by SQLSTATE."""

import pytest
from pg8000.exceptions import Error as DriverError
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backend.database.failures import DatabaseUnavailable, TransactionConflict, translate
from backend.errors import ApiError
from backend.postgres import (
    ConnectFailed,
    ConnectionLost,
    Late,
    LoginRefused,
    OutOfTime,
    ServerError,
    ServerNotTrusted,
)
from tests.support.database_fixtures import Logged, levels_of_unavailable


def wrapped(cause: DriverError) -> DBAPIError:
    """A driver's error, as SQLAlchemy raises it."""
    return DBAPIError("select secret_column", {"secret": "value"}, cause)


def fields(state: str) -> dict[str, str]:
    """The fields of an ErrorResponse with this SQLSTATE."""
    return {"S": "ERROR", "C": state, "M": "secret message", "n": "secret_constraint"}


def server_error(state: str, *, nothing_written: bool = True, before_statement: bool = False) -> DBAPIError:
    """PostgreSQL's error in place of a statement's answer."""
    error = ServerError(fields(state), nothing_written=nothing_written, before_statement=before_statement)
    return wrapped(error)


def login_refused(state: str) -> DBAPIError:
    """PostgreSQL's or a pooler's error in place of a login."""
    return wrapped(LoginRefused(fields(state)))


def status_and_retry(error: ApiError) -> tuple[int, bool]:
    """The error's status, and whether it has a `Retry-After`."""
    return error.status, "Retry-After" in error.headers


@pytest.mark.spec("NFR-014", "NFR-016", "EDGE-database-connection-failure")
@pytest.mark.parametrize(
    ("state", "status", "level"),
    [
        ("28P01", 503, "ERROR"),  # wrong password
        ("28000", 503, "ERROR"),  # no such login
        ("3D000", 503, "ERROR"),  # no such database
        ("08P01", 503, "ERROR"),  # the pooler's code for a wrong password, and for being full
        ("42P01", 503, "ERROR"),  # no such table: not migrated
        ("42703", 503, "ERROR"),  # no such column
        ("42501", 503, "ERROR"),  # a right is missing
        ("25006", 503, "ERROR"),  # read only
        ("58030", 503, "ERROR"),  # the disk cannot be read
        ("53300", 503, "WARNING"),  # too many connections
        ("53100", 503, "WARNING"),  # disk full
        ("53200", 503, "WARNING"),  # out of memory
        ("57P03", 503, "WARNING"),  # starting up
        ("57P01", 503, "WARNING"),  # terminated by an operator
        ("57P02", 503, "WARNING"),  # crashed
        ("57P05", 503, "WARNING"),  # idle for too long
        ("57014", 503, "WARNING"),  # statement timeout
        ("55P03", 503, "WARNING"),  # lock timeout
        ("25P03", 503, "WARNING"),  # idle in a transaction for too long
        ("55000", 503, "WARNING"),  # does not accept connections
        ("40001", 503, None),  # serialization failure: logged only when the retries fail
        ("40P01", 503, None),  # deadlock
        ("23505", 409, None),  # unique
        ("23503", 409, None),  # foreign key
        ("23514", 422, None),  # check
        ("23502", 422, None),  # null
        ("22001", 422, None),  # too long
        ("22003", 422, None),  # out of range
        ("22021", 422, None),  # U+0000
        ("22P02", 422, None),  # not a uuid
        ("25P02", 500, None),  # a statement after a failed one: our bug
        ("0A000", 500, None),
        ("P0001", 500, None),
        ("XX000", 500, None),
    ],
)
def test_a_failed_statement_has_its_status_and_log_level(
    state: str, status: int, level: str | None, logged: Logged
) -> None:
    translated = translate(server_error(state))

    assert status_and_retry(translated) == (status, status == 503)
    assert levels_of_unavailable(logged) == ([level] if level else [])
    assert "secret" not in f"{translated.detail} {logged()}"


@pytest.mark.spec("NFR-014", "NFR-015", "EDGE-database-connection-failure")
@pytest.mark.parametrize(
    ("state", "level"),
    [
        ("23505", "ERROR"),  # as a statement's error these five are the client's, or a bug
        ("23514", "ERROR"),
        ("22P02", "ERROR"),
        ("0A000", "ERROR"),
        ("XX000", "ERROR"),
        ("42501", "ERROR"),
        ("42P01", "ERROR"),
        ("57014", "WARNING"),
        ("55P03", "WARNING"),
        ("53200", "WARNING"),
    ],
)
def test_an_error_in_opening_or_check_is_never_the_clients(state: str, level: str, logged: Logged) -> None:
    translated = translate(server_error(state, before_statement=True))

    assert status_and_retry(translated) == (503, True)
    assert levels_of_unavailable(logged) == [level]


@pytest.mark.parametrize("state", ["40001", "40P01"])
@pytest.mark.parametrize("before_statement", [False, True])
def test_a_serialization_failure_or_deadlock_is_a_conflict(state: str, before_statement: bool) -> None:
    failure = translate(server_error(state, before_statement=before_statement))

    assert isinstance(failure, TransactionConflict)
    assert status_and_retry(failure) == (503, True)


@pytest.mark.parametrize("state", ["57P01", "57014", "53100", "53300", "28P01", "08P01", "40003"])
def test_no_other_failure_is_a_conflict(state: str) -> None:
    failure = translate(server_error(state))

    assert isinstance(failure, DatabaseUnavailable)
    assert not isinstance(failure, TransactionConflict)


@pytest.mark.spec("SC-010", "EDGE-database-connection-failure")
@pytest.mark.parametrize("nothing_written", [True, False])
@pytest.mark.parametrize("state", ["57P01", "57P02", "08P01", "08006", "53100", "40003", "25006", "42501"])
def test_a_failed_flight_may_be_repeated_only_if_it_surely_wrote_nothing(
    state: str, nothing_written: bool, logged: Logged
) -> None:
    translated = translate(server_error(state, nothing_written=nothing_written))

    assert status_and_retry(translated) == (503, nothing_written)
    assert [line["nothing_written"] for line in logged()] == [nothing_written]


@pytest.mark.spec("NFR-014", "NFR-015", "EDGE-database-connection-failure")
@pytest.mark.parametrize(
    ("state", "level"),
    [
        ("28P01", "ERROR"),  # wrong password
        ("28000", "ERROR"),  # no such login
        ("3D000", "ERROR"),  # no such database
        ("42501", "ERROR"),  # the login may not connect
        ("08P01", "ERROR"),  # the pooler's code for a wrong password
        ("53300", "WARNING"),  # too many connections
        ("57P03", "WARNING"),  # starting up
        ("57P01", "WARNING"),  # stopping
        ("XX000", "WARNING"),  # Neon's proxy, with a sentence that is not known
    ],
)
def test_a_refused_login_is_a_503_and_the_operators_are_errors(state: str, level: str, logged: Logged) -> None:
    translated = translate(login_refused(state))

    assert status_and_retry(translated) == (503, True)
    assert levels_of_unavailable(logged) == [level]
    assert "secret" not in f"{translated.detail} {logged()}"


@pytest.mark.spec("NFR-014", "EDGE-database-connection-failure")
@pytest.mark.parametrize(
    ("error", "invites", "level"),
    [
        (wrapped(ConnectFailed("no connection")), True, "WARNING"),
        (wrapped(ServerNotTrusted("no connection")), True, "ERROR"),
        (wrapped(ConnectionLost("network error", nothing_written=True)), True, "WARNING"),
        (wrapped(ConnectionLost("network error", nothing_written=False)), False, "WARNING"),
        (wrapped(Late("late")), True, "WARNING"),
        (wrapped(OutOfTime("used up")), True, "WARNING"),
        (PoolTimeout("QueuePool limit"), True, "WARNING"),
        (TimeoutError("used up"), True, "WARNING"),
    ],
)
def test_a_network_failure_is_a_503(error: Exception, invites: bool, level: str, logged: Logged) -> None:
    translated = translate(error)

    assert status_and_retry(translated) == (503, invites)
    assert levels_of_unavailable(logged) == [level]


def test_text_that_is_not_unicode_is_a_422() -> None:
    with pytest.raises(UnicodeEncodeError) as refused:
        "\ud800".encode()

    assert status_and_retry(translate(refused.value)) == (422, False)


def test_a_misuse_of_sqlalchemy_is_a_logged_500(logged: Logged) -> None:
    translated = [translate(each) for each in (InvalidRequestError("secret"), wrapped(DriverError("secret")))]

    assert [status_and_retry(each) for each in translated] == [(500, False)] * 2
    assert [line["level"] for line in logged()] == ["ERROR", "ERROR"]
    assert "secret" not in str(logged())
