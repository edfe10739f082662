"""A TCP proxy that makes a network with a chosen round-trip time of loopback. It runs in a process of its own.

`python -m benchmarks.delaying_proxy PORT SECONDS` prints the port it listens on, and ends with its standard input.
"""

import contextlib
import queue
import socket
import subprocess
import sys
import threading
import time
from typing import Self

from dev.paths import CHECKOUT

CHUNK_BYTES = 1 << 16
Queue = queue.SimpleQueue[tuple[float, bytes]]


class DelayingProxy:
    """Forwards connections to a port of this machine, as over a network.

    :param port: the port to forward to
    :param round_trip_seconds: the network's round-trip time. Connecting takes one too
    """

    def __init__(self, port: int, round_trip_seconds: float) -> None:
        command = [sys.executable, "-m", "benchmarks.delaying_proxy", str(port), str(round_trip_seconds)]
        self._process = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process_id = self._process.pid
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def main(target_port: int, round_trip_seconds: float) -> None:
    """Serve until the standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=_accept, args=(listener, target_port, round_trip_seconds), daemon=True).start()
    sys.stdin.buffer.read()


def _accept(listener: socket.socket, target_port: int, round_trip_seconds: float) -> None:
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", target_port))
        one_way = round_trip_seconds / 2
        # The client is connected already. Over a network it would be so only after a round trip, and send then.
        _forward(client, server, one_way, first_chunk_seconds=round_trip_seconds + one_way)
        _forward(server, client, one_way, first_chunk_seconds=one_way)


def _forward(source: socket.socket, sink: socket.socket, one_way: float, *, first_chunk_seconds: float) -> None:
    """Forward one direction in two threads: data that is under way must not keep later data from being read."""
    sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    under_way: Queue = queue.SimpleQueue()

    def receive() -> None:
        seconds = first_chunk_seconds
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                under_way.put((time.monotonic() + seconds, data))
                seconds = one_way
        under_way.put((time.monotonic() + one_way, b""))

    def deliver() -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = under_way.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)

    for work in (receive, deliver):
        threading.Thread(target=work, daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
