"""Reaching the server: name, TCP or unix socket, TLS, all of it within one deadline."""

import ipaddress
import queue
import socket
import ssl
import threading
import time
from typing import Any

from backend.postgres.deadline import Deadline
from backend.postgres.exceptions import ConnectFailed, ServerNotTrusted
from backend.postgres.messages import SSL_REQUEST
from backend.postgres.url import ALPN, DatabaseUrl

ADDRESSES_KEPT_SECONDS = 10.0
"""Within this time a host's addresses are not looked up again, unless none of them answers."""

Address = tuple[Any, Any, int, str, Any]
"""What `socket.getaddrinfo` gives."""

_known: dict[tuple[str, int], tuple[float, list[Address]]] = {}


def connect(url: DatabaseUrl, deadline: Deadline) -> socket.socket:
    """A connected socket; an `ssl.SSLSocket` whose certificate was verified, if the URL wants TLS.

    :raises ConnectFailed: the server closed the connection at SSLRequest, or gave an answer that PostgreSQL does not
    :raises ServerNotTrusted: the server has no TLS, or did not agree to PostgreSQL's protocol in direct TLS (ALPN)
    :raises ssl.SSLCertVerificationError: its certificate is not trusted, or is not one of the URL's host
    :raises OSError, TimeoutError: the network failed, or was too slow
    """
    if url.socket is not None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        return _connected(sock, url.socket, deadline.left())
    sock = _first_answering(url.host, url.port, deadline)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return _secured(sock, url, deadline) if url.tls else sock
    except BaseException:
        sock.close()
        raise


def _secured(sock: socket.socket, url: DatabaseUrl, deadline: Deadline) -> ssl.SSLSocket:
    if not url.direct_tls:
        sock.settimeout(deadline.left())
        sock.sendall(SSL_REQUEST)
        answer = sock.recv(1)
        if answer == b"N":
            raise ServerNotTrusted("the server has no TLS")
        if answer != b"S":
            raise ConnectFailed("no connection: the server closes it, or does not speak PostgreSQL's protocol")
    context = url.tls_context()
    assert context is not None
    sock.settimeout(deadline.left())  # OpenSSL's handshake ends within it, however many messages it takes
    secured = context.wrap_socket(sock, server_hostname=url.host)
    if url.direct_tls and secured.selected_alpn_protocol() != ALPN:
        secured.close()
        raise ServerNotTrusted("with sslnegotiation=direct the server must agree to speak PostgreSQL's protocol (ALPN)")
    return secured


def _first_answering(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Try the host's addresses in turn, each for its share of the time that is left."""
    addresses = _addresses(host, port, deadline)
    failure: OSError = TimeoutError("timed out")
    for position, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            return _connected(
                socket.socket(family, kind, protocol), address, deadline.left() / (len(addresses) - position)
            )
        except OSError as error:
            failure = error
    _known.pop((host, port), None)
    raise failure


def _connected(sock: socket.socket, address: Any, seconds: float) -> socket.socket:
    try:
        sock.settimeout(seconds)
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def _addresses(host: str, port: int, deadline: Deadline) -> list[Address]:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return _looked_up(host, port, deadline)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    return [(family, socket.SOCK_STREAM, 0, "", (host, port))]


def _looked_up(host: str, port: int, deadline: Deadline) -> list[Address]:
    """The addresses of a name. The system's resolver knows no deadline, so it is asked in a thread of its own."""
    known_at, addresses = _known.get((host, port), (0.0, []))
    if addresses and time.monotonic() < known_at + ADDRESSES_KEPT_SECONDS:
        return addresses
    answers: queue.SimpleQueue[list[Address] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:  # UnicodeError: no host can have that name
            answers.put(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.left())
    except queue.Empty:
        raise TimeoutError("the name server does not answer") from None
    if isinstance(answer, Exception):
        raise answer
    _known[host, port] = time.monotonic(), answer
    return answer
