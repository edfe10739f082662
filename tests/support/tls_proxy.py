"""A proxy that ends the client's TLS with a certificate of its own, and speaks TLS to PostgreSQL again."""

import select
import socket
import ssl
import threading
from collections.abc import Sequence
from typing import Self

from backend.postgres.messages import SSL_REQUEST
from backend.postgres.url import ALPN
from tests.support.tls_postgres import Certificate

WAIT_SECONDS = 30
CHUNK_BYTES = 1 << 16


class TlsProxy:
    """Listens on a port of this machine, until it is closed. It takes TLS both directly and after an SSLRequest.

    :param port: of a PostgreSQL 17 or newer on this machine, which has TLS
    :param protocols: what it says to speak (ALPN)
    :ivar received: all that clients have sent inside of TLS
    """

    def __init__(self, certificate: Certificate, port: int, *, protocols: Sequence[str] = (ALPN,)) -> None:
        self._server_port = port
        self._as_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._as_server.load_cert_chain(certificate.file, certificate.key_file)
        if protocols:
            self._as_server.set_alpn_protocols(list(protocols))
        self._as_client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._as_client.check_hostname, self._as_client.verify_mode = False, ssl.CERT_NONE
        self._as_client.set_alpn_protocols([ALPN])
        self.connections = 0
        self.received = bytearray()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # ends `accept`
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(WAIT_SECONDS)
                if connection.recv(len(SSL_REQUEST), socket.MSG_PEEK) == SSL_REQUEST:
                    connection.recv(len(SSL_REQUEST))
                    connection.sendall(b"S")
                with (
                    self._as_server.wrap_socket(connection, server_side=True) as client,
                    socket.create_connection(("127.0.0.1", self._server_port), WAIT_SECONDS) as plain,
                    self._as_client.wrap_socket(plain) as server,
                ):
                    self._forward(client, server)
        except OSError:
            pass  # one side has hung up

    def _forward(self, client: ssl.SSLSocket, server: ssl.SSLSocket) -> None:
        other = {client: server, server: client}
        while True:
            ready = [each for each in other if each.pending()] or select.select(list(other), [], [], WAIT_SECONDS)[0]
            for source in ready:
                data = source.recv(CHUNK_BYTES)
                if not data:
                    return
                if source is client:
                    self.received += data
                other[source].sendall(data)
