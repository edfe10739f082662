"""The frontend's own server, which is another origin than the API's, and lets its pages wait."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.auth.clock import Clock

WAITS_MINUTES = 15
"""As long as an access token lasts."""


class FrontendHost(SimpleHTTPRequestHandler):
    """Gives the page and its scripts; a POST is answered after a quarter of an hour, as the API's clock has it."""

    def __init__(self, *arguments: Any, clock: Clock, **options: Any) -> None:
        self.clock = clock
        super().__init__(*arguments, **options)

    def do_POST(self) -> None:
        self.clock.advance(minutes=WAITS_MINUTES)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@contextmanager
def hosting(folder: Path, clock: Clock) -> Iterator[str]:
    """The folder on a free port. Gives its origin."""
    handler = partial(FrontendHost, directory=str(folder), clock=clock)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
