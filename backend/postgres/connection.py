"""A connection to PostgreSQL, direct or through a transaction pooler: it sends flights and reads their answers.

It is a connection of PEP 249, as far as SQLAlchemy uses one. It connects when its first flight is there, because a
flight that only reads leaves with the login.

With an opening every statement is a flight of its own (`flight.py`). Without one, for migrations, BEGIN rides with the
first statement of a transaction, and COMMIT takes a round trip of its own.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from pg8000.converters import PG_TYPES, PY_TYPES, make_params
from pg8000.exceptions import InterfaceError
from pg8000.legacy import NotSupportedError
from sqlalchemy.sql.elements import quoted_name

from backend.postgres import login, memory, messages
from backend.postgres.answers import Answers
from backend.postgres.cursor import Cursor, Result
from backend.postgres.deadline import Deadline
from backend.postgres.exceptions import (
    CheckFailed,
    ConnectFailed,
    ConnectionLost,
    Late,
    OutOfTime,
    ProtocolViolated,
    reason,
)
from backend.postgres.flight import NO_TIMEOUT, Flight, Opening
from backend.postgres.outgoing import Outgoing
from backend.postgres.sqlstates import QUERY_CANCELED, sqlstate
from backend.postgres.url import DatabaseUrl
from backend.postgres.wire import Wire

PG8000_VERSION = "1.31.6"
"""Its converters between Python's values and PostgreSQL's text are used here."""
READ_TIMEOUT_SECONDS = 10.0
GOODBYE_SECONDS = 0.1
TIMESTAMPTZ_OID = 1184
READERS: dict[int, Callable[[str], Any]] = {**PG_TYPES, TIMESTAMPTZ_OID: datetime.fromisoformat}
"""By the type's OID. pg8000's own reader of timestamps takes ten times longer, with strptime."""
WRITERS: dict[type, Callable[[Any], Any]] = {**PY_TYPES, quoted_name: PY_TYPES[str]}
IDLE = b"I"
ISO_DATES = "ISO, "
"""How a DateStyle begins in which PostgreSQL writes times as ISO 8601."""


class Connection:
    """One connection. Nothing is sent before the first statement.

    :param opening: what every flight begins with; None for a connection with ordinary transactions
    :param answer_seconds: how long one answer may take, from the departure of what it answers to its last byte;
        None: `READ_TIMEOUT_SECONDS`
    """

    autocommit = False  # SQLAlchemy asks

    def __init__(
        self, url: DatabaseUrl, *, opening: Opening | None = None, answer_seconds: float | None = None
    ) -> None:
        self._url, self._opening, self._answer_seconds = url, opening, answer_seconds
        self._memory = memory.of(url)
        self._wire: Wire | None = None
        self._is_closed = False
        self._status = IDLE

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_quiet(self) -> bool:
        """Whether the connection is usable, as far as can be told without asking the server."""
        return not self._is_closed and (self._wire is None or self._wire.is_quiet)

    @property
    def _answer_limit(self) -> float:
        return READ_TIMEOUT_SECONDS if self._answer_seconds is None else self._answer_seconds

    def cursor(self) -> Cursor:
        """A cursor on this connection (PEP 249)."""
        return Cursor(self)

    def execute(self, statement: str, values: Sequence[Any] = (), flight: Flight | None = None) -> Result:
        """Run one statement in one round trip.

        :param values: the values of `$1`, `$2`, …
        :param flight: it is a transaction of its own; None: it is the next one of an ordinary transaction
        :raises CheckFailed: the check gave no row; nothing was done
        :raises Late: the flight arrived after its deadline; nothing was done
        :raises ServerError: PostgreSQL's own error
        :raises UnicodeEncodeError: a value is not valid Unicode; nothing was sent
        """
        unit = messages.unit(statement, make_params(WRITERS, values), describe=True)
        if self._opening is None:
            return self._continue_transaction(unit)
        if flight is None:
            raise NotSupportedError("on this connection a statement is sent as a flight")
        return self._fly(self._opening, flight, unit)

    def commit(self) -> None:
        """End an ordinary transaction, if one was begun."""
        self._end_transaction("COMMIT")

    def rollback(self) -> None:
        """Undo an ordinary transaction, if one was begun. Left open, it would cost the pooler its server connection."""
        self._end_transaction("ROLLBACK")

    def close(self) -> None:
        """Tell the server, and close the connection."""
        if self._wire is not None:
            with suppress(OSError, ValueError):  # the server may have closed it first
                self._wire.send(messages.TERMINATE, Deadline(GOODBYE_SECONDS))
        self._hang_up()

    def _fly(self, opening: Opening, flight: Flight, unit: bytes) -> Result:
        """Send a flight. Send it again, twice at most, if it did nothing for a reason that does not come from itself.

        - It was late only because the server's clock differs from ours: its answer has changed `clock_offset`.
        - It was cancelled (57014) within a second, as by a timeout that another client had left on the connection. Its
          own is as short only at the end of the request's time, when nothing more can be sent.

        A flight that writes may be sent again too: PostgreSQL has undone it.
        """
        check = flight.check
        behind = (messages.unit(check.guarded, make_params(WRITERS, check.parameters)) if check else b"") + unit
        first: Sequence[bytes] = ()
        for is_last in (False, False, True):
            offset, opened = self._memory.clock_offset, len(first) + opening.count(reads=flight.reads)
            outgoing = Outgoing(
                lambda ends_at, offset=offset, first=first: b"".join(  # type: ignore[misc]
                    (*first, opening.units(ends_at=ends_at + offset, reads=flight.reads), behind, messages.SYNC)
                ),
                self._answer_limit,
            )
            answers = self._exchange(outgoing, opened + bool(check) + 1, reads=flight.reads, ends=True)
            if sqlstate(answers.error) == QUERY_CANCELED and time.time() < outgoing.sent_at + 1 and not is_last:
                first = NO_TIMEOUT
                continue
            if len(answers.results) < opened:
                break  # the opening itself failed
            try:
                [[in_time, clock, settings]] = answers.results[opened - 1].rows
                if in_time == "t" and ISO_DATES not in settings:
                    raise ValueError("times would be read wrongly")
                self._memory.note_clock(float(clock), sent=outgoing.sent_at, received=time.time())
            except (TypeError, ValueError) as error:
                self._hang_up()
                raise ConnectionLost("network error: not the opening's answer", nothing_written=flight.reads) from error
            if in_time == "t":
                if check and len(answers.results) > opened and not answers.results[opened].rows:
                    raise CheckFailed
                break
            if self._memory.clock_offset == offset:
                raise Late("the flight arrived after its deadline")
        else:
            raise Late("the flight arrived after its deadline")
        if answers.error is not None:
            raise answers.error
        return answers.results[-1]

    def _continue_transaction(self, unit: bytes) -> Result:
        begin = messages.unit("begin") if self._status == IDLE else b""
        sent = begin + unit + messages.SYNC
        answers = self._exchange(Outgoing(lambda _: sent, self._answer_limit), 1 + bool(begin), reads=False, ends=False)
        if self._wire and not self._wire.parameters.get("DateStyle", "ISO").startswith("ISO"):  # PgBouncer says no more
            self._hang_up()
            raise ConnectionLost("the server uses another DateStyle", nothing_written=True)
        if answers.error is not None:
            raise answers.error
        return answers.results[-1]

    def _end_transaction(self, command: str) -> None:
        if self._status == IDLE:
            return
        outgoing = Outgoing(lambda _: messages.query(command), self._answer_limit)
        answers = self._exchange(outgoing, 0, reads=False, ends=True)
        if answers.error is not None:
            raise answers.error
        if answers.results[-1].tag != command:
            raise InterfaceError(f"PostgreSQL answered {command} with {answers.results[-1].tag}")

    def _exchange(self, outgoing: Outgoing, units: int, *, reads: bool, ends: bool) -> Answers:
        """Send a flight and read its answers. Whatever is not as it must be closes the connection.

        :param units: how many statements it has; 0 for a simple query
        :param ends: whether no transaction may be open behind it
        """
        if self._is_closed:
            raise ConnectionLost("the connection is closed", nothing_written=True)
        answers = Answers()
        try:
            wire = self._send(outgoing, reads=reads)
            if units:
                answers.read(wire, units, outgoing.deadline, readers=READERS, reads=reads)
            else:
                answers.read_command(wire, outgoing.deadline)
            self._status = answers.status
            if ends and self._status != IDLE:
                raise ProtocolViolated("a transaction is open that must be over")
        except BaseException as error:
            self._hang_up()
            if isinstance(error, ConnectFailed) or not isinstance(error, Exception):
                raise
            if answers.error is not None:
                raise answers.error from error  # the server's last words say more than the silence after them
            if isinstance(error, TimeoutError) and not outgoing.is_sent:
                raise OutOfTime(reason(error)) from error
            raise ConnectionLost(
                f"network error: {reason(error)}", nothing_written=reads or not outgoing.is_sent
            ) from error
        return answers

    def _send(self, outgoing: Outgoing, *, reads: bool) -> Wire:
        """Send a flight; with the login where there is none yet."""
        if self._wire is not None:
            if not self._wire.is_quiet:
                raise ProtocolViolated("the server has closed the connection")
            outgoing.leave(self._wire)
            return self._wire
        self._wire, has_sent_flight = login.log_in(self._url, outgoing if reads else None)
        if not has_sent_flight:
            outgoing.leave(self._wire)
        elif not self._wire.hears_within(login.SILENCE_SECONDS):
            # Ready, but silent: the flight may have been lost behind the login. It only reads, so it may leave again.
            self._wire.close()
            self._wire, _ = login.log_in(self._url)
            outgoing.leave(self._wire)
            if self._wire.hears_within(login.SILENCE_SECONDS):
                self._memory.let_flight_wait()
        return self._wire

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire, self._is_closed, self._status = None, True, IDLE
