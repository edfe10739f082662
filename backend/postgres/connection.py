"""A pg8000 connection that needs one network round trip for a statement.

Stock pg8000 sends Parse, Describe and Bind/Execute each with a Sync of its own, and BEGIN before them: four round
trips, between which a transaction pooler may hand the connection's server to somebody else. Here one flight carries all
of it:

    client                                                                                server
      | Parse Bind Execute "BEGIN", Parse Bind Execute "SET LOCAL ROLE …"   (first flight of
      | Parse Bind Describe Execute  the statement                           a transaction)
      | Sync  ----------------------------------------------------------------------------> |
      | <--------------------  ParseComplete BindComplete CommandComplete, for BEGIN and SET |
      |      ParseComplete BindComplete RowDescription DataRow… CommandComplete ReadyForQuery|
      |                                                                                      |
      | Query "COMMIT"  ------------------------------------------------------------------>  |
      | <----------------------------------------------------  CommandComplete ReadyForQuery |

ReadyForQuery tells whether a transaction is open, and that alone decides whether BEGIN rides along and whether COMMIT
is sent. There is only one way for a statement to leave, with or without parameters: what rides along cannot be
forgotten.

This leans on pg8000's internals, so its version is pinned, and `PG8000_VERSION` is compared in the tests.
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
"""

import select
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from socket import socket
from typing import Any

from pg8000 import legacy
from pg8000.converters import make_params
from pg8000.core import (
    BIND,
    DESCRIBE,
    EXECUTE_MSG,
    IDLE,
    NULL_BYTE,
    PARSE,
    PORTAL,
    QUERY,
    SYNC_MSG,
    TERMINATE_MSG,
    Context,
    H_pack,
    _create_message,
    _flush,
    _write,
    i_pack,
)
from pg8000.exceptions import Error, InterfaceError
from pg8000.legacy import NotSupportedError

from backend.postgres import deadline
from backend.postgres.network import ConnectFailed, ConnectionLost, OutOfTime, ServerNotTrusted, open_socket, reason
from backend.postgres.sqlstates import TRANSIENT_AT_CONNECT, sqlstate
from backend.postgres.url import DatabaseUrl

PG8000_VERSION = "1.31.6"
CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 10.0
WAKE_PAUSE_SECONDS = 0.25
"""How long to wait before the second try to connect: a sleeping compute needs about as much to wake."""

TIMESTAMPTZ_OID = 1184
DESCRIBE_PORTAL_MSG = _create_message(DESCRIBE, PORTAL + NULL_BYTE)


class Cursor(legacy.Cursor):  # type: ignore[misc]
    """A DB-API cursor whose statements go one way, with `$1` for parameters."""

    def execute(self, operation: str, args: Sequence[Any] = (), stream: object = None) -> "Cursor":
        """Send one statement and keep its rows."""
        if stream is not None:
            raise NotSupportedError("COPY is not supported")
        if self._c is None:
            raise InterfaceError("Cursor closed")
        self._context = self._c.execute_unnamed(operation, args)
        self._row_iter = iter(self._context.rows or ())
        return self


class Connection(legacy.Connection):  # type: ignore[misc]
    """A connection to PostgreSQL, direct or through a transaction pooler, whose statements take one round trip.

    :param role: what every transaction starts as; it rides with BEGIN, so it costs nothing and outlives nothing
    :raises ConnectFailed: no connection came about
    :raises pg8000.exceptions.DatabaseError: the server refused it
    """

    _sock: Any
    _usock: Any

    def __init__(self, url: DatabaseUrl, *, role: str | None = None) -> None:
        self._opening = _unit("BEGIN") + (_unit(f'SET LOCAL ROLE "{role}"') if role else b"")
        self._has_role = role is not None
        sock = _reach(url)
        try:
            super().__init__(
                url.user,
                host=url.host,
                database=url.database,
                password=url.password or "",
                application_name=url.application_name,
                startup_params={"client_encoding": "UTF8"},  # what statements and values are sent in
                ssl_context=url.tls_context() or False,
                sock=sock,
            )
            self._require_channel_binding(url)
        except Exception as error:  # pg8000 lets OSError, ssl.SSLError and struct.error through as they come
            if getattr(self, "_sock", None) is not None:
                self._hang_up()
            sock.close()
            if sqlstate(error) is not None or isinstance(error, ConnectFailed):  # the server is there, and says no
                raise
            kind = ServerNotTrusted if isinstance(error, ssl.SSLCertVerificationError) else ConnectFailed
            raise kind(f"no connection: {reason(error)}") from error
        # pg8000's own adapter takes ten times longer, with strptime.
        self.register_in_adapter(TIMESTAMPTZ_OID, datetime.fromisoformat)

    @classmethod
    def open(cls, url: DatabaseUrl, *, role: str | None = None) -> "Connection":
        """Connect, and try once more when the server seems to be waking up; nothing has been sent by then."""
        try:
            return cls(url, role=role)
        except Error as error:
            if not _is_transient(error) or deadline.remaining(CONNECT_TIMEOUT_SECONDS) < CONNECT_TIMEOUT_SECONDS:
                raise
            time.sleep(WAKE_PAUSE_SECONDS)
            return cls(url, role=role)

    @property
    def is_quiet(self) -> bool:
        """Whether an idle connection is as it should be. A server that speaks unasked is saying goodbye."""
        if self._usock is None:
            return False
        poll = select.poll()  # select.select refuses a process with many open files
        poll.register(self._usock, select.POLLIN)
        return not poll.poll(0)

    def cursor(self) -> Cursor:
        """A cursor on this connection (PEP 249)."""
        return Cursor(self)

    def execute_unnamed(
        self, statement: str, vals: Sequence[Any] = (), oids: Sequence[int] = (), stream: object = None
    ) -> Context:
        """Run one statement in one round trip, opening a transaction first where none is open.

        :param vals: the values of `$1`, `$2`, …
        :raises UnicodeEncodeError: a value is not valid Unicode; nothing was sent
        """
        messages = _unit(statement, make_params(self.py_types, vals), describe=True)
        if not self._in_transaction:
            if not self.autocommit:
                messages = self._opening + messages
            elif self._has_role:
                raise NotSupportedError("autocommit would run outside the starting role")
        return self._round_trip(messages + SYNC_MSG, Context(statement))

    def execute_simple(self, statement: str) -> Context:
        """The way pg8000 sends a statement without parameters; here it is the same way as any other."""
        return self.execute_unnamed(statement)

    def prepare_statement(self, statement: str, oids: object = None) -> None:
        """Prepared statements live in a server connection that a transaction pooler gives to somebody else."""
        raise NotSupportedError("prepared statements do not work behind a transaction pooler")

    def commit(self) -> None:
        """End the transaction, if one was begun."""
        self._end("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, if one was begun. Left open, it would cost the pooler its server connection."""
        self._end("ROLLBACK")

    def close(self) -> None:
        """Say goodbye and hang up, unless the connection has ended already."""
        if self._usock is None:
            return
        with suppress(OSError, ValueError, InterfaceError):  # the server may have hung up first
            _write(self._sock, TERMINATE_MSG)
            _flush(self._sock)
        self._hang_up()

    def _end(self, command: str) -> None:
        if self._in_transaction:
            query = _create_message(QUERY, command.encode() + NULL_BYTE)
            self._round_trip(query, Context(command))

    def _round_trip(self, messages: bytes, context: Context) -> Context:
        if self._usock is None:
            raise ConnectionLost("connection is closed")
        try:
            self._usock.settimeout(deadline.remaining(READ_TIMEOUT_SECONDS))
        except TimeoutError as error:
            self._hang_up()
            raise OutOfTime(str(error)) from error
        try:
            _write(self._sock, messages)
            _flush(self._sock)
            self.handle_messages(context)
        except BaseException as error:
            if error is context.error:  # the server's answer; the connection is fine
                raise
            self._hang_up()  # what is still under way belongs to nobody now
            if context.error is not None:
                raise context.error from error  # its last words, such as 57P01, say more than the silence after them
            if not isinstance(error, Exception):
                raise
            raise ConnectionLost(f"network error: {reason(error)}") from error
        return context

    def _hang_up(self) -> None:
        self._transaction_status = IDLE
        self._usock.settimeout(0)  # closing flushes what could not be sent, and must not wait for that once more
        for end in (self._sock, self._usock):
            with suppress(OSError, ValueError):
                end.close()
        self._sock = self._usock = None

    def _require_channel_binding(self, url: DatabaseUrl) -> None:
        """Refuse a login that was not bound to the TLS channel; pg8000 binds when offered, but cannot insist."""
        if not url.channel_binding_required:
            return
        mechanism = getattr(getattr(self, "auth", None), "mechanism_name", None)
        if mechanism != "SCRAM-SHA-256-PLUS":
            self.close()
            raise ServerNotTrusted("the server does not offer channel binding, which the URL requires")


def _unit(statement: str, params: Sequence[str | None] = (), *, describe: bool = False) -> bytes:
    """Parse, Bind and Execute of one unnamed statement; without Describe its rows, if any, cannot be read."""
    parse = NULL_BYTE + statement.encode() + NULL_BYTE + H_pack(0)
    bind = bytearray(NULL_BYTE + NULL_BYTE + H_pack(0) + H_pack(len(params)))
    for param in params:
        if param is None:
            bind += i_pack(-1)
        else:
            value = param.encode()
            bind += i_pack(len(value)) + value
    bind += H_pack(0)
    portal = DESCRIBE_PORTAL_MSG if describe else b""
    return bytes(_create_message(PARSE, parse) + _create_message(BIND, bytes(bind)) + portal + EXECUTE_MSG)


def _reach(url: DatabaseUrl) -> socket:
    try:
        return open_socket(url, deadline.remaining(CONNECT_TIMEOUT_SECONDS))
    except TimeoutError as error:
        raise ConnectFailed(str(error)) from error


def _is_transient(error: Exception) -> bool:
    if isinstance(error, ConnectFailed):
        return not isinstance(error, ServerNotTrusted)
    return sqlstate(error) in TRANSIENT_AT_CONNECT
