"""What can go wrong between us and the server. Every error says whether something may have been written.

SQLAlchemy wraps them in its own errors, whose `orig` they are: all but `CheckFailed` are errors of PEP 249.
"""

import ssl
from collections.abc import Mapping

from pg8000.exceptions import DatabaseError, InterfaceError

from backend.postgres import poolers
from backend.postgres.sqlstates import CONNECTION_ENDED, OPERATOR_AT_LOGIN


class CheckFailed(Exception):
    """The check gave no row, so its transaction did nothing."""


class ConnectFailed(InterfaceError):  # type: ignore[misc]  # pg8000 has no types
    """No connection came about, so no statement ran. `__cause__` is what the network said."""

    nothing_written = True
    needs_operator = False


class ServerNotTrusted(ConnectFailed):
    """A server answered, but did not prove that it is the one in the URL. This does not heal by itself."""

    needs_operator = True


class LoginRefused(ConnectFailed):
    """The server refused the login.

    :param fields: the ErrorResponse's fields; `C` is the SQLSTATE, `M` the message
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(dict(fields))
        state, sentence = fields["C"], fields["M"]
        if state == poolers.NEON:
            self.reason = f"{state}, Neon's proxy: {poolers.neon_reason(sentence)}"
            self.needs_operator = poolers.neon_needs_operator(sentence)
        else:
            self.reason = state
            self.needs_operator = state.startswith(OPERATOR_AT_LOGIN)

    def __str__(self) -> str:
        return f"login refused: {self.reason}"


class ConnectionLost(InterfaceError):  # type: ignore[misc]
    """The connection ended, or fell silent, in the middle of its work.

    :param nothing_written: whether it is certain that PostgreSQL kept nothing of the flight
    """

    def __init__(self, message: str, *, nothing_written: bool) -> None:
        super().__init__(message)
        self.nothing_written = nothing_written


class OutOfTime(ConnectionLost):
    """The request's time was used up before the flight could be sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, nothing_written=True)


class Late(InterfaceError):  # type: ignore[misc]
    """PostgreSQL received the flight after its deadline and did nothing."""

    nothing_written = True


class ServerError(DatabaseError):  # type: ignore[misc]
    """PostgreSQL's answer to a statement is an error.

    :param fields: the ErrorResponse's fields; `C` is the SQLSTATE, `M` the message, `n` a constraint
    :param nothing_written: whether it is certain that PostgreSQL kept nothing of the flight
    :param before_statement: whether it was the opening or the check that failed
    """

    def __init__(self, fields: Mapping[str, str], *, nothing_written: bool, before_statement: bool = False) -> None:
        super().__init__(dict(fields))
        self.nothing_written = nothing_written
        self.before_statement = before_statement

    @property
    def constraint(self) -> str | None:
        """The constraint that refused the values, by name."""
        name: str | None = self.args[0].get("n")
        return name

    @property
    def ends_connection(self) -> bool:
        """Whether the server has closed the connection."""
        fields = self.args[0]
        return fields.get("V", fields.get("S")) in ("FATAL", "PANIC") or fields["C"].startswith(CONNECTION_ENDED)


class ProtocolViolated(Exception):
    """The server sent something other than what the protocol has at this point. The connection must be closed."""


def reason(error: BaseException) -> str:
    """What happened, in words that name neither host nor user."""
    if isinstance(error, ssl.SSLError):  # its message and `strerror` name the host
        verified = f" ({error.verify_code})" if isinstance(error, ssl.SSLCertVerificationError) else ""
        return f"TLS: {error.reason or type(error).__name__}{verified}"
    if isinstance(error, ProtocolViolated | TimeoutError):
        return str(error) or "timed out"
    return getattr(error, "strerror", None) or type(error).__name__
