"""Hundreds of HTTP clients, and how often they get each status."""

import ssl
import threading
from collections import Counter
from contextlib import ExitStack
from typing import Self

import httpx2

from tests.support.contract import check_documented

UNUSED_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without it, every client would load the system's certificates, which takes longer than its whole session."""
TIMEOUT_SECONDS = 60


class Clients:
    """Makes clients, each with connections of its own. Statuses outside the contract fail at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._running, self._lock = ExitStack(), threading.Lock()
        self.status_counts: Counter[int] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def new(self) -> httpx2.Client:
        """A new client with connections of its own."""
        hooks = {"response": [check_documented, self._count]}
        client = httpx2.Client(base_url=self._url, timeout=TIMEOUT_SECONDS, verify=UNUSED_TLS, event_hooks=hooks)
        with self._lock:
            return self._running.enter_context(client)

    def _count(self, response: httpx2.Response) -> None:
        with self._lock:
            self.status_counts[response.status_code] += 1
