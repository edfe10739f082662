"""The connection: the messages that it sends, the values that it returns, and its state after a failure."""

import os
import re
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import version
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pg8000 import core
from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.legacy import NotSupportedError
from sqlalchemy import text

from backend.database.roles import AUTH_ROLE
from backend.database.transactions import Database
from backend.postgres import connection, deadline
from backend.postgres.connection import Connection
from backend.postgres.dialect import Dialect
from backend.postgres.network import ConnectFailed, ConnectionLost, OutOfTime
from backend.postgres.sqlstates import sqlstate
from backend.postgres.url import DatabaseUrl
from dev.paths import CHECKOUT
from tests.support.database_copy import LOGIN, DatabaseCopy
from tests.support.database_fixtures import CountRoundTrips, url_through_port

Connect = Callable[..., Connection]

SERIAL_TIMEOUT_SECONDS = 20
"""More than ten times the short timeouts below, and far less than the waits that they must cut short."""


@pytest.fixture
def connect(shared_database: DatabaseCopy) -> Iterator[Connect]:
    """Opens connections of the application's login."""
    with ExitStack() as opened:

        def open_one(*, port: int | None = None, role: str | None = None) -> Connection:
            url = url_through_port(port, shared_database) if port else shared_database.url
            connected = Connection.open(DatabaseUrl.parse(url), role=role)
            opened.callback(connected.close)
            return connected

        yield open_one


@pytest.fixture(scope="module")
def one_connection(shared_database: DatabaseCopy) -> Iterator[Connection]:
    """A connection that many examples share."""
    with Connection.open(DatabaseUrl.parse(shared_database.url)) as connected:
        yield connected


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The flights that connections have sent after they were opened."""
    flights: list[bytes] = []

    def write(sock: Any, data: bytes) -> None:
        flights.append(data)
        original(sock, data)

    original = core._write
    monkeypatch.setattr(connection, "_write", write)
    return flights


def rows(connected: Connection, statement: str, *values: Any) -> list[list[Any]]:
    """The rows that a statement gives."""
    cursor = connected.cursor()
    cursor.execute(statement, values)
    return list(cursor.fetchall())


def value(connected: Connection, statement: str, *values: Any) -> Any:
    """The one value that a statement gives."""
    [[only]] = rows(connected, statement, *values)
    return only


def messages(flight: bytes) -> list[tuple[str, bytes]]:
    """The protocol messages of a flight: type and content."""
    found = []
    while flight:
        length = 1 + int.from_bytes(flight[1:5])
        found.append((chr(flight[0]), flight[5:length]))
        flight = flight[length:]
    return found


def kinds(flight: bytes) -> str:
    return "".join(kind for kind, _ in messages(flight))


def statements(flight: bytes) -> list[str]:
    return [content.split(b"\0")[1].decode() for kind, content in messages(flight) if kind == "P"]


class TestVersion:
    """The driver uses pg8000's internals, so its version is pinned."""

    def test_the_installed_pg8000_is_the_one_this_was_written_for(self) -> None:
        assert version("pg8000") == connection.PG8000_VERSION, (
            f"backend/postgres/connection.py was written for pg8000 {connection.PG8000_VERSION}, "
            f"and {version('pg8000')} is installed. Read pg8000's core.py and legacy.py for what changed, run "
            "tests/database, then change PG8000_VERSION"
        )

    @pytest.mark.parametrize("file", ["requirements.in", "requirements.txt"])
    def test_the_pinned_pg8000_is_the_one_this_was_written_for(self, file: str) -> None:
        pinned = re.findall(r"^pg8000==(\S+)", (CHECKOUT / file).read_text(), re.MULTILINE)
        assert pinned == [connection.PG8000_VERSION], f"{file} must pin pg8000 to PG8000_VERSION"


class TestMessages:
    """Each statement is one flight."""

    @pytest.mark.parametrize("values", [(), (7,)])
    def test_begin_and_the_role_are_sent_with_the_first_statement(
        self, connect: Connect, sent: list[bytes], values: tuple[int, ...]
    ) -> None:
        connected = connect(role=AUTH_ROLE)
        statement = "select $1::int" if values else "select 7"
        assert value(connected, statement, *values) == 7
        [flight] = sent
        assert kinds(flight) == "PBE" + "PBE" + "PBDE" + "S"
        assert statements(flight) == ["BEGIN", 'SET LOCAL ROLE "todo_auth"', statement]

    @pytest.mark.parametrize("values", [(), (7,)])
    def test_later_statements_are_sent_alone(
        self, connect: Connect, sent: list[bytes], values: tuple[int, ...]
    ) -> None:
        connected = connect(role=AUTH_ROLE)
        value(connected, "select 1")
        value(connected, "select $1::int" if values else "select 7", *values)
        assert kinds(sent[1]) == "PBDES"

    def test_the_end_of_a_transaction_is_one_message(self, connect: Connect, sent: list[bytes]) -> None:
        connected = connect()
        for end in (connected.commit, connected.rollback):
            value(connected, "select 1")
            sent.clear()
            end()
            assert [kinds(flight) for flight in sent] == ["Q"]

    def test_ending_a_transaction_that_did_not_begin_sends_nothing(self, connect: Connect, sent: list[bytes]) -> None:
        connected = connect(role=AUTH_ROLE)
        connected.commit()
        connected.rollback()
        value(connected, "select 1")
        connected.commit()
        sent.clear()
        connected.commit()
        connected.rollback()
        assert sent == []
        connected.close()
        connected.close()
        assert [kinds(flight) for flight in sent] == ["X"]

    def test_each_flight_is_one_round_trip(
        self, connect: Connect, count_round_trips: CountRoundTrips, shared_database: DatabaseCopy
    ) -> None:
        proxy = count_round_trips(shared_database.server.port)
        connected = connect(port=proxy.port, role=AUTH_ROLE)
        steps: list[Callable[[], object]] = [
            lambda: value(connected, "select 1"),
            lambda: value(connected, "select $1::text", "x" * 100_000),
            lambda: rows(connected, "select generate_series(1, 10000)"),
            connected.commit,
            lambda: value(connected, "select 1"),
            connected.rollback,
            connected.commit,
            lambda: value(connected, "select $1::int", 1),
            connected.commit,
        ]
        counts = []
        for step in steps:
            before = proxy.round_trips
            step()
            counts.append(proxy.round_trips - before)
        assert counts == [1, 1, 1, 1, 1, 1, 0, 1, 1]

    def test_an_error_is_one_round_trip_too(
        self, connect: Connect, count_round_trips: CountRoundTrips, shared_database: DatabaseCopy
    ) -> None:
        proxy = count_round_trips(shared_database.server.port)
        connected = connect(port=proxy.port, role=AUTH_ROLE)
        before = proxy.round_trips
        with pytest.raises(DatabaseError):
            value(connected, "select 1/0")
        assert proxy.round_trips - before == 1

    def test_sqlalchemy_sends_no_queries_of_its_own(
        self, shared_database: DatabaseCopy, sent: list[bytes], count_round_trips: CountRoundTrips
    ) -> None:
        proxy = count_round_trips(shared_database.server.port)
        database = Database(DatabaseUrl.parse(url_through_port(proxy.port, shared_database)), pool_size=0)
        with database.transaction() as session:
            session.connection().execute(text("select 1"))
        proxy.wait_until_closed()
        begin, commit, terminate = sent
        assert statements(begin) == ["BEGIN", 'SET LOCAL ROLE "todo_auth"', "select 1"]
        assert (kinds(commit), kinds(terminate)) == ("Q", "X")
        to_connect = 4  # TCP, startup, two of SCRAM
        assert proxy.round_trips == to_connect + 2


@pytest.mark.spec("SC-010", "FR-023")
class TestTransactions:
    """Every statement runs in a transaction, as the role with which it starts."""

    @pytest.mark.parametrize("statement", ["select current_user", "select current_user where $1::int = 1"])
    def test_the_role_holds_from_the_very_first_statement(self, connect: Connect, statement: str) -> None:
        connected = connect(role=AUTH_ROLE)
        values = (1,) if "$1" in statement else ()
        for _ in range(3):
            assert value(connected, statement, *values) == AUTH_ROLE
            assert value(connected, statement, *values) == AUTH_ROLE
            connected.commit()

    def test_the_role_ends_with_the_transaction(self, connect: Connect) -> None:
        connected = connect(role=AUTH_ROLE)
        value(connected, "select 1")
        connected.commit()
        connected._opening, connected._has_role = connection._unit("BEGIN"), False
        assert value(connected, "select current_user") == LOGIN

    def test_a_first_statement_that_fails_does_not_leave_the_transaction(self, connect: Connect) -> None:
        connected = connect(role=AUTH_ROLE)
        with pytest.raises(DatabaseError) as failed:
            value(connected, "select nonsense")
        assert sqlstate(failed.value) == "42703"
        with pytest.raises(DatabaseError) as failed:
            value(connected, "select 1")
        assert sqlstate(failed.value) == "25P02"
        connected.rollback()
        assert value(connected, "select current_user") == AUTH_ROLE

    def test_a_missing_role_lets_no_statement_run(self, connect: Connect) -> None:
        connected = connect(role='no"body')
        with pytest.raises(DatabaseError):
            value(connected, "select 1")
        connected.rollback()
        assert connected.is_quiet

    def test_committing_a_failed_transaction_is_an_error_and_no_silent_rollback(self, connect: Connect) -> None:
        connected = connect()
        with pytest.raises(DatabaseError):
            value(connected, "select 1/0")
        with pytest.raises(InterfaceError):
            connected.commit()
        assert value(connected, "select 1") == 1

    def test_a_savepoint_can_be_used_after_an_error(self, connect: Connect) -> None:
        connected = connect()
        cursor = connected.cursor()
        cursor.execute("savepoint here")
        with pytest.raises(DatabaseError):
            cursor.execute("select 1/0")
        cursor.execute("rollback to savepoint here")
        assert value(connected, "select 1") == 1
        connected.commit()

    @pytest.mark.parametrize("values", [(), (1,)])
    def test_autocommit_with_a_role_is_refused(
        self, connect: Connect, sent: list[bytes], values: tuple[int, ...]
    ) -> None:
        connected = connect(role=AUTH_ROLE)
        connected.autocommit = True
        with pytest.raises(NotSupportedError):
            value(connected, "select 1 where 1 = $1::int" if values else "select 1", *values)
        assert sent == []

    def test_autocommit_without_a_role_opens_no_transaction(self, connect: Connect, sent: list[bytes]) -> None:
        connected = connect()
        connected.autocommit = True
        assert value(connected, "select $1::int", 1) == 1
        assert [kinds(flight) for flight in sent] == ["PBDES"]
        connected.commit()
        assert len(sent) == 1


class TestRefused:
    """The connection offers nothing that does not work behind a transaction pooler."""

    def test_prepared_statements_are_refused(self, connect: Connect, sent: list[bytes]) -> None:
        connected = connect()
        with pytest.raises(NotSupportedError):
            connected.prepare_statement("select 1")
        with pytest.raises(NotSupportedError):
            connected.prepare("select 1")
        assert sent == []

    def test_copy_is_refused(self, connect: Connect, sent: list[bytes]) -> None:
        connected = connect()
        with pytest.raises(NotSupportedError):
            connected.cursor().execute("copy users to stdout", stream=object())
        assert sent == []

    def test_pg8000s_own_methods_run_a_statement_with_the_role_too(self, connect: Connect) -> None:
        connected = connect(role=AUTH_ROLE)
        assert connected.execute_simple("select current_user").rows == [[AUTH_ROLE]]
        connected.commit()
        assert connected.execute_unnamed("select current_user").rows == [[AUTH_ROLE]]

    def test_a_closed_cursor_and_a_closed_connection_refuse_statements(self, connect: Connect) -> None:
        connected = connect()
        cursor = connected.cursor()
        cursor.close()
        with pytest.raises(InterfaceError):
            cursor.execute("select 1")
        connected.close()
        with pytest.raises(ConnectionLost):
            connected.cursor().execute("select 1")


@pytest.mark.spec("EDGE-special-characters-in-task-data")
def test_text_is_utf_8_whatever_the_server_prefers(fresh_database: DatabaseCopy) -> None:
    with fresh_database.connect_as_owner() as owner:
        owner.run(f"alter database {fresh_database.name} set client_encoding = 'LATIN1'")
    connected = Connection.open(DatabaseUrl.parse(fresh_database.url))
    assert value(connected, "select char_length($1)", "é🐘") == 2
    assert value(connected, "select $1::text || 'ü🐘'", "é") == "éü🐘"
    connected.close()


@pytest.mark.spec("EDGE-special-characters-in-task-data")
class TestValues:
    """Values come back as they were sent."""

    @pytest.mark.parametrize(
        ("kind", "given_value"),
        [
            ("int", 7),
            ("bigint", -(2**62)),
            ("bool", True),
            ("float8", 0.1),
            ("text", "Zürich 🐘 \u2028 ' \" \\ $1 %s :name"),
            ("text", ""),
            ("text", None),
            ("uuid", uuid4()),
            ("int[]", [1, 2, None]),
            ("text[]", ["a,b", 'c"d', "e\\f", "", "{}", "NULL", "🐘"]),
            ("text[]", []),
            ("timestamptz", datetime(2026, 2, 3, 4, 5, 6, 789, UTC)),
            ("timestamptz", datetime(2026, 2, 3, 4, 5, 6, 0, timezone(timedelta(hours=5, minutes=30)))),
            ("interval", timedelta(days=7, seconds=3)),
            ("bytea", b"\x00\xff"),
        ],
    )
    def test_come_back_as_they_were_sent(self, connect: Connect, kind: str, given_value: object) -> None:
        assert value(connect(), f"select $1::{kind}", given_value) == given_value

    @settings(deadline=None, max_examples=200)
    @given(anything=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
    def test_any_text_comes_back(self, one_connection: Connection, anything: str) -> None:
        assert value(one_connection, "select $1::text", anything) == anything

    @pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati", "-07:30"])
    @pytest.mark.parametrize("moment", ["2026-02-03T04:05:06.789012+00:00", "1999-12-31T23:59:59+00:00"])
    def test_a_timestamp_is_the_same_in_every_time_zone(self, connect: Connect, zone: str, moment: str) -> None:
        connected = connect()
        value(connected, "select set_config('timezone', $1, true)", zone)
        read = value(connected, "select $1::timestamptz", moment)
        assert read == datetime.fromisoformat(moment)
        assert read.tzinfo is not None

    def test_a_time_zone_with_seconds_is_read(self, connect: Connect) -> None:
        connected = connect()
        value(connected, "select set_config('timezone', 'Europe/Zurich', true)")
        assert value(connected, "select '1850-01-01 00:00:00+00'::timestamptz") == datetime(1850, 1, 1, tzinfo=UTC)

    def test_ids_are_uuids(self, connect: Connect) -> None:
        assert isinstance(value(connect(), "select gen_random_uuid()"), UUID)

    def test_an_empty_result_has_columns_and_no_rows(self, connect: Connect) -> None:
        cursor = connect().cursor()
        cursor.execute("select 1 as one, 'x' as two where false")
        assert [column[0] for column in cursor.description or ()] == ["one", "two"]
        assert (cursor.fetchall(), cursor.fetchone(), cursor.rowcount) == ((), None, 0)

    def test_several_rows_come_in_order_and_are_counted(self, connect: Connect) -> None:
        cursor = connect().cursor()
        cursor.execute("select n, n * n from generate_series(1, $1::int) n", (3,))
        assert cursor.fetchone() == [1, 1]
        assert cursor.fetchmany(1) == ([2, 4],)
        assert cursor.fetchall() == ([3, 9],)
        assert cursor.rowcount == 3

    def test_changes_are_counted_and_give_no_rows(self, connect: Connect) -> None:
        connected = connect()
        cursor = connected.cursor()
        cursor.execute("create temporary table numbers (n int) on commit drop")
        assert (cursor.description, cursor.rowcount) == (None, -1)
        for statement, count in [
            ("insert into numbers select generate_series(1, 5)", 5),
            ("update numbers set n = n + 1 where n > 3", 2),
            ("delete from numbers", 5),
            ("delete from numbers", 0),
        ]:
            cursor.execute(statement)
            assert cursor.rowcount == count
        cursor.executemany("insert into numbers values ($1)", [(1,), (2,), (3,)])
        assert cursor.rowcount == 3
        connected.rollback()

    def test_begin_and_the_role_are_not_counted_among_the_rows(self, connect: Connect) -> None:
        cursor = connect(role=AUTH_ROLE).cursor()
        cursor.execute("select 1 union select 2")
        assert cursor.rowcount == 2

    def test_a_megabyte_goes_both_ways(self, connect: Connect) -> None:
        large = "ä🐘" * 200_000
        assert value(connect(), "select $1::text", large) == large

    def test_an_empty_statement_is_harmless(self, connect: Connect) -> None:
        connected = connect()
        connected.cursor().execute("")
        assert value(connected, "select 1") == 1


class TestErrors:
    """An error ends the statement and not the connection."""

    @pytest.mark.parametrize(
        ("statement", "values", "state"),
        [
            ("select 1/0", (), "22012"),
            ("select 1/$1::int", (0,), "22012"),
            ("selct 1", (), "42601"),
            ("select * from nothing", (), "42P01"),
            ("select $1::uuid", ("not one",), "22P02"),
            ("select $1::text", ("a\0b",), "22021"),
            ("select $1::int", (), "08P01"),
            ("select 1/(n - 50000) from generate_series(1, 60000) n", (), "22012"),
        ],
    )
    def test_leaves_the_connection_usable(
        self, connect: Connect, statement: str, values: tuple[object, ...], state: str
    ) -> None:
        connected = connect(role=AUTH_ROLE)
        for _ in range(2):
            with pytest.raises(DatabaseError) as failed:
                value(connected, statement, *values)
            assert sqlstate(failed.value) == state
            connected.rollback()
            assert value(connected, "select $1::int", 7) == 7
            connected.commit()

    def test_a_cancelled_statement_leaves_the_connection_usable(self, connect: Connect) -> None:
        connected = connect()
        value(connected, "select set_config('statement_timeout', '50', true)")
        with pytest.raises(DatabaseError) as failed:
            value(connected, "select pg_sleep(60)")
        assert sqlstate(failed.value) == "57014"
        connected.rollback()
        assert value(connected, "select 7") == 7

    @pytest.mark.parametrize("values", [("\ud800",), (["\udfff"],)])
    def test_text_that_is_not_unicode_is_never_sent(
        self, connect: Connect, sent: list[bytes], values: tuple[object, ...]
    ) -> None:
        connected = connect(role=AUTH_ROLE)
        with pytest.raises(UnicodeEncodeError):
            value(connected, "select $1::text", *values)
        assert sent == []
        assert value(connected, "select 7") == 7


@pytest.mark.spec("NFR-014", "EDGE-database-connection-failure")
class TestNetwork:
    """Sockets, time limits, and the end of a connection."""

    def test_small_messages_leave_at_once_and_a_dead_peer_is_detected(self, connect: Connect) -> None:
        sock = connect()._usock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0

    def test_connecting_has_a_time_limit_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "CONNECT_TIMEOUT_SECONDS", 0.1)
        monkeypatch.setattr(connection, "READ_TIMEOUT_SECONDS", 600)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = DatabaseUrl.parse(f"postgresql://ada:secret@127.0.0.1:{silent.getsockname()[1]}/todo")
            started = time.monotonic()
            with pytest.raises(ConnectFailed):
                Connection(url)
        assert time.monotonic() - started < SERIAL_TIMEOUT_SECONDS

    def test_a_statement_may_take_longer_than_connecting(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connected = connect()
        monkeypatch.setattr(connection, "CONNECT_TIMEOUT_SECONDS", 0.01)
        connected._usock.settimeout(0.01)
        assert value(connected, "select 7 from pg_sleep(0.3)") == 7

    def test_waiting_for_an_answer_has_a_time_limit(self, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        connected = connect()
        monkeypatch.setattr(connection, "READ_TIMEOUT_SECONDS", 0.1)
        started = time.monotonic()
        with pytest.raises(ConnectionLost):
            value(connected, "select pg_sleep(600)")
        assert time.monotonic() - started < SERIAL_TIMEOUT_SECONDS
        assert not connected.is_quiet
        connected.rollback()
        connected.close()

    def test_sending_to_a_frozen_server_has_a_time_limit(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connected = connect()
        frozen = value(connected, "select pg_backend_pid()")
        monkeypatch.setattr(connection, "READ_TIMEOUT_SECONDS", 0.5)
        os.kill(frozen, signal.SIGSTOP)
        try:
            started = time.monotonic()
            with pytest.raises(ConnectionLost):
                value(connected, "select $1::text", "x" * 50_000_000)
            assert time.monotonic() - started < SERIAL_TIMEOUT_SECONDS
        finally:
            os.kill(frozen, signal.SIGCONT)

    def test_the_requests_remaining_time_is_the_limit(self, connect: Connect) -> None:
        connected = connect()
        deadline.start(0.2)
        try:
            started = time.monotonic()
            with pytest.raises(ConnectionLost):
                value(connected, "select pg_sleep(600)")
            assert time.monotonic() - started < SERIAL_TIMEOUT_SECONDS
        finally:
            deadline._deadline.set(None)

    def test_nothing_is_sent_after_the_requests_deadline(self, connect: Connect, sent: list[bytes]) -> None:
        connected = connect()
        value(connected, "select 1")
        sent.clear()
        deadline.start(-1)
        try:
            with pytest.raises(OutOfTime):
                connected.commit()
        finally:
            deadline._deadline.set(None)
        assert sent == []
        assert not connected.is_quiet

    def test_the_servers_last_error_message_is_raised(self, connect: Connect, shared_database: DatabaseCopy) -> None:
        connected = connect()
        pid = value(connected, "select pg_backend_pid()")
        with shared_database.connect_as_owner() as owner:
            waiting = "select count(*) from pg_stat_activity where pid = :pid and state = 'active'"

            def terminate() -> None:
                while owner.run(waiting, pid=pid) != [[1]]:
                    time.sleep(0.01)
                owner.run("select pg_terminate_backend(:pid)", pid=pid)

            thread = threading.Thread(target=terminate)
            thread.start()
            with pytest.raises(DatabaseError) as ended:
                value(connected, "select pg_sleep(60)")
            thread.join()
        assert sqlstate(ended.value) == "57P01"
        assert Dialect().is_disconnect(ended.value, None, None)
        with pytest.raises(ConnectionLost):
            value(connected, "select 1")

    def test_an_idle_connection_detects_that_the_server_is_gone(
        self, connect: Connect, shared_database: DatabaseCopy
    ) -> None:
        connected = connect()
        pid = value(connected, "select pg_backend_pid()")
        connected.commit()
        assert connected.is_quiet
        with shared_database.connect_as_owner() as owner:
            owner.run("select pg_terminate_backend(:pid, 10000)", pid=pid)
        assert not connected.is_quiet
        connected.close()
        assert not connected.is_quiet

    def test_a_server_with_many_clients_can_still_check_its_connections(self, connect: Connect) -> None:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, limits[1]), limits[1]))
        opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        try:
            assert connect().is_quiet
        finally:
            for descriptor in opened:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    @pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", f"{'a' * 64}.example.com", "256.0.0.1"])
    def test_a_host_that_cannot_exist_is_a_failed_connection(self, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "WAKE_PAUSE_SECONDS", 0)
        with pytest.raises(ConnectFailed) as failed:
            Connection.open(DatabaseUrl.parse(f"postgresql://ada:secret@{host}/todo"))
        assert "secret" not in str(failed.value)

    def test_a_unix_socket_works_too(self, tmp_path: Any, shared_database: DatabaseCopy) -> None:
        path = tmp_path / ".s.PGSQL.5432"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            thread = threading.Thread(target=_forward_one, args=(listener, shared_database.server.port))
            thread.start()
            tcp = DatabaseUrl.parse(shared_database.url)
            password = shared_database.url.split("@")[0].rsplit(":", 1)[1]
            local = f"postgresql://{tcp.user}:{password}@/{tcp.database}?host={tmp_path}"
            with Connection.open(DatabaseUrl.parse(local)) as connected:
                assert value(connected, "select 7") == 7
            thread.join()


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
        thread.join()
