"""The frontend's server. It is another origin than the API, and a page can ask it to advance the clock."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.clock import Clock

WAITS_MINUTES = 15
"""The lifetime of an access token."""


class FrontendHost(SimpleHTTPRequestHandler):
    """Serves the page and its scripts. A POST advances the API's clock by `WAITS_MINUTES`."""

    def __init__(self, *arguments: Any, clock: Clock | None, **options: Any) -> None:
        self.clock = clock
        super().__init__(*arguments, **options)

    def do_POST(self) -> None:
        assert self.clock, "this API's clock cannot be advanced"
        self.clock.advance(minutes=WAITS_MINUTES)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@contextmanager
def serve_frontend(folder: Path, clock: Clock | None = None) -> Iterator[str]:
    """Serve the folder on a free port. Gives its origin."""
    handler = partial(FrontendHost, directory=str(folder), clock=clock)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
