"""A server that has not proven itself cannot fill the client's memory, however much it sends."""

import tracemalloc
from collections.abc import Iterator

import pytest

from backend.postgres import ConnectFailed, Connection, login
from tests.support.scripted_server import (
    Client,
    Say,
    ScriptedServer,
    Step,
    before,
    message,
    parameter,
    resolve_here,
)

pytestmark = pytest.mark.spec("NFR-014", "SC-018")

SENT_BYTES = 30_000_000
"""Much more than the client may keep of it."""
KEPT_BYTES = 3_000_000
PIECE = b"x" * (1 << 20)
LONGEST_LENGTH = b"\x7f\xff\xff\xff"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    resolve_here(monkeypatch)
    monkeypatch.setattr(login, "WAKE_PAUSE_SECONDS", 0.01)
    with ScriptedServer() as running:
        yield running


def peak_bytes(server: ScriptedServer) -> tuple[int, str]:
    """What logging in takes at most, and why it fails; empty when it does not."""
    failure = ""
    tracemalloc.start()
    try:
        with Connection(server.database_url()) as connection:
            connection.execute("select 1")
    except ConnectFailed as error:
        failure = str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak, failure


def announcing(kind: bytes) -> Say:
    """Announce the longest message, and send much of it."""

    def say(client: Client, _: bytes) -> None:
        client.send(kind + LONGEST_LENGTH)
        for _piece in range(SENT_BYTES // len(PIECE)):
            client.send(PIECE)

    return say


@pytest.mark.parametrize("kind", [b"R", b"E", b"N", b"S"], ids=["authentication", "error", "notice", "parameter"])
@pytest.mark.parametrize("step", [Step.SASL, Step.SASL_CONTINUE, Step.SASL_FINAL, Step.PARAMETERS])
def test_an_endless_message_before_the_end_of_the_login_is_not_received(
    kind: bytes, step: Step, server: ScriptedServer
) -> None:
    server.follow({step: announcing(kind)})
    peak, failure = peak_bytes(server)
    assert "a message of more than 65536 bytes" in failure
    assert peak < KEPT_BYTES


def test_parameters_that_are_not_read_are_not_kept(server: ScriptedServer) -> None:
    def say(client: Client, honest: bytes) -> None:
        for number in range(SENT_BYTES // 30_000):
            client.send(parameter(f"name{number}", "x" * 30_000))
        client.send(honest)

    server.follow({Step.PARAMETERS: say})
    peak, failure = peak_bytes(server)
    assert failure == ""
    assert peak < KEPT_BYTES


def test_the_longest_message_of_a_login_is_received(server: ScriptedServer) -> None:
    longest = message(b"N", b"x" * (login.MESSAGE_MAX_BYTES - 4))
    server.follow({Step.OK: before(longest)})
    assert peak_bytes(server)[1] == ""
