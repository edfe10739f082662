"""A TCP proxy that fails on demand."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

CHUNK_BYTES = 1 << 16

Fault = Callable[[socket.socket], object]
"""What is done with a client in place of connecting it."""


class FaultyProxy:
    """A TCP proxy to a server on this machine, which fails on demand.

    :ivar fault: is called with a client instead of connecting it
    :ivar cut_at: bytes of a client at which its connection is cut
    :ivar drop_answer: cut only after the server has received them and done its work
    :ivar stays_open: leave the client without an answer in place of cutting its connection
    """

    def __init__(self, port: int) -> None:
        self.fault: Fault | None = None
        self.cut_at: bytes | None = None
        self.drop_answer = False
        self.stays_open = False
        self._target_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._waiting: list[socket.socket] = []
        self.open()

    def open(self) -> None:
        """Accept clients."""
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Refuse clients."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def reopen(self) -> None:
        """Accept clients again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.open()

    def hang_up(self) -> None:
        """Close the connections that are kept waiting."""
        while self._waiting:
            self._waiting.pop().close()

    def keep_waiting(self, client: socket.socket) -> None:
        """Keep a client waiting without an answer."""
        self._waiting.append(client)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                if self.fault:
                    self.fault(client)
                else:
                    threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target_port)) as server, suppress(OSError):
            swallows = threading.Event()
            answers = threading.Thread(target=self._forward_answers, args=(server, client, swallows), daemon=True)
            answers.start()
            while data := client.recv(CHUNK_BYTES):
                if self.cut_at and self.cut_at in data:
                    if self.drop_answer:
                        swallows.set()
                        if not self.stays_open:
                            client.shutdown(socket.SHUT_WR)
                        server.sendall(data)
                        server.shutdown(socket.SHUT_WR)
                        answers.join()
                        if self.stays_open:
                            client.recv(CHUNK_BYTES)  # until the client gives up
                    server.shutdown(socket.SHUT_RDWR)
                    return
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _forward_answers(self, server: socket.socket, client: socket.socket, swallows: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(CHUNK_BYTES):
                if not swallows.is_set():
                    client.sendall(data)
            if not swallows.is_set():
                client.shutdown(socket.SHUT_WR)


def reset(client: socket.socket) -> None:
    """Reset the connection: an RST instead of a FIN."""
    client.recv(8)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def answer_with(garbage: bytes) -> Fault:
    """Answer the client with these bytes, and close the connection."""

    def say(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(CHUNK_BYTES)
            client.sendall(garbage)

    return say


def refuse_with(state: str) -> Fault:
    """Answer the client with an error of PostgreSQL, and close the connection."""
    fields = f"SFATAL\0VFATAL\0C{state}\0Mnot now\0\0".encode()
    return answer_with(b"E" + struct.pack("!i", len(fields) + 4) + fields)
