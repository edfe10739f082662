"""Makes the messages that protect a flight's statement. They are sent in front of the statement, in the same flight.

    Parse, Bind, Execute   SHOW, SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE    only if it writes
    Parse, Bind, Execute   the opening: if the flight is in time, it sets role and settings, for this transaction alone
    Parse, Bind, Execute   the check, if there is one: if it gives no row, the rest cannot write
    Parse, Bind, Describe, Execute   the statement
    Sync                   ends the implicit transaction: commits it, or undoes it if something failed

They protect it from the settings that another client has left on the server connection. They also protect it from
arriving too late.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from backend.postgres import messages

SETTINGS = {
    "search_path": "public, pg_temp",
    "row_security": "on",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "standard_conforming_strings": "on",
}
"""Another client of the pooler, or `ALTER DATABASE`, may have changed these. They are set for this transaction."""
MOST_MILLISECONDS = 60_000
LEFT_MILLISECONDS = f"""
    least({MOST_MILLISECONDS}, greatest(1, floor(extract(epoch from ends - clock) * 1000)))::int::text
"""
"""What is left of the deadline. The limit keeps a clock that is far off from giving PostgreSQL too large a number."""
NO_TRANSACTION_TIMEOUT = """
    case when current_setting('transaction_timeout', true) is not null
        then set_config('transaction_timeout', '0', true)
    end
"""
"""SQL that turns `transaction_timeout` off. PostgreSQL 16 does not have this setting.

When this timeout expires, PostgreSQL ends the whole connection and not only the transaction."""
NO_TIMEOUT = (messages.unit("show statement_timeout"), messages.unit("set local statement_timeout to 0"))
"""Goes in front of a flight that another client's timeout has ended. Both take far less time than the opening."""
MAY_WRITE = messages.unit("show transaction_read_only") + messages.unit(
    "set transaction isolation level read committed, read write"
)
"""Makes the transaction writable and READ COMMITTED, whatever another client or the database's defaults have set.

A SELECT cannot make it writable. It takes a snapshot, and after that PostgreSQL keeps a read-only transaction
read-only. SHOW goes first, because PostgreSQL logs a warning if SET TRANSACTION is the first command of a flight. The
statements are written for READ COMMITTED: there, a change waits for an earlier one of the same row. With another level
(`default_transaction_isolation`) it would fail."""


@dataclass(frozen=True)
class Check:
    """A SELECT that goes in front of a transaction's own statement. Without a row of it nothing is written."""

    statement: str
    parameters: tuple[Any, ...]

    @property
    def guarded(self) -> str:
        """The check as it is sent. It gives one row if the SELECT gives at least one.

        If the SELECT gives no row, it gives none either, and makes the rest of the transaction read-only.
        """
        passed = "case when count(*) > 0 then true else set_config('transaction_read_only', 'on', true) is null end"
        return f"select from ({self.statement}) checked having {passed}"


@dataclass(frozen=True)
class Flight:
    """How a statement is sent as a transaction of its own.

    :param reads: it only reads, which PostgreSQL enforces. So it may be sent before the server has proven that it knows
        the password. It is sent a second time if a new connection takes it but does not answer in time
    """

    reads: bool = False
    check: Check | None = None


@dataclass(frozen=True)
class Opening:
    """What every flight begins with: a SELECT that compares the flight's deadline with the server's clock.

    If the flight is in time, the opening sets its role, settings and timeouts. A pooler may hold a flight up until its
    deadline has passed. Then the client has already reported a failure, so the flight must not write any more: the
    opening sets no role, and makes the transaction read-only. It always gives one row, with three values: whether the
    flight is in time, the server's clock, and the settings.

    :param role: what the transaction runs as
    """

    role: str

    def units(self, *, ends_at: float, reads: bool) -> bytes:
        """The messages.

        :param ends_at: the flight's deadline by the server's clock, in seconds since 1970
        """
        statement = self._reading if reads else self._writing
        return (b"" if reads else MAY_WRITE) + messages.unit(statement, (repr(ends_at),))

    @staticmethod
    def count(*, reads: bool) -> int:
        """How many answers the opening's units give."""
        return 1 if reads else 3

    @cached_property
    def _reading(self) -> str:
        return self._statement({"transaction_read_only": "on"})

    @cached_property
    def _writing(self) -> str:
        return self._statement({})

    def _statement(self, more: dict[str, str]) -> str:
        settings = {"role": f"'{self.role}'"} | {name: f"'{value}'" for name, value in (SETTINGS | more).items()}
        settings |= dict.fromkeys(("statement_timeout", "lock_timeout"), LEFT_MILLISECONDS)
        calls = ", ".join(f"set_config('{name}', {value}, true)" for name, value in settings.items())
        calls += f", {NO_TRANSACTION_TIMEOUT}"
        return f"""
            select clock < ends, extract(epoch from clock),
                case when clock < ends
                    then array[{calls}]
                    else array[set_config('transaction_read_only', 'on', true)]
                end
            from (select clock_timestamp() as clock, to_timestamp($1::float8) as ends offset 0) opening
        """
