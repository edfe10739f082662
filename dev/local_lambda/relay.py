"""Lets containers reach the embedded PostgreSQL, which itself listens on 127.0.0.1 only."""

import socket
import socketserver
import sys
import threading
from contextlib import suppress
from typing import Any, Self

IP_FREEBIND = 15
"""Linux's option (ip(7)) for listening on an address that does not exist yet. Python has no name for it.

podman makes its bridge when its first container starts.
"""
CHUNK_BYTES = 65_536


class Relay(socketserver.ThreadingTCPServer):
    """Listens on a free port of one address, and passes what arrives on to a port of 127.0.0.1, until `close()`.

    The password stays with PostgreSQL: each client has to log in there.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, target_port: int) -> None:
        self.target_port = target_port
        super().__init__((address, 0), _Connection)
        self.port = int(self.server_address[1])
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def server_bind(self) -> None:
        """Bind the address, also one that this machine will only have later."""
        if sys.platform == "linux":
            self.socket.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        super().server_bind()

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self.server_close()

    def __enter__(self) -> Self:
        return self


class _Connection(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.server.target_port)) as database:
            back = threading.Thread(target=_copy, args=(database, self.request), daemon=True)
            back.start()
            _copy(self.request, database)
            back.join()


def _copy(source: socket.socket, destination: socket.socket) -> None:
    """Pass bytes on until the sender ends, and then tell the receiver so."""
    with suppress(OSError):
        while data := source.recv(CHUNK_BYTES):
            destination.sendall(data)
    with suppress(OSError):
        destination.shutdown(socket.SHUT_WR)
