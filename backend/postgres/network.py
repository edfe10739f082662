"""Reaching the server, and what it is called when that fails or ends."""

import socket
import time

from pg8000.exceptions import InterfaceError

from backend.postgres.url import DatabaseUrl


class ConnectFailed(InterfaceError):  # type: ignore[misc]  # pg8000 has no types
    """No connection came about, and nothing was sent on it. `__cause__` is what the network said."""


class ServerNotTrusted(ConnectFailed):
    """A server answered, but did not prove that it is the one in the URL."""


class ConnectionLost(InterfaceError):  # type: ignore[misc]
    """The connection ended, or fell silent, in the middle of its work."""


class OutOfTime(ConnectionLost):
    """The request's time was used up before this could be sent; what the transaction did so far is undone."""


def open_socket(url: DatabaseUrl, timeout_seconds: float) -> socket.socket:
    """A connected socket, its timeout set for the handshake that follows.

    :raises ConnectFailed: no address answered in time
    """
    try:
        if url.socket is not None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(timeout_seconds)
            try:
                sock.connect(url.socket)
            except OSError:
                sock.close()
                raise
            return sock
        sock = _first_answering(url.host, url.port, time.monotonic() + timeout_seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return sock
    except (OSError, UnicodeError) as error:  # UnicodeError: no host can have that name
        raise ConnectFailed(f"no connection: {reason(error)}") from error


def _first_answering(host: str, port: int, deadline: float) -> socket.socket:
    """Try the host's addresses in turn; the time for all of them together ends at the deadline."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = TimeoutError("timed out")
    for position, (family, kind, protocol, _, address) in enumerate(addresses):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(left / (len(addresses) - position))
            sock.connect(address)
            sock.settimeout(max(deadline - time.monotonic(), 0.1))
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure


def reason(error: BaseException) -> str:
    """What happened, in words that name neither host nor user."""
    if type(error) is InterfaceError:  # pg8000's own sentences, such as "Server refuses SSL"
        return str(error)
    return getattr(error, "strerror", None) or type(error).__name__
