"""Sockets, time limits, and the end of a connection."""

import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path

import pytest

from backend.database.roles import AUTH_ROLE
from backend.postgres import (
    ConnectFailed,
    Connection,
    ConnectionLost,
    DatabaseUrl,
    Flight,
    Opening,
    OutOfTime,
    ServerError,
    connection,
    deadline,
    login,
    sqlstate,
)
from backend.postgres.dialect import Dialect
from tests.support.database_copy import DatabaseCopy
from tests.support.flights import READS, WRITES, record_flights, value
from tests.support.pooler import Pooler

pytestmark = pytest.mark.spec("NFR-014", "EDGE-database-connection-failure")

LIMIT_SECONDS = 20
"""More than ten times the short time limits below, and far less than the waits that they must cut short."""

each_way = pytest.mark.parametrize("flight", [READS, WRITES, None], ids=["reads", "writes", "in a transaction"])


@pytest.fixture
def url(shared_database: DatabaseCopy) -> DatabaseUrl:
    return DatabaseUrl.parse(shared_database.url)


@contextmanager
def connected_for(url: DatabaseUrl, flight: Flight | None) -> Iterator[Connection]:
    """An open connection for statements that are sent like this."""
    with Connection(url, opening=Opening(AUTH_ROLE) if flight else None) as connected:
        value(connected, "select 7", flight=flight)
        yield connected


@contextmanager
def answered_in_time() -> Iterator[None]:
    """Check that what is done here takes no longer than a short time limit."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < LIMIT_SECONDS


@contextmanager
def frozen(backend: int) -> Iterator[None]:
    """Stop a server process, as if its machine had lost power."""
    os.kill(backend, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(backend, signal.SIGCONT)


def within_request(seconds: float, act: Callable[[], object]) -> None:
    """Act as a request that has so much time left."""

    def start_and_act() -> None:
        deadline.start(seconds)
        act()

    copy_context().run(start_and_act)


class TestSocket:
    """The options of the socket."""

    def test_small_messages_leave_at_once_and_a_dead_peer_is_detected(self, url: DatabaseUrl) -> None:
        with connected_for(url, READS) as connected:
            self._check(connected)

    def test_small_messages_leave_at_once_with_tls_too(self, pooler: Pooler, shared_database: DatabaseCopy) -> None:
        url = DatabaseUrl.parse(pooler.url(shared_database), ca_file=str(pooler.ca_file))
        with connected_for(url, READS) as connected:
            self._check(connected)

    @staticmethod
    def _check(connected: Connection) -> None:
        assert connected._wire is not None
        sock = connected._wire.sock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0

    def test_a_unix_socket_works_too(self, tmp_path: Path, shared_database: DatabaseCopy, url: DatabaseUrl) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / ".s.PGSQL.5432"))
            listener.listen()
            thread = threading.Thread(target=_forward_one, args=(listener, url.port))
            thread.start()
            password = shared_database.url.split("@")[0].rsplit(":", 1)[1]
            local = f"postgresql://{url.user}:{password}@/{url.database}?host={tmp_path}"
            with connected_for(DatabaseUrl.parse(local), WRITES) as connected:
                assert value(connected, "select 7", flight=READS) == 7
            thread.join()

    @pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", f"{'a' * 64}.example.com", "256.0.0.1"])
    def test_a_host_that_cannot_exist_is_a_failed_connection(self, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(login, "WAKE_PAUSE_SECONDS", 0)
        with pytest.raises(ConnectFailed) as failed:
            Connection(DatabaseUrl.parse(f"postgresql://ada:secret@{host}/todo")).execute("select 1")
        assert "secret" not in str(failed.value)
        assert host not in str(failed.value)


def _forward_one(listener: socket.socket, port: int) -> None:
    """Forward one client of the listener to a port, in both directions."""
    client, _ = listener.accept()
    with client, socket.create_connection(("127.0.0.1", port)) as server:

        def back() -> None:
            while data := server.recv(65536):
                client.sendall(data)

        thread = threading.Thread(target=back)
        thread.start()
        while data := client.recv(65536):
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)
        thread.join()


class TestTimeLimits:
    """Connecting has a time limit, an answer has one, and the request's end comes before both."""

    def test_connecting_has_a_time_limit_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(login, "CONNECT_TIMEOUT_SECONDS", 0.1)
        monkeypatch.setattr(connection, "READ_TIMEOUT_SECONDS", 600)
        with socket.create_server(("127.0.0.1", 0)) as silent, answered_in_time():
            url = DatabaseUrl.parse(f"postgresql://ada:secret@127.0.0.1:{silent.getsockname()[1]}/todo")
            with pytest.raises(ConnectFailed):
                Connection(url).execute("select 1")

    @each_way
    def test_an_answer_may_take_longer_than_connecting(
        self, url: DatabaseUrl, flight: Flight | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with connected_for(url, flight) as connected:
            monkeypatch.setattr(login, "CONNECT_TIMEOUT_SECONDS", 0.01)
            assert value(connected, "select 7 from pg_sleep(0.3)", flight=flight) == 7

    @each_way
    def test_waiting_for_an_answer_has_a_time_limit(
        self, url: DatabaseUrl, flight: Flight | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with connected_for(url, flight) as connected:
            backend = value(connected, "select pg_backend_pid()", flight=flight)
            monkeypatch.setattr(connection, "READ_TIMEOUT_SECONDS", 0.5)
            with frozen(backend), answered_in_time(), pytest.raises(ConnectionLost) as lost:
                value(connected, "select 7", flight=flight)
            assert lost.value.nothing_written is (flight is READS)
            assert not connected.is_quiet
            connected.rollback()

    @each_way
    def test_sending_has_a_time_limit(
        self, url: DatabaseUrl, flight: Flight | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with connected_for(url, flight) as connected:
            backend = value(connected, "select pg_backend_pid()", flight=flight)
            monkeypatch.setattr(connection, "READ_TIMEOUT_SECONDS", 0.5)
            with frozen(backend), answered_in_time(), pytest.raises(ConnectionLost) as lost:
                value(connected, "select $1::text", "x" * 50_000_000, flight=flight)
            assert lost.value.nothing_written  # its Sync never left
            assert not connected.is_quiet

    @each_way
    def test_the_requests_remaining_time_is_the_limit(self, url: DatabaseUrl, flight: Flight | None) -> None:
        def ask() -> None:
            with pytest.raises((ConnectionLost, ServerError)):  # PostgreSQL has the same limit for a flight
                value(connected, "select pg_sleep(600)", flight=flight)

        with connected_for(url, flight) as connected, answered_in_time():
            within_request(0.2, ask)

    @each_way
    def test_postgresql_ends_a_flight_at_its_deadline(self, url: DatabaseUrl, flight: Flight | None) -> None:
        limits = "select array[current_setting('statement_timeout'), current_setting('lock_timeout')]"
        milliseconds: list[str] = []
        with connected_for(url, flight) as connected:
            within_request(3, lambda: milliseconds.extend(value(connected, limits, flight=flight)))
        if flight is None:
            assert milliseconds == ["8s", "5s"]  # an ordinary transaction keeps the login's own
        else:
            assert len(set(milliseconds)) == 1
            assert 0 < int(milliseconds[0].removesuffix("ms")) < 3000

    @each_way
    def test_nothing_is_sent_after_the_requests_end(
        self, url: DatabaseUrl, flight: Flight | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def ask() -> None:
            with pytest.raises(OutOfTime) as refused:
                value(connected, "select 7", flight=flight)
            assert refused.value.nothing_written

        with connected_for(url, flight) as connected:
            sent = record_flights(monkeypatch)
            within_request(-1, ask)
            assert (sent, connected.is_quiet) == ([], False)

    def test_nothing_is_connected_after_the_requests_end(self) -> None:
        def ask() -> None:
            with pytest.raises(ConnectFailed):
                Connection(there).execute("select 7")

        with socket.create_server(("127.0.0.1", 0)) as listener:
            there = DatabaseUrl.parse(f"postgresql://ada:secret@127.0.0.1:{listener.getsockname()[1]}/todo")
            within_request(-1, ask)
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()


class TestEnd:
    """The server ends the connection."""

    @each_way
    def test_the_servers_last_words_are_raised(
        self, url: DatabaseUrl, flight: Flight | None, shared_database: DatabaseCopy
    ) -> None:
        with connected_for(url, flight) as connected, shared_database.connect_as_owner() as owner:
            backend = value(connected, "select pg_backend_pid()", flight=flight)
            waiting = "select count(*) from pg_stat_activity where pid = :pid and wait_event = 'PgSleep'"

            def terminate() -> None:
                while owner.run(waiting, pid=backend) != [[1]]:
                    time.sleep(0.01)
                owner.run("select pg_terminate_backend(:pid)", pid=backend)

            thread = threading.Thread(target=terminate)
            thread.start()
            with pytest.raises(ServerError) as ended:
                value(connected, "select pg_sleep(60)", flight=flight)
            thread.join()
            assert (sqlstate(ended.value), ended.value.nothing_written) == ("57P01", True)
            assert Dialect().is_disconnect(ended.value, None, None)
            with pytest.raises(ConnectionLost):
                value(connected, "select 1", flight=flight)

    @each_way
    def test_an_idle_connection_detects_that_the_server_is_gone(
        self, url: DatabaseUrl, flight: Flight | None, shared_database: DatabaseCopy
    ) -> None:
        with connected_for(url, flight) as connected:
            backend = value(connected, "select pg_backend_pid()", flight=flight)
            connected.commit()
            assert connected.is_quiet
            shared_database.query(f"select pg_terminate_backend({backend}, 10000)")
            assert not connected.is_quiet
            with pytest.raises(ConnectionLost) as lost:
                value(connected, "select 1", flight=flight)
            assert lost.value.nothing_written

    def test_a_server_with_many_clients_can_still_check_its_connections(self, url: DatabaseUrl) -> None:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, limits[1]), limits[1]))
        opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        try:
            with connected_for(url, READS) as connected:
                assert connected._wire is not None
                assert connected._wire.sock.fileno() > 1024
                assert connected.is_quiet
        finally:
            for descriptor in opened:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
