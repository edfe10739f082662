"""HTTP by hand, because no client library sends what it knows to be wrong."""

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.client import BadStatusLine, HTTPResponse
from io import BufferedReader
from typing import Self
from urllib.parse import urlsplit

from tests.hostile.judge import Answer

PATIENCE_SECONDS = 30
"""No answer takes as long, however slow the machine: longer is a hang."""

Header = tuple[bytes, bytes]


def message(method: bytes, target: bytes, headers: Iterable[Header] = (), body: bytes | None = None) -> bytes:
    """A request as it goes over the wire; its length is told unless there is no body."""
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: todo.example", *(b"%b: %b" % pair for pair in headers)]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body or b""])


class Incoming(BufferedReader):
    """What the server sends, for one `HTTPResponse` after another: each would read ahead, and close it when done."""

    def makefile(self, _: str) -> Self:
        return self

    def close(self) -> None:
        pass


class Wire:
    """One connection to a server."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.incoming = Incoming(socket.SocketIO(connection, "r"))

    def send(self, *pieces: bytes) -> None:
        """Send pieces one by one. A server that has answered already may have stopped listening."""
        try:
            for piece in pieces:
                self.connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def finish(self) -> None:
        """Say that nothing more will come, and go on listening."""
        self.connection.shutdown(socket.SHUT_WR)

    def answer(self, method: bytes = b"GET") -> Answer | None:
        """The next answer; None when the server hangs up without one.

        :raises TimeoutError: it does neither
        """
        response = HTTPResponse(self.incoming, method=method.decode("latin-1"))  # type: ignore[arg-type]  # a socket's part
        try:
            response.begin()
            body = response.read()
        except (BadStatusLine, ConnectionResetError):  # of the latter kind is http.client's RemoteDisconnected, too
            return None
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


@contextmanager
def connected(url: str) -> Iterator[Wire]:
    """A connection to the server at this URL."""
    address = urlsplit(url)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 80), timeout=PATIENCE_SECONDS) as connection:
        yield Wire(connection)


def ask(url: str, request: bytes | Sequence[bytes], method: bytes = b"GET") -> Answer | None:
    """The answer to one request on a connection of its own, sent in one piece or in several."""
    with connected(url) as wire:
        wire.send(*([request] if isinstance(request, bytes) else request))
        return wire.answer(method)
