"""What tests of the driver send, and what the driver has sent: protocol messages, by their one-letter kinds."""

from typing import Any

import pytest

from backend.postgres import Connection, Flight
from backend.postgres.deadline import Deadline
from backend.postgres.wire import Wire

READS, WRITES = Flight(reads=True), Flight(reads=False)
KINDS_OF_FLIGHTS = b"PQX"
"""How what is sent after a login begins: Parse, Query, Terminate."""


def value(connection: Connection, statement: str, *values: Any, flight: Flight | None = None) -> Any:
    """The one value that a statement gives.

    :param flight: None on a connection for ordinary transactions
    """
    [[only]] = connection.execute(statement, values, flight).rows
    return only


def record_flights(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """A list to which each flight is added that a connection sends after its login. On TLS, a read leaves with it."""
    flights: list[bytes] = []

    def send(wire: Wire, data: bytes, deadline: Deadline) -> None:
        if data[:1] in KINDS_OF_FLIGHTS:
            flights.append(data)
        original(wire, data, deadline)

    original = Wire.send
    monkeypatch.setattr(Wire, "send", send)
    return flights


def messages(flight: bytes) -> list[tuple[str, bytes]]:
    """The messages of a flight: kind and content."""
    found = []
    while flight:
        length = 1 + int.from_bytes(flight[1:5])
        found.append((chr(flight[0]), flight[5:length]))
        flight = flight[length:]
    return found


def kinds(flight: bytes) -> str:
    """The kinds of a flight's messages, such as `PBDES`."""
    return "".join(kind for kind, _ in messages(flight))


def statements(flight: bytes) -> list[str]:
    """The SQL of a flight, without the opening's long list of settings."""
    parsed = [content.split(b"\0")[1].decode() for kind, content in messages(flight) if kind == "P"]
    return ["opening" if "set_config('role'" in statement else statement for statement in parsed]
