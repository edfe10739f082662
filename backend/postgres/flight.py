"""A transaction as one flight: what is asked in front of its statement, so that it is safe wherever it arrives.

    Parse, Bind, Execute   SHOW, SET TRANSACTION READ WRITE    only if it writes
    Parse, Bind, Execute   the opening: in time? then role and settings, for this transaction alone
    Parse, Bind, Execute   the check, where there is one: a row, or nothing counts
    Parse, Bind, Describe, Execute   the statement
    Sync                   ends the implicit transaction, and commits it unless something failed

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
"""PostgreSQL 16 does not have it. Where it strikes, the whole connection ends."""
MAY_WRITE = messages.unit("show transaction_read_only") + messages.unit(
    "set transaction isolation level read committed, read write"
)
"""SHOW goes first because PostgreSQL warns of a SET TRANSACTION that is a flight's first command. A SELECT cannot do
this: it has a snapshot, and then a transaction that may only read stays one. The statements are written for READ
COMMITTED, in which a change waits for the one before it; where `default_transaction_isolation` is another, it fails."""


@dataclass(frozen=True)
class Check:
    """A SELECT that goes in front of a transaction's own statement. Without a row of it nothing is written."""

    statement: str
    parameters: tuple[Any, ...]

    @property
    def guarded(self) -> str:
        """What is sent: one row if the SELECT gives any. Else none, and the transaction may only read from there on."""
        passed = "case when count(*) > 0 then true else set_config('transaction_read_only', 'on', true) is null end"
        return f"select from ({self.statement}) checked having {passed}"


@dataclass(frozen=True)
class Flight:
    """How a statement is sent as a transaction of its own.

    :param reads: it only reads, which PostgreSQL enforces. So it may leave before the server has proven itself, and
        again when its answer is lost
    """

    reads: bool = False
    check: Check | None = None


@dataclass(frozen=True)
class Opening:
    """What every flight begins with.

    A flight that arrives after its deadline, because a pooler held it up, gets no role, and may only read: its client
    has gone, and must not find later that it has written. The opening always gives one row: in time or not, and the
    server's clock.

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
