"""A socket on which whole messages are sent and received, each within a deadline."""

import select
from socket import socket

from backend.postgres.deadline import Deadline
from backend.postgres.exceptions import ProtocolViolated
from backend.postgres.messages import INT32, NOTICE, NOTIFICATION, PARAMETER_STATUS, texts

CHUNK_BYTES = 1 << 16
NOTED_PARAMETERS = ("client_encoding", "DateStyle")
"""The parameters of a server that are read. Others are not kept: a server could send any number of them."""
REQUIRED_PARAMETERS = {"client_encoding": "UTF8"}
"""What a server that reports these must report: values are sent and read as UTF-8."""


class ServerClosed(Exception):
    """The server has closed the connection."""


class Wire:
    """The socket, plain or TLS, and what was received on it but not read yet."""

    def __init__(self, sock: socket) -> None:
        self.sock = sock
        self.parameters: dict[str, str] = {}
        self._received = bytearray()
        self._position = 0

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send all of it."""
        unsent = memoryview(data)
        while unsent:
            self.sock.settimeout(deadline.left())
            unsent = unsent[self.sock.send(unsent) :]

    def read(self, deadline: Deadline, max_bytes: int | None = None) -> tuple[bytes, bytes]:
        """The next message: its kind and its body. Messages that may come at any time are handled here.

        :param max_bytes: the longest message that is received; None: any
        :raises ProtocolViolated: a message is longer
        :raises ServerClosed: there is none any more
        :raises TimeoutError: it did not arrive in time, however little is missing
        """
        while True:
            kind, body = self._next(deadline, max_bytes)
            if kind == PARAMETER_STATUS:
                self._note_parameter(body)
            elif kind not in (NOTICE, NOTIFICATION):
                return kind, body

    def hears_within(self, seconds: float) -> bool:
        """Whether something arrives within this time.

        :raises ServerClosed: the server hangs up instead
        """
        try:
            if not self.has_unread:
                self._receive(Deadline(seconds))
        except TimeoutError:
            return False
        return True

    @property
    def has_unread(self) -> bool:
        """Whether something was received that is not read yet."""
        pending = getattr(self.sock, "pending", None)  # an SSLSocket's own buffer
        return self._position < len(self._received) or bool(pending and pending())

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has arrived. Unsolicited data means that the server is closing the connection."""
        if self.has_unread:
            return False
        poll = select.poll()  # select.select refuses a process with many open files
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Close the socket, without waiting for anything. What was received is forgotten."""
        self.sock.close()
        self._received, self._position = bytearray(), 0

    def _next(self, deadline: Deadline, max_bytes: int | None) -> tuple[bytes, bytes]:
        while True:
            start = self._position
            if len(self._received) - start >= 5:
                [length] = INT32.unpack_from(self._received, start + 1)
                if length < 4:
                    raise ProtocolViolated("a message shorter than its length")
                if max_bytes is not None and length > max_bytes:
                    raise ProtocolViolated(f"a message of more than {max_bytes} bytes")
                end = start + 1 + length
                if end <= len(self._received):
                    self._position = end
                    return bytes(self._received[start : start + 1]), bytes(self._received[start + 5 : end])
            self._receive(deadline)

    def _receive(self, deadline: Deadline) -> None:
        self.sock.settimeout(deadline.left())
        chunk = self.sock.recv(CHUNK_BYTES)
        if not chunk:
            raise ServerClosed
        del self._received[: self._position]  # a server that never stops must not fill the memory
        self._position = 0
        self._received += chunk

    def _note_parameter(self, body: bytes) -> None:
        name, value, *_ = [*texts(body), "", ""]
        if name in NOTED_PARAMETERS:
            self.parameters[name] = value
        if value != REQUIRED_PARAMETERS.get(name, value):
            raise ProtocolViolated(f"the server uses another {name}")
