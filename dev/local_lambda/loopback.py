"""A small HTTP server on 127.0.0.1 for programs on this machine. It logs nothing about its clients."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LoopbackServer(ThreadingHTTPServer):
    """An HTTP server on a free port of 127.0.0.1, with a thread for each connection, until this process ends."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, endpoint: type["Endpoint"]) -> None:
        super().__init__(("127.0.0.1", 0), endpoint)

    def start(self) -> None:
        """Start serving. Attributes that the endpoint reads must be set before."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that has closed the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Endpoint(BaseHTTPRequestHandler):
    """Answers the requests of one connection, with `http.server`'s settings for low latency."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # send each answer in one packet

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # the name is http.server's
        """Log nothing."""
