"""Runs many HTTP clients at once, with little CPU time: they share the machine with the server that they measure."""

import asyncio
import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from benchmarks.accounts import Account

GRACE_SECONDS = 4
"""How long a client waits for its last answer after the end of the measurement."""
CREATION = b'{"title": "Buy milk and bread", "description": "The bakery closes at six."}'


@dataclass
class Results:
    """The answers that clients got. A request without an answer has an infinite latency."""

    seconds: float = 0
    latencies: list[float] = field(default_factory=list)
    answered_in_time: int = 0
    unanswered: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    retry_after: int = 0
    """The answers with `Retry-After`."""

    @property
    def per_second(self) -> float:
        """Answers within the time, per second."""
        return self.answered_in_time / self.seconds

    @property
    def errors(self) -> int:
        """The number of answers with a status other than 200 and 201."""
        return sum(count for status, count in self.statuses.items() if status not in (200, 201))

    def percentile(self, share: float) -> float:
        """The latency, in seconds, of the slowest request in this share of all; infinite when too few were answered."""
        ordered = sorted(self.latencies) + [math.inf] * self.unanswered
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else math.inf

    def add(self, other: "Results") -> None:
        """Add the results of another round."""
        self.seconds += other.seconds
        self.latencies += other.latencies
        self.answered_in_time += other.answered_in_time
        self.unanswered += other.unanswered
        self.statuses += other.statuses
        self.retry_after += other.retry_after


def lists_and_creations(reader: Account, writer: Account) -> Iterator[bytes]:
    """The requests of a client: the list of the first user, and a creation for the second."""
    yield _head("GET", reader) + b"\r\n"
    yield from creations(reader, writer)


def creations(_: Account, writer: Account) -> Iterator[bytes]:
    """The request of a client that only creates tasks, for the second user."""
    yield (
        _head("POST", writer)
        + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(CREATION)
        + CREATION
    )


Requests = Callable[[Account, Account], Iterator[bytes]]


def run_clients(
    port: int,
    pairs: Sequence[tuple[Account, Account]],
    seconds: float,
    *,
    requests: Requests = lists_and_creations,
    grace_seconds: float = GRACE_SECONDS,
) -> Results:
    """Run a client for each pair, all at once. Each sends these requests in turns."""
    with closing(asyncio.new_event_loop()) as loop:
        return loop.run_until_complete(_run_clients(port, pairs, seconds, requests, grace_seconds))


async def _run_clients(
    port: int, pairs: Sequence[tuple[Account, Account]], seconds: float, requests: Requests, grace_seconds: float
) -> Results:
    results = Results(seconds=seconds)
    end = time.perf_counter() + seconds
    clients = [asyncio.create_task(_client(port, list(requests(*pair)), end, results)) for pair in pairs]
    _, waiting = await asyncio.wait(clients, timeout=seconds + grace_seconds)
    for client in waiting:
        client.cancel()
    for outcome in await asyncio.gather(*clients, return_exceptions=True):
        if isinstance(outcome, asyncio.CancelledError):
            results.unanswered += 1
        elif isinstance(outcome, BaseException):
            raise outcome
    return results


async def _client(port: int, requests: Sequence[bytes], end: float, results: Results) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for request in itertools.cycle(requests):
            started = time.perf_counter()
            if started >= end:
                return
            writer.write(request)
            status, has_retry_after = await _status(reader)
            now = time.perf_counter()
            results.statuses[status] += 1
            results.retry_after += has_retry_after
            results.latencies.append(now - started)
            results.answered_in_time += now < end
    finally:
        writer.close()


async def _status(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Read the next answer to its end. Gives its status, and whether it has `Retry-After`."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(None, 2)[1]), b"\r\nretry-after:" in head


def _head(method: str, account: Account) -> bytes:
    return (
        f"{method} /api/tasks HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {account.access_token}\r\n".encode()
    )
