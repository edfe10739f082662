"""The answer to each failure of the database, by SQLSTATE."""

import pytest
from pg8000.exceptions import DatabaseError
from pg8000.exceptions import Error as DriverError
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backend.database.failures import DatabaseUnavailable, TransactionConflict, translate
from backend.errors import ApiError
from backend.postgres.network import ConnectFailed, ConnectionLost, OutOfTime, ServerNotTrusted
from tests.support.database_fixtures import Logged, levels_of_unavailable


def wrapped(cause: DriverError) -> DBAPIError:
    """A driver's error, as SQLAlchemy raises it."""
    return DBAPIError("select secret_column", {"secret": "value"}, cause)


def postgres_error(state: str) -> DBAPIError:
    """An error of PostgreSQL's with this SQLSTATE."""
    return wrapped(DatabaseError({"S": "ERROR", "C": state, "M": "secret message", "n": "secret_constraint"}))


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
    translated = translate(postgres_error(state), committing=False)
    assert status_and_retry(translated) == (status, status == 503)
    assert levels_of_unavailable(logged) == ([level] if level else [])
    assert "secret" not in f"{translated.detail} {logged()}"


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_serialization_failure_or_deadlock_is_a_conflict(state: str) -> None:
    for committing in (False, True):
        failure = translate(postgres_error(state), committing=committing)
        assert isinstance(failure, TransactionConflict)


@pytest.mark.parametrize("state", ["57P01", "57014", "53100", "53300", "28P01", "08P01"])
def test_no_other_failure_is_a_conflict(state: str) -> None:
    failure = translate(postgres_error(state), committing=False)
    assert isinstance(failure, DatabaseUnavailable)
    assert not isinstance(failure, TransactionConflict)


@pytest.mark.spec("SC-010", "EDGE-database-connection-failure")
@pytest.mark.parametrize(
    ("state", "status", "invites"),
    [
        ("40001", 503, True),  # PostgreSQL itself reports that it did not commit
        ("53100", 503, True),
        ("57014", 503, True),
        ("23505", 409, False),
        ("57P01", 503, False),  # the connection ended: the result is unknown
        ("57P02", 503, False),
        ("08P01", 503, False),  # the pooler lost its server in the middle of the COMMIT
        ("08006", 503, False),
    ],
)
def test_a_failed_commit_may_be_repeated_only_if_it_surely_wrote_nothing(
    state: str, status: int, invites: bool
) -> None:
    assert status_and_retry(translate(postgres_error(state), committing=True)) == (status, invites)


@pytest.mark.spec("NFR-014", "EDGE-database-connection-failure")
@pytest.mark.parametrize(
    ("error", "committing", "invites", "level"),
    [
        (wrapped(ConnectFailed("no connection")), False, True, "WARNING"),
        (wrapped(ServerNotTrusted("no connection")), False, True, "ERROR"),
        (wrapped(ConnectionLost("network error")), False, True, "WARNING"),
        (wrapped(ConnectionLost("network error")), True, False, "WARNING"),
        (wrapped(OutOfTime("used up")), True, True, "WARNING"),
        (PoolTimeout("QueuePool limit"), False, True, "WARNING"),
        (TimeoutError("used up"), False, True, "WARNING"),
    ],
)
def test_a_network_failure_is_a_503(
    error: Exception, committing: bool, invites: bool, level: str, logged: Logged
) -> None:
    assert status_and_retry(translate(error, committing=committing)) == (503, invites)
    assert levels_of_unavailable(logged) == [level]


def test_text_that_is_not_unicode_is_a_422() -> None:
    with pytest.raises(UnicodeEncodeError) as refused:
        "\ud800".encode()
    assert status_and_retry(translate(refused.value, committing=False)) == (422, False)


def test_a_misuse_of_sqlalchemy_is_a_logged_500(logged: Logged) -> None:
    assert status_and_retry(translate(InvalidRequestError("secret"), committing=False)) == (500, False)
    assert status_and_retry(translate(wrapped(DriverError("secret")), committing=False)) == (500, False)
    assert [line["level"] for line in logged()] == ["ERROR", "ERROR"]
    assert "secret" not in str(logged())
