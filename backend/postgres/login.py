"""Connects and logs in. Over TLS, a message does not wait for an answer that it does not need (drawn in `__init__.py`).

A flight that writes waits for ReadyForQuery, and so for the server's proof that it knows the password. A flight that
only reads leaves before that proof, but its answer is read after it. Over TLS the driver answers only SCRAM, so no
server is ever told the password. Without TLS (this machine only) each message waits for the answer to the one before,
and the server may ask for nothing, the password, its MD5 hash or SCRAM, as with libpq.
"""

import hashlib
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from backend.postgres import memory, messages, network
from backend.postgres.channel_binding import tls_server_end_point
from backend.postgres.deadline import Deadline, remaining
from backend.postgres.exceptions import ConnectFailed, LoginRefused, ProtocolViolated, ServerNotTrusted, reason
from backend.postgres.messages import INT32
from backend.postgres.scram import PLAIN, PLUS, NotProven, Scram
from backend.postgres.sqlstates import PASSING_AT_LOGIN, PROTOCOL_VIOLATION
from backend.postgres.url import DatabaseUrl
from backend.postgres.wire import ServerClosed, Wire

CONNECT_TIMEOUT_SECONDS = 5.0
WAKE_PAUSE_SECONDS = 0.25
"""How long to wait before the second try to connect: a sleeping compute needs about as much to wake."""
SILENCE_SECONDS = 1.5
"""How long to wait for the answer to a pipelined message. After that, the driver assumes that the server lost it."""
MESSAGE_MAX_BYTES = 1 << 16
"""Far more than a login needs. A server that has not proven itself must not fill the memory."""

Flight = Callable[[], bytes]
"""Makes the bytes of a flight when it is about to leave."""


class _TryAgain(Exception):
    """This attempt has failed, but a second one may succeed: without pipelining, and maybe with the other mechanism.

    :param cause: raised if there is no second attempt; `remember` is called if there is one and it succeeds
    """

    def __init__(
        self, cause: ConnectFailed, *, pause: bool = False, remember: Callable[[], None] | None = None
    ) -> None:
        self.cause, self.pause, self.remember = cause, pause, remember


class LoggedIn(NamedTuple):
    """A connection after its login, and whether the login has already sent the flight."""

    wire: Wire
    has_sent_flight: bool


def log_in(url: DatabaseUrl, riding: Flight | None = None) -> LoggedIn:
    """Connect and log in, and try once more where that helps.

    :param riding: a flight that only reads; it leaves with the login where the server takes it
    :raises ConnectFailed: there is no connection, and nothing was run
    """
    try:
        return _attempt(url, riding, pipelined=True)
    except _TryAgain as first:
        if not _has_time_for_another():
            raise first.cause from first.cause.__cause__
        if first.pause:
            time.sleep(WAKE_PAUSE_SECONDS)
        try:
            logged_in = _attempt(url, None, pipelined=False)
        except _TryAgain as second:
            raise second.cause from second.cause.__cause__
        if first.remember:
            first.remember()
        return logged_in


def _has_time_for_another() -> bool:
    with suppress(TimeoutError):
        return remaining(CONNECT_TIMEOUT_SECONDS) >= CONNECT_TIMEOUT_SECONDS
    return False


def _attempt(url: DatabaseUrl, riding: Flight | None, *, pipelined: bool) -> LoggedIn:
    attempt = _Attempt(url)
    try:
        attempt.connect()
        return attempt.log_in(riding, pipelined=pipelined)
    except Exception as error:
        attempt.hang_up()
        explained = attempt.explained(error)
        if explained is error:
            raise
        raise explained from error
    except BaseException:  # KeyboardInterrupt
        attempt.hang_up()
        raise


class _Attempt:
    """One connection, from the first packet to ReadyForQuery."""

    wire: Wire
    deadline: Deadline

    def __init__(self, url: DatabaseUrl) -> None:
        self.url, self.memory = url, memory.of(url)
        self._has_heard = False

    def connect(self) -> None:
        """TCP and TLS, or a unix socket."""
        self.deadline = Deadline(CONNECT_TIMEOUT_SECONDS)
        self.wire = Wire(network.connect(self.url, self.deadline))

    def hang_up(self) -> None:
        """Close what is open."""
        if hasattr(self, "wire"):
            self.wire.close()

    def log_in(self, riding: Flight | None, *, pipelined: bool) -> LoggedIn:
        """Log in, from StartupMessage to ReadyForQuery.

        :param riding: a flight that only reads, to send together with SASLResponse; it is not sent where that is not
            allowed
        :param pipelined: send messages without waiting for the answers to earlier ones. It has no effect without TLS,
            if the URL forbids it, or if this server is remembered not to answer such messages
        """
        pipelined = pipelined and self.url.tls and self.url.pipeline and self.memory.initial_response_may_ride
        if not (pipelined and self.memory.flight_may_ride):
            riding = None
        scram = Scram(self.url.password or "", self._binding()) if self.url.tls else None
        initial = messages.sasl_initial_response(scram.mechanism, scram.client_first) if scram and pipelined else b""
        self.wire.send(messages.startup(self._parameters()) + initial, self.deadline)
        code, body = self._authentication()
        if code == messages.SASL:
            scram = self._chosen(scram, messages.texts(body))
            self._prove(scram, riding, is_sent=pipelined)
        elif self.url.tls:
            raise ServerNotTrusted("the server does not ask for SCRAM, and would be told the password or prove nothing")
        else:
            self._answer_in_the_open(code, body)
        self._wait_until_ready()
        if riding is None and self.wire.has_unread:
            raise ProtocolViolated("bytes behind ReadyForQuery")
        return LoggedIn(self.wire, riding is not None)

    def explained(self, error: BaseException) -> BaseException:
        """The error as callers know it."""
        if isinstance(error, LoginRefused):
            state = error.args[0]["C"]
            is_passing = state in PASSING_AT_LOGIN or (state == PROTOCOL_VIOLATION and not self._has_heard)
            return _TryAgain(error, pause=True) if is_passing else error
        if isinstance(error, _TryAgain | ServerNotTrusted) or not isinstance(error, Exception):
            return error
        if isinstance(error, NotProven):
            return ServerNotTrusted("the server does not prove that it knows the password")
        if isinstance(error, ssl.SSLCertVerificationError):
            return ServerNotTrusted(f"no connection: {reason(error)}")
        if isinstance(error, ConnectFailed):
            return _TryAgain(error, pause=True)
        failed = ConnectFailed(f"no connection: {reason(error)}")
        failed.__cause__ = error
        return _TryAgain(failed, pause=True)

    def _parameters(self) -> dict[str, str]:
        named = {"user": self.url.user, "database": self.url.database, "client_encoding": "UTF8", "DateStyle": "ISO"}
        return named | ({"application_name": self.url.application_name} if self.url.application_name else {})

    def _binding(self) -> bytes | None:
        """What the login is bound to. None for SCRAM-SHA-256, which binds to nothing."""
        if not self.url.channel_binding_required and self.memory.mechanism != PLUS:
            return None
        assert isinstance(self.wire.sock, ssl.SSLSocket)
        binding = tls_server_end_point(self.wire.sock.getpeercert(binary_form=True) or b"")
        if binding is None:
            raise ServerNotTrusted("channel_binding=require, but the certificate's signature has no hash to bind to")
        return binding

    def _chosen(self, scram: Scram | None, offered: list[str]) -> Scram:
        """The login with a mechanism that the server offers."""
        if scram is None:
            scram = Scram(self.url.password or "")
        if scram.mechanism in offered:
            return scram
        other = PLUS if scram.mechanism == PLAIN else PLAIN
        may_change = self.url.tls and not (self.url.channel_binding_required or self.url.channel_binding_disabled)
        if not may_change or other not in offered:
            raise ServerNotTrusted(f"the server does not offer {scram.mechanism}")
        self.memory.mechanism = other
        raise _TryAgain(ConnectFailed(f"the server does not offer {scram.mechanism}"))

    def _prove(self, scram: Scram, riding: Flight | None, *, is_sent: bool) -> None:
        """From the choice of the mechanism to the server's proof."""
        if is_sent:
            self._expect_an_answer_to_what_rode()
        else:
            self.wire.send(messages.sasl_initial_response(scram.mechanism, scram.client_first), self.deadline)
        final = scram.client_final(self._authentication(messages.SASL_CONTINUE)[1])
        self.wire.send(messages.password(final) + (riding() if riding else b""), self.deadline)
        scram.check(self._authentication(messages.SASL_FINAL)[1])
        self._authentication(messages.OK)

    def _expect_an_answer_to_what_rode(self) -> None:
        with suppress(ServerClosed, ConnectionError):
            if self.wire.hears_within(min(SILENCE_SECONDS, self.deadline.left())):
                return
        cause = ConnectFailed("no connection: the server did not see what came with StartupMessage")
        raise _TryAgain(cause, remember=self.memory.let_initial_response_wait)

    def _answer_in_the_open(self, code: int, body: bytes) -> None:
        """Without TLS, on this machine: trust and peer ask for nothing, passwords are sent as they are asked for."""
        password = (self.url.password or "").encode()
        if code == messages.OK:
            return
        if code == messages.MD5_PASSWORD:
            stored = hashlib.md5(password + self.url.user.encode(), usedforsecurity=False).hexdigest()
            password = b"md5" + hashlib.md5(stored.encode() + body, usedforsecurity=False).hexdigest().encode()
        elif code != messages.CLEARTEXT_PASSWORD:
            raise ServerNotTrusted(f"the server asks for an authentication that is not supported ({code})")
        self.wire.send(messages.password(password + b"\0"), self.deadline)
        self._authentication(messages.OK)

    def _authentication(self, expected: int | None = None) -> tuple[int, bytes]:
        """The next Authentication message: its code and what follows.

        :param expected: the only code that is accepted; None accepts every code
        :raises ServerNotTrusted: the message has another code
        :raises ProtocolViolated: the server sent another message
        :raises LoginRefused: the server sent an error
        """
        kind, body = self._message()
        self._has_heard = self._has_heard or kind == messages.AUTHENTICATION
        if kind != messages.AUTHENTICATION or len(body) < INT32.size:
            raise ProtocolViolated("the server does not speak PostgreSQL's protocol")
        [code] = INT32.unpack_from(body)
        if expected not in (None, code):
            raise ServerNotTrusted("the server does not prove that it knows the password")
        return code, body[INT32.size :]

    def _wait_until_ready(self) -> None:
        while (found := self._message())[0] != messages.READY:
            if found[0] != messages.BACKEND_KEY:
                raise ProtocolViolated("unexpected message before ReadyForQuery")
        if found[1] != b"I":
            raise ProtocolViolated("a new connection inside a transaction")

    def _message(self) -> tuple[bytes, bytes]:
        kind, body = self.wire.read(self.deadline, MESSAGE_MAX_BYTES)
        if kind == messages.ERROR:
            raise LoginRefused(messages.fields(body))
        return kind, body
