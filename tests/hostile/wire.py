"""HTTP requests as bytes, because no client library sends malformed ones."""

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.client import BadStatusLine, HTTPResponse
from io import BufferedReader
from typing import Self
from urllib.parse import urlsplit

from tests.hostile.contract_check import Answer

PATIENCE_SECONDS = 30
"""A longer wait is a hang, even on a slow machine."""

Header = tuple[bytes, bytes]


def message(method: bytes, target: bytes, headers: Iterable[Header] = (), body: bytes | None = None) -> bytes:
    """The bytes of a request, with a Content-Length if there is a body."""
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: todo.example", *(b"%b: %b" % pair for pair in headers)]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body or b""])


class Incoming(BufferedReader):
    """The server's bytes, for one `HTTPResponse` after another. Each of them would read ahead and close the buffer."""

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
        """Send pieces one by one. A server that has already answered may have closed the connection."""
        try:
            for piece in pieces:
                self.connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def finish(self) -> None:
        """Half-close the connection: send no more, and still receive."""
        self.connection.shutdown(socket.SHUT_WR)

    def answer(self, method: bytes = b"GET") -> Answer | None:
        """The next answer; None if the server closes the connection without one.

        :raises TimeoutError: the server does neither
        """
        response = HTTPResponse(self.incoming, method=method.decode("latin-1"))  # type: ignore[arg-type]  # not a whole socket
        try:
            response.begin()
            body = response.read()
        except (BadStatusLine, ConnectionResetError):  # the latter includes http.client's RemoteDisconnected
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
