"""A small HTTP server for programs on this machine, which does not comment on what its clients do."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LoopbackServer(ThreadingHTTPServer):
    """A server on a free port of 127.0.0.1, with a thread for each connection; it ends with this process."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, endpoint: type["Endpoint"]) -> None:
        super().__init__(("127.0.0.1", 0), endpoint)

    def start(self) -> None:
        """Serve from here on; the attributes that the endpoint needs must be there."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Endpoint(BaseHTTPRequestHandler):
    """What answers on one connection, as fast as `http.server` can."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet an answer

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # the name is http.server's
        """Say nothing."""
