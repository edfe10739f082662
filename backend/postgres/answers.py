"""Reads the answers to a flight: exactly the messages that the flight expects, in their order, and nothing more.

For each Parse, Bind, Execute: ParseComplete, BindComplete, rows, CommandComplete; with Describe RowDescription or
NoData in front of the rows. Then ReadyForQuery. An error takes the place of the first message it prevents; PostgreSQL
skips everything up to Sync, so only ReadyForQuery comes after it. Anything else is a violation, and the connection is
closed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.postgres import messages, poolers
from backend.postgres.cursor import Result, Row
from backend.postgres.deadline import Deadline
from backend.postgres.exceptions import ProtocolViolated, ServerError
from backend.postgres.sqlstates import CONNECTION_EXCEPTION
from backend.postgres.wire import Wire

Readers = Mapping[int, Callable[[str], Any]]


class _Refused(Exception):
    """An ErrorResponse, with its fields."""


@dataclass
class Answers:
    """What came so far, also when reading ends with an exception.

    :ivar results: of the statements that have completed, in their order
    :ivar error: the server's, if it sent one
    :ivar status: the transaction's, from ReadyForQuery
    """

    results: list[Result] = field(default_factory=list)
    error: ServerError | None = None
    status: bytes = b""

    def read(self, wire: Wire, count: int, deadline: Deadline, *, readers: Readers, reads: bool) -> None:
        """Read the answers to `count` statements, of which the last one was described.

        :param readers: make a value of its text, by the OID of its type
        :param reads: the flight only reads
        """
        try:
            while len(self.results) < count:
                is_described = len(self.results) == count - 1
                self.results.append(_read_result(wire, deadline, is_described, readers))
        except _Refused as refused:
            self.error = self._error(refused.args[0], count, reads=reads)
        self._read_ready(wire, count, deadline, reads=reads)

    def read_command(self, wire: Wire, deadline: Deadline) -> None:
        """Read the answer to a simple query without rows, such as COMMIT."""
        try:
            self.results.append(Result(tag=_tag(_expect(wire, deadline, messages.COMMAND_COMPLETE)[1])))
        except _Refused as refused:
            self.error = self._error(refused.args[0], 1, reads=False)
        self._read_ready(wire, 1, deadline, reads=False)

    def _read_ready(self, wire: Wire, count: int, deadline: Deadline, *, reads: bool) -> None:
        while True:
            kind, body = wire.read(deadline)
            if kind == messages.READY and body in (b"I", b"T", b"E"):
                break
            if kind != messages.ERROR or self.error is not None:
                raise ProtocolViolated("unexpected message in place of ReadyForQuery")
            self.error = self._error(messages.fields(body), count, reads=reads)  # what Sync could not commit
        if wire.has_unread:
            raise ProtocolViolated("bytes behind ReadyForQuery")
        self.status = body

    def _error(self, fields: dict[str, str], count: int, *, reads: bool) -> ServerError:
        """The error, and whether it is certain that nothing was written. Any one of these makes it certain:

        - The flight only reads.
        - The severity is ERROR: PostgreSQL has undone the flight, and keeps the connection.
        - The severity is another one, so the connection ends, but the flight's last statement had not completed. This
          does not count for an error of class 08: a pooler sends it when it has lost its connection to PostgreSQL, and
          cannot know what PostgreSQL did.
        - PgBouncer says that it has not given the flight to PostgreSQL.
        """
        is_over = len(self.results) == count
        is_undone = fields.get("V", fields.get("S")) == "ERROR"
        is_before_commit = not is_over and not fields["C"].startswith(CONNECTION_EXCEPTION)
        was_never_sent = poolers.was_never_sent(fields["C"], fields["M"])
        return ServerError(
            fields,
            nothing_written=reads or is_undone or is_before_commit or was_never_sent,
            before_statement=len(self.results) < count - 1,
        )


def _read_result(wire: Wire, deadline: Deadline, is_described: bool, readers: Readers) -> Result:
    _expect(wire, deadline, messages.PARSE_COMPLETE)
    _expect(wire, deadline, messages.BIND_COMPLETE)
    result, convert = Result(), None
    if is_described:
        kind, body = _expect(wire, deadline, messages.ROW_DESCRIPTION, messages.NO_DATA)
        result.columns = messages.columns(body) if kind == messages.ROW_DESCRIPTION else None
        convert = [readers.get(oid) for _, oid in result.columns or ()]
    while True:
        kind, body = _expect(wire, deadline, messages.DATA_ROW, messages.COMMAND_COMPLETE, messages.EMPTY_QUERY)
        if kind != messages.DATA_ROW:
            result.tag = _tag(body)
            return result
        result.rows.append(_row(body, convert))


def _tag(body: bytes) -> str:
    return messages.texts(body)[0] if body else ""


def _row(body: bytes, convert: list[Callable[[str], Any] | None] | None) -> Row:
    texts = list(messages.values(body))
    if convert is None:
        return texts
    if len(texts) != len(convert):
        raise ProtocolViolated("a row with more or fewer values than columns")
    return [text if text is None or read is None else read(text) for text, read in zip(texts, convert, strict=True)]


def _expect(wire: Wire, deadline: Deadline, *kinds: bytes) -> tuple[bytes, bytes]:
    kind, body = wire.read(deadline)
    if kind == messages.ERROR:
        raise _Refused(messages.fields(body))
    if kind not in kinds:
        raise ProtocolViolated("unexpected message in an answer")
    return kind, body
