"""A TCP proxy on loopback that counts network round trips exactly, without measuring time."""

import asyncio
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Self

WAIT_SECONDS = 30
CHUNK_BYTES = 1 << 16
SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
HEADER_BYTES = 5
APPLICATION_DATA = 23
"""The type of every encrypted record of TLS 1.3, the client's Certificate and Finished among them (RFC 8446, 5.2)."""
EMPTY_CERTIFICATE_BYTES = 4 + 1 + 3 + 1 + 16
"""Handshake header, context, an empty list (RFC 8446, 4.4.2); the record's inner type; the cipher's tag."""


class RoundTripCounter:
    """Forwards connections to a port of this machine, and counts the round trips that a client waits for.

    A round trip is: the client sent something, and the server answered. Connecting is one more. An answer to the
    client's last message (Terminate) does not count, because the client does not wait for it.
    """

    def __init__(self, port: int) -> None:
        self.connections = 0
        self._target_port = port
        self._closed_round_trips = 0
        self._open: set[_Exchange] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def round_trips(self) -> int:
        """The round trips so far, on all connections."""
        return self._closed_round_trips + sum(exchange.round_trips for exchange in self._open)

    def wait_until_closed(self) -> None:
        """Wait until the clients have closed their connections, so that `round_trips` is final."""
        self._run(asyncio.wait_for(self._until_closed(), WAIT_SECONDS))

    async def _until_closed(self) -> None:
        while self._open:
            await asyncio.sleep(0.001)

    async def _serve(self, from_client: StreamReader, to_client: StreamWriter) -> None:
        exchange = _Exchange()
        self.connections += 1
        self._open.add(exchange)
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
        await asyncio.gather(
            _forward(_client_flights(from_client), to_server, exchange.client_says),
            _forward(_chunks(from_server), to_client, exchange.server_says),
        )
        exchange.close()
        self._open.remove(exchange)
        self._closed_round_trips += exchange.round_trips

    async def _end(self) -> None:
        self._server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_SECONDS)


class _Exchange:
    """The state of one connection: which side sent last, and how many answers came."""

    def __init__(self) -> None:
        self._heard = 1  # to connect
        self._is_asked = self._is_answered = False

    @property
    def round_trips(self) -> int:
        return self._heard + self._is_answered

    def client_says(self) -> None:
        self._heard += self._is_answered
        self._is_asked, self._is_answered = True, False

    def server_says(self) -> None:
        if self._is_asked:
            self._is_asked, self._is_answered = False, True

    def close(self) -> None:
        self._is_answered = False  # the client's last message was Terminate


async def _forward(flights: AsyncIterator[bytes], sink: StreamWriter, note: Callable[[], None]) -> None:
    try:
        async for flight in flights:
            note()
            sink.write(flight)
            await sink.drain()
    except ConnectionError:
        pass  # one side reset the connection
    finally:
        sink.close()


async def _chunks(source: StreamReader) -> AsyncIterator[bytes]:
    while chunk := await source.read(CHUNK_BYTES):
        yield chunk


async def _client_flights(source: StreamReader) -> AsyncIterator[bytes]:
    """What the client sends. The end of its TLS handshake is sent with what follows it, as on a slower network.

    Otherwise a fast server would answer the handshake's end with its session tickets, for which no client waits.
    """
    chunks = _chunks(source)
    async for first in chunks:
        yield first
        if first == SSL_REQUEST:
            break
        async for chunk in chunks:
            yield chunk
    held = b""
    async for chunk in chunks:
        held += chunk
        records = _encrypted_record_lengths(held)
        if records and not _goes_beyond_handshake(records):
            continue
        yield held
        held = b""
        if records:
            break
    if held:
        yield held
    async for chunk in chunks:
        yield chunk


def _goes_beyond_handshake(records: list[int]) -> bool:
    """Whether there is more than Finished, and than the empty Certificate that some servers request before it."""
    return len(records) > (2 if records[0] == EMPTY_CERTIFICATE_BYTES else 1)


def _encrypted_record_lengths(stream: bytes) -> list[int]:
    lengths = []
    while len(stream) >= HEADER_BYTES:
        length = int.from_bytes(stream[3:HEADER_BYTES])
        if stream[0] == APPLICATION_DATA:
            lengths.append(length)
        stream = stream[HEADER_BYTES + length :]
    return lengths
