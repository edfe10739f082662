"""A server that takes its time, at any message: one deadline covers connecting, and one each answer."""

import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any

import pytest

from backend.postgres import (
    ConnectFailed,
    Connection,
    ConnectionLost,
    Flight,
    Opening,
    OutOfTime,
    connection,
    deadline,
    login,
)
from tests.conftest import MakeClient
from tests.support.scripted_server import (
    HONEST,
    PARSE_COMPLETE,
    Client,
    Say,
    Script,
    ScriptedServer,
    Step,
    byte_by_byte,
    changed,
    for_ever,
    in_turn,
    instead,
    later,
    notice,
    parameter,
    resolve_here,
    row,
    silence,
)

pytestmark = pytest.mark.spec("NFR-014", "EDGE-database-connection-failure")

SHORT_SECONDS = 0.3
"""The time limit in tests that wait for it."""
LIMIT_SECONDS = 15
"""More than ten times what two attempts to connect and one answer may take then."""
NOTICE, TIME_ZONE = notice("for ever"), parameter("TimeZone", "UTC")
TWO_GIGABYTES = struct.pack("!i", 2**31 - 1)


@pytest.fixture(scope="module")
def running_server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def server(running_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """A server with TLS, as a new process sees it. What a test does with it must end within the limit."""
    resolve_here(monkeypatch)
    monkeypatch.setattr(login, "WAKE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(login, "SILENCE_SECONDS", 0.1)
    running_server.follow(HONEST)
    started = time.monotonic()
    yield running_server
    assert time.monotonic() - started < LIMIT_SECONDS


@pytest.fixture
def short_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "CONNECT_TIMEOUT_SECONDS", SHORT_SECONDS)


@pytest.fixture
def short_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "READ_TIMEOUT_SECONDS", SHORT_SECONDS)


def connect(server: ScriptedServer, *, port: int | None = None) -> Connection:
    return Connection(server.database_url(port=port), opening=Opening("todo_auth"))


def cases(scripts: dict[str, Any]) -> list[Any]:
    return [pytest.param(script, id=name) for name, script in scripts.items()]


ENDLESS = {
    "NOTICE for ever": for_ever(NOTICE),
    "a NOTICE at a time": for_ever(NOTICE, 0.1),
    "ParameterStatus for ever": for_ever(TIME_ZONE),
}
LOGIN = [step for step in Step if step != Step.ANSWER]
SLOW_LOGINS: dict[str, Script] = {
    **{f"silence at {step.name}": {step: silence} for step in LOGIN},
    **{
        f"{name} at {step.name}": {step: say}
        for step in (Step.SASL, Step.SASL_CONTINUE, Step.SASL_FINAL, Step.READY)
        for name, say in ENDLESS.items()
    },
    "a byte at a time": {step: byte_by_byte(0.05) for step in LOGIN if step != Step.TLS},
    "each message nearly too late": {step: later(SHORT_SECONDS * 0.6) for step in LOGIN},
    "a message of two gigabytes": {Step.SASL: in_turn(instead(b"R" + TWO_GIGABYTES), silence)},
    "two gigabytes, a kilobyte at a time": {
        Step.SASL: in_turn(instead(b"R" + TWO_GIGABYTES), for_ever(bytes(1024), 0.01))
    },
}
SLOW_ANSWERS: dict[str, Say] = {
    **ENDLESS,
    "silence": silence,
    "ParseComplete, then silence": in_turn(instead(PARSE_COMPLETE), silence),
    "an answer without ReadyForQuery": changed(lambda honest: honest[:-1]),
    "a byte at a time": byte_by_byte(0.05),
    "a message of two gigabytes": in_turn(instead(b"1" + TWO_GIGABYTES), silence),
    "rows for ever": in_turn(changed(lambda honest: honest[:-2]), for_ever(row("1"), 0.001)),
}


@pytest.mark.usefixtures("short_to_connect")
class TestConnecting:
    """One deadline covers name, TCP, TLS and login."""

    @pytest.mark.parametrize("script", cases(SLOW_LOGINS))
    def test_a_slow_login(self, server: ScriptedServer, script: Script) -> None:
        server.follow(script)
        connected = connect(server)
        with pytest.raises(ConnectFailed):
            connected.execute("select 1", flight=Flight(reads=True))
        assert not connected.is_quiet
        server.check_hung_up()

    def test_a_login_within_the_deadline(self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(login, "CONNECT_TIMEOUT_SECONDS", SHORT_SECONDS * 20)
        monkeypatch.setattr(login, "SILENCE_SECONDS", SHORT_SECONDS * 20)
        server.follow(SLOW_LOGINS["each message nearly too late"])
        with connect(server) as connected:
            assert connected.execute("select 1", flight=Flight(reads=True)).rows == [[1]]
        server.check_hung_up()

    def test_a_handshake_of_a_byte_at_a_time(self, server: ScriptedServer) -> None:
        with byte_by_byte_proxy(server.port, 0.05) as port:
            connected = connect(server, port=port)
            with pytest.raises(ConnectFailed, match="timed out"):
                connected.execute("select 1", flight=Flight(reads=True))
        server.check_hung_up()

    def test_a_resolver_that_never_answers(self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
        is_over = threading.Event()

        def getaddrinfo(*_: object, **__: object) -> None:
            is_over.wait(LIMIT_SECONDS * 2)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        with pytest.raises(ConnectFailed, match="the name server does not answer"):
            connect(server).execute("select 1", flight=Flight(reads=True))
        is_over.set()
        assert server.clients == []


@pytest.mark.usefixtures("short_to_answer")
class TestAnswering:
    """One deadline covers sending a flight and all of its answer."""

    @pytest.mark.parametrize("reads", [True, False], ids=["reading", "writing"])
    @pytest.mark.parametrize("say", cases(SLOW_ANSWERS))
    def test_a_slow_answer(self, server: ScriptedServer, say: Say, reads: bool) -> None:
        server.follow({Step.ANSWER: say})
        connected = connect(server)
        with pytest.raises(ConnectionLost) as failed:
            connected.execute("select 1", flight=Flight(reads=reads))
        assert failed.value.nothing_written == reads
        assert not connected.is_quiet
        server.check_hung_up()

    def test_a_slow_answer_within_the_deadline(self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "READ_TIMEOUT_SECONDS", LIMIT_SECONDS * 4)
        server.follow({Step.ANSWER: byte_by_byte(0.001)})
        with connect(server) as connected:
            assert connected.execute("select 1", flight=Flight()).rows == [[1]]
        server.check_hung_up()

    def test_a_server_that_does_not_read(self, server: ScriptedServer) -> None:
        def stop_reading(client: Client, honest: bytes) -> None:
            client.send(honest)
            time.sleep(SHORT_SECONDS * 4)

        server.follow({Step.READY: stop_reading})
        connected = connect(server)
        with pytest.raises(OutOfTime) as failed:
            connected.execute("select $1::text", ["x" * 50_000_000], Flight())
        assert failed.value.nothing_written
        assert not connected.is_quiet
        server.check_hung_up()

    def test_a_flood_of_notices_takes_no_memory(self, server: ScriptedServer) -> None:
        flood = notice("x" * 1000) * 100
        unaligned = in_turn(instead(flood[:500]), for_ever(flood[500:] + flood[:500]))  # no packet ends with a message
        server.follow({Step.ANSWER: unaligned})
        connected = connect(server)
        tracemalloc.start()
        try:
            with pytest.raises(ConnectionLost):
                connected.execute("select 1", flight=Flight())
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        server.check_hung_up()
        assert peak_bytes < 5_000_000


class TestBudget:
    """A request's time covers all that is done for it, whatever the limits of the steps are."""

    @pytest.fixture(autouse=True)
    def _long_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(login, "CONNECT_TIMEOUT_SECONDS", LIMIT_SECONDS * 4)
        monkeypatch.setattr(connection, "READ_TIMEOUT_SECONDS", LIMIT_SECONDS * 4)

    @pytest.mark.parametrize("script", cases(SLOW_LOGINS))
    def test_covers_connecting(self, server: ScriptedServer, script: Script) -> None:
        server.follow(script)
        with pytest.raises(ConnectFailed):
            within_budget(SHORT_SECONDS, connect(server))
        server.check_hung_up()

    @pytest.mark.parametrize("say", cases(SLOW_ANSWERS))
    def test_covers_an_answer(self, server: ScriptedServer, say: Say) -> None:
        server.follow({Step.ANSWER: say})
        with pytest.raises((ConnectFailed, ConnectionLost)):
            within_budget(SHORT_SECONDS, connect(server))
        server.check_hung_up()

    def test_covers_a_request(
        self, server: ScriptedServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deadline.start, "__defaults__", (SHORT_SECONDS,))
        http = make_client(database_url=server.url(), database_ca_file=server.ca_file)
        for script in ({Step.TLS: silence}, {Step.SASL: for_ever(NOTICE)}, {Step.ANSWER: byte_by_byte(0.05)}):
            server.follow(script)
            answer = http.get("/api/health")
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        server.check_hung_up()


def within_budget(seconds: float, connected: Connection) -> None:
    """Send a flight as a request does that has this much time."""

    def request() -> None:
        deadline.start(seconds)
        connected.execute("select 1", flight=Flight())

    copy_context().run(request)


@contextmanager
def byte_by_byte_proxy(target_port: int, pause: float) -> Iterator[int]:
    """A proxy that forwards what the server says one byte at a time. Gives its port."""

    def forward(source: socket.socket, sink: socket.socket, at_once: int, pause: float) -> None:
        with suppress(OSError):
            while data := source.recv(at_once):
                sink.sendall(data)
                time.sleep(pause)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", target_port))
                ends.extend((client, server))
                threading.Thread(target=forward, args=(client, server, 65536, 0.0), daemon=True).start()
                threading.Thread(target=forward, args=(server, client, 1, pause), daemon=True).start()

    ends: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    for end in ends:
        end.close()
