"""When the database, the pooler or the network fails, a request is 503, and the next one works without a restart."""

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

import httpx2
import pytest
from pg8000.native import Connection as OwnerConnection

from backend.postgres import connection, deadline
from backend.postgres.url import DatabaseUrl
from tests.conftest import ORIGIN, MakeClient
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import Elsewhere, Logged, StartPooler, levels_of_unavailable, url_through_port
from tests.support.people import Person

pytestmark = pytest.mark.spec("NFR-014", "NFR-016", "SC-018", "EDGE-database-connection-failure")

LIMIT_SECONDS = 25
"""More than ten times what an application with short timeouts waits for, and less than the usual timeouts."""
NOTHING_WRITTEN, UNKNOWN = "2", None
"""The `Retry-After` of a request that surely wrote nothing, and of one that may have written."""

ShortTimeouts = Callable[[], AbstractContextManager[None]]
Fault = Callable[[socket.socket], object]


@pytest.fixture
def cleo(make_client: MakeClient, fresh_database: DatabaseCopy) -> Person:
    """A user in a database of its own, which fails in these tests."""
    return Person.sign_up(make_client(database_url=fresh_database.url, database_pool_size=0))


@pytest.fixture
def superuser(fresh_database: DatabaseCopy) -> Iterator[OwnerConnection]:
    """A connection that can make Cleo's database fail."""
    with fresh_database.connect_as_owner() as connected:
        yield connected


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> ShortTimeouts:
    """Shortens the time limits. A request within this context must be answered within them."""

    @contextmanager
    def shortened() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(connection, "CONNECT_TIMEOUT_SECONDS", 0.3)
            patch.setattr(connection, "READ_TIMEOUT_SECONDS", 1.0)
            patch.setattr(connection, "WAKE_PAUSE_SECONDS", 0.01)
            started = time.monotonic()
            yield
            assert time.monotonic() - started < LIMIT_SECONDS

    return shortened


@pytest.fixture(autouse=True)
def quiet_sqlalchemy(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """SQLAlchemy logs nothing about a failure, because the application logs it once."""
    yield
    assert [record.getMessage() for record in caplog.records if record.name.startswith("sqlalchemy")] == []


class FaultyProxy:
    """A TCP proxy to a server on this machine, which fails on demand.

    :ivar fault: is called with a client instead of connecting it
    :ivar cut_at: bytes of a client at which its connection is cut
    :ivar drop_answer: cut only after the server has received them and done its work
    """

    def __init__(self, port: int) -> None:
        self.fault: Fault | None = None
        self.cut_at: bytes | None = None
        self.drop_answer = False
        self._target_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._waiting: list[socket.socket] = []
        self.open()

    def open(self) -> None:
        """Accept clients."""
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Refuse clients."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def reopen(self) -> None:
        """Accept clients again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.open()

    def hang_up(self) -> None:
        """Close the connections that are kept waiting."""
        while self._waiting:
            self._waiting.pop().close()

    def keep_waiting(self, client: socket.socket) -> None:
        """Keep a client waiting without an answer."""
        self._waiting.append(client)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                if self.fault:
                    self.fault(client)
                else:
                    threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target_port)) as server, suppress(OSError):
            threading.Thread(target=self._forward_answers, args=(server, client), daemon=True).start()
            while data := client.recv(65536):
                if self.cut_at and self.cut_at in data:
                    if self.drop_answer:
                        client.shutdown(socket.SHUT_WR)
                        server.sendall(data)
                        server.shutdown(socket.SHUT_WR)
                        while server.recv(65536):
                            pass
                    server.shutdown(socket.SHUT_RDWR)
                    return
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _forward_answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(fresh_database: DatabaseCopy) -> Iterator[FaultyProxy]:
    """A proxy to Cleo's database."""
    proxy = FaultyProxy(fresh_database.server.port)
    yield proxy
    proxy.close()
    proxy.hang_up()


@pytest.fixture
def cleo_behind_proxy(cleo: Person, elsewhere: Elsewhere, proxy: FaultyProxy, fresh_database: DatabaseCopy) -> Person:
    """Cleo, at an application that connects through the proxy for every request."""
    return elsewhere(cleo, database_url=url_through_port(proxy.port, fresh_database))


def post(person: Person, title: str = "Buy milk") -> httpx2.Response:
    """A request that writes, as a browser sends it."""
    return person.post("/api/tasks", json={"title": title}, headers={"Origin": ORIGIN})


def check_unavailable(answer: httpx2.Response, retry_after: str | None = NOTHING_WRITTEN) -> None:
    """Check the contract's 503: a browser can read it, and it discloses nothing about the database."""
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, retry_after)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.json() == {"detail": "The service is unavailable for a moment. Please try again."}


def check_healed(person: Person, *written_before: str) -> None:
    """Check that the next request works, and that the failed ones wrote nothing."""
    assert post(person, "Healed").status_code == 201
    assert [task["title"] for task in person.tasks()] == [*written_before, "Healed"]


def check_no_connection_is_left(superuser: OwnerConnection) -> None:
    """Wait until the server has no connection of the application's. It may notice the end of one late."""
    deadline = time.monotonic() + LIMIT_SECONDS
    connected = (
        "select pid, state, query from pg_stat_activity where datname = current_database() and usename = 'todo_api'"
    )
    while left := superuser.run(connected):
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def reset(client: socket.socket) -> None:
    """Reset the connection: an RST instead of a FIN."""
    client.recv(8)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def answer_with(garbage: bytes) -> Fault:
    """Answer the client with these bytes, and close the connection."""

    def say(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(65536)
            client.sendall(garbage)

    return say


class TestConnecting:
    """The connection cannot be opened."""

    def test_a_refused_connection(
        self, cleo_behind_proxy: Person, proxy: FaultyProxy, short_timeouts: ShortTimeouts, superuser: OwnerConnection
    ) -> None:
        proxy.close()
        with short_timeouts():
            check_unavailable(post(cleo_behind_proxy))
        proxy.reopen()
        check_healed(cleo_behind_proxy)
        check_no_connection_is_left(superuser)

    def test_an_unknown_host_name(
        self,
        cleo_behind_proxy: Person,
        short_timeouts: ShortTimeouts,
        superuser: OwnerConnection,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def unknown(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        with short_timeouts(), monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", unknown)
            check_unavailable(post(cleo_behind_proxy))
        check_healed(cleo_behind_proxy)
        check_no_connection_is_left(superuser)

    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param(reset, id="reset"),
            pytest.param(socket.socket.close, id="closed"),
            pytest.param(answer_with(b"HTTP/1.1 400 Bad Request\r\n\r\n"), id="another protocol"),
            pytest.param(answer_with(b"\xff" * 100), id="bytes of no meaning"),
            pytest.param(answer_with(b"R\0\0"), id="half a message"),
            pytest.param(answer_with(b"R\0\0\0\x02"), id="a message shorter than itself"),
            pytest.param(answer_with(b"R\0\0\0\x08\0\0\0\x63"), id="an authentication that does not exist"),
            pytest.param(answer_with(b"R\0\0\0\x17\0\0\0\x0aSCRAM-UNKNOWN\0\0"), id="a mechanism that does not exist"),
        ],
    )
    @pytest.mark.parametrize("tls", [False, True])
    def test_a_handshake_that_fails(
        self,
        fault: Fault,
        tls: bool,
        cleo: Person,
        elsewhere: Elsewhere,
        fresh_database: DatabaseCopy,
        proxy: FaultyProxy,
        short_timeouts: ShortTimeouts,
        superuser: OwnerConnection,
    ) -> None:
        mode = "?sslmode=require" if tls else ""
        there = elsewhere(cleo, database_url=url_through_port(proxy.port, fresh_database) + mode)
        proxy.fault = fault
        with short_timeouts():
            check_unavailable(post(there))
        proxy.fault = None
        if not tls:  # this PostgreSQL has no TLS
            check_healed(there)
        check_no_connection_is_left(superuser)

    def test_a_server_that_never_answers(
        self, cleo_behind_proxy: Person, proxy: FaultyProxy, short_timeouts: ShortTimeouts, superuser: OwnerConnection
    ) -> None:
        proxy.fault = proxy.keep_waiting
        with short_timeouts():
            check_unavailable(post(cleo_behind_proxy))
        proxy.fault = None
        check_healed(cleo_behind_proxy)
        check_no_connection_is_left(superuser)

    def test_a_compute_that_wakes_up_is_waited_for(
        self, cleo_behind_proxy: Person, proxy: FaultyProxy, superuser: OwnerConnection
    ) -> None:
        def refuse_once(client: socket.socket) -> None:
            proxy.fault = None
            client.close()

        proxy.fault = refuse_once
        check_healed(cleo_behind_proxy)
        check_no_connection_is_left(superuser)

    @pytest.mark.parametrize("state", ["53300", "57P03", "08P01"])
    def test_a_server_that_is_full_or_starting_up_is_tried_once_more(
        self, state: str, cleo_behind_proxy: Person, proxy: FaultyProxy
    ) -> None:
        fields = f"SFATAL\0VFATAL\0C{state}\0Mnot now\0\0".encode()
        refused = []

        def refuse_once(client: socket.socket) -> None:
            proxy.fault = None
            refused.append(state)
            answer_with(b"E" + struct.pack("!i", len(fields) + 4) + fields)(client)

        proxy.fault = refuse_once
        check_healed(cleo_behind_proxy)
        assert refused == [state]

    def test_a_wrong_password(
        self,
        cleo: Person,
        elsewhere: Elsewhere,
        fresh_database: DatabaseCopy,
        superuser: OwnerConnection,
        logged: Logged,
    ) -> None:
        superuser.run("drop role if exists todo_renamed")
        superuser.run("create role todo_renamed login noinherit password 'old'")
        superuser.run("grant todo_auth, todo_user to todo_renamed with inherit false, set true")
        url = f"postgresql://todo_renamed:new@127.0.0.1:{fresh_database.server.port}/{fresh_database.name}"
        there = elsewhere(cleo, database_url=url)
        check_unavailable(post(there))
        assert levels_of_unavailable(logged) == ["ERROR"]
        superuser.run("alter role todo_renamed password 'new'")
        check_healed(there)
        superuser.run("drop role todo_renamed")

    def test_a_database_that_is_not_there(
        self, cleo: Person, elsewhere: Elsewhere, fresh_database: DatabaseCopy, logged: Logged
    ) -> None:
        check_unavailable(post(elsewhere(cleo, database_url=f"{fresh_database.url}_of_old")))
        assert levels_of_unavailable(logged) == ["ERROR"]

    def test_a_database_that_was_never_migrated(
        self, cleo: Person, elsewhere: Elsewhere, fresh_database: DatabaseCopy, logged: Logged
    ) -> None:
        empty = DatabaseCopy(fresh_database.server, f"{fresh_database.name}_empty")
        empty.create(source="template0")
        check_unavailable(post(elsewhere(cleo, database_url=empty.url)))
        assert levels_of_unavailable(logged) == ["ERROR"]
        empty.drop()


@contextmanager
def locked_tasks(database: DatabaseCopy) -> Iterator[None]:
    """Lock the table of tasks: every access has to wait."""
    with database.connect_as_owner() as locker:
        locker.run("begin")
        locker.run("lock table tasks in access exclusive mode")
        yield


def waiting_backend(superuser: OwnerConnection) -> int:
    """Wait until the application waits for a lock. Gives its server process."""
    waiting = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (found := superuser.run(waiting)):
        assert time.monotonic() < deadline, "the request has not reached the lock"
        time.sleep(0.005)
    return int(found[0][0])


@pytest.fixture
def meanwhile() -> Iterator[Callable[..., "Future[httpx2.Response]"]]:
    """Sends requests in another thread."""
    with ThreadPoolExecutor() as threads:
        yield threads.submit


Meanwhile = Callable[..., "Future[httpx2.Response]"]


@pytest.mark.spec("SC-010")
class TestDuringATransaction:
    """The failure happens after the transaction has begun."""

    def test_the_server_process_is_terminated(
        self, cleo: Person, fresh_database: DatabaseCopy, superuser: OwnerConnection, meanwhile: Meanwhile
    ) -> None:
        with locked_tasks(fresh_database):
            request = meanwhile(post, cleo)
            superuser.run("select pg_terminate_backend(:pid)", pid=waiting_backend(superuser))
            check_unavailable(request.result())
        check_healed(cleo)
        check_no_connection_is_left(superuser)

    def test_the_server_process_is_frozen(
        self,
        cleo: Person,
        fresh_database: DatabaseCopy,
        superuser: OwnerConnection,
        meanwhile: Meanwhile,
        short_timeouts: ShortTimeouts,
    ) -> None:
        with locked_tasks(fresh_database), short_timeouts():
            request = meanwhile(post, cleo)
            frozen = waiting_backend(superuser)
            os.kill(frozen, signal.SIGSTOP)
        try:
            check_unavailable(request.result())
            check_healed(cleo)
        finally:
            os.kill(frozen, signal.SIGCONT)
        check_no_connection_is_left(superuser)
        assert [task["title"] for task in cleo.tasks()] == ["Healed"]

    def test_the_whole_server_is_frozen(
        self, cleo: Person, fresh_database: DatabaseCopy, superuser: OwnerConnection, short_timeouts: ShortTimeouts
    ) -> None:
        postmaster = int((fresh_database.server.directory / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)
        try:
            with short_timeouts():
                check_unavailable(post(cleo))
        finally:
            os.kill(postmaster, signal.SIGCONT)
        check_healed(cleo)
        check_no_connection_is_left(superuser)

    @pytest.mark.parametrize(("setting", "state"), [("statement_timeout", "57014"), ("lock_timeout", "55P03")])
    def test_a_statement_takes_too_long(
        self,
        setting: str,
        state: str,
        cleo: Person,
        fresh_database: DatabaseCopy,
        superuser: OwnerConnection,
        logged: Logged,
    ) -> None:
        superuser.run(f"alter role todo_api in database {fresh_database.name} set {setting} = '200ms'")
        with locked_tasks(fresh_database):
            check_unavailable(post(cleo))
        assert [line["reason"] for line in logged() if "reason" in line] == [state]
        superuser.run(f"alter role todo_api in database {fresh_database.name} reset {setting}")
        check_healed(cleo)
        check_no_connection_is_left(superuser)

    def test_the_network_breaks(
        self, cleo_behind_proxy: Person, proxy: FaultyProxy, superuser: OwnerConnection
    ) -> None:
        for message in (b"BEGIN", b"INSERT INTO tasks"):
            proxy.cut_at = message
            check_unavailable(post(cleo_behind_proxy))
        proxy.cut_at = None
        check_healed(cleo_behind_proxy)
        check_no_connection_is_left(superuser)

    @pytest.mark.parametrize(("drop_answer", "written"), [(True, ["Buy milk"]), (False, [])])
    def test_the_answer_to_a_commit_is_lost(
        self,
        drop_answer: bool,
        written: list[str],
        cleo_behind_proxy: Person,
        proxy: FaultyProxy,
        superuser: OwnerConnection,
    ) -> None:
        proxy.cut_at, proxy.drop_answer = b"COMMIT", drop_answer
        check_unavailable(post(cleo_behind_proxy), UNKNOWN)
        proxy.cut_at = None
        check_healed(cleo_behind_proxy, *written)
        check_no_connection_is_left(superuser)

    def test_the_answer_to_a_commit_never_comes(
        self,
        cleo: Person,
        superuser: OwnerConnection,
        short_timeouts: ShortTimeouts,
    ) -> None:
        at_commit(superuser, "perform pg_sleep(3)")
        with short_timeouts():
            check_unavailable(post(cleo), UNKNOWN)
        superuser.run("drop trigger fail on tasks")
        check_no_connection_is_left(superuser)


def create_trigger_function(superuser: OwnerConnection, body: str) -> None:
    superuser.run("create sequence if not exists attempts")
    superuser.run(f"""
        create or replace function fail() returns trigger language plpgsql security definer as $$
        begin {body}; return new; end $$
    """)


def at_insert(superuser: OwnerConnection, body: str) -> None:
    """Run this PL/pgSQL at every insert of a task from here on."""
    create_trigger_function(superuser, body)
    superuser.run("create trigger fail before insert on tasks for each row execute function fail()")


def at_commit(superuser: OwnerConnection, body: str) -> None:
    """Run this PL/pgSQL at every commit of a new task from here on."""
    create_trigger_function(superuser, body)
    superuser.run("""
        create constraint trigger fail after insert on tasks deferrable initially deferred
        for each row execute function fail()
    """)


at_insert_or_commit = pytest.mark.parametrize("trigger_at", [at_insert, at_commit])


@pytest.mark.spec("SC-010")
class TestRefusedByTheServer:
    """PostgreSQL refuses the statement, for good or until it is tried again."""

    @at_insert_or_commit
    @pytest.mark.parametrize("state", ["53100", "53200", "57014"])
    def test_the_disk_is_full(
        self, trigger_at: Callable[..., None], state: str, cleo: Person, superuser: OwnerConnection
    ) -> None:
        trigger_at(superuser, f"raise exception 'could not extend file' using errcode = '{state}'")
        check_unavailable(post(cleo))
        superuser.run("drop trigger fail on tasks")
        check_healed(cleo)
        check_no_connection_is_left(superuser)

    @pytest.mark.spec("EDGE-concurrent-task-updates")
    @at_insert_or_commit
    @pytest.mark.parametrize("state", ["40001", "40P01"])
    def test_a_conflict_is_retried(
        self, trigger_at: Callable[..., None], state: str, cleo: Person, superuser: OwnerConnection
    ) -> None:
        trigger_at(
            superuser, f"if nextval('attempts') <= 2 then raise exception 'no' using errcode = '{state}'; end if"
        )
        check_healed(cleo)
        assert superuser.run("select last_value from attempts") == [[3]]

    @at_insert_or_commit
    def test_a_conflict_that_persists_is_503(
        self, trigger_at: Callable[..., None], cleo: Person, superuser: OwnerConnection
    ) -> None:
        trigger_at(superuser, "perform nextval('attempts'); raise exception 'no' using errcode = '40001'")
        check_unavailable(post(cleo))
        assert superuser.run("select last_value from attempts") == [[3]]
        superuser.run("drop trigger fail on tasks")
        check_healed(cleo)

    def test_a_real_deadlock_lets_both_transactions_succeed(
        self, cleo: Person, fresh_database: DatabaseCopy, superuser: OwnerConnection, meanwhile: Meanwhile
    ) -> None:
        task = cleo.create_task("Deadlocked")
        superuser.run(f"alter role todo_api in database {fresh_database.name} set deadlock_timeout = '1s'")
        create_trigger_function(superuser, "perform pg_advisory_xact_lock(7)")
        superuser.run("create trigger fail before update on tasks for each row execute function fail()")
        with fresh_database.connect_as_owner() as rival:
            rival.run("set deadlock_timeout = '1min'")  # so that the deadlock ends the application's transaction
            rival.run("begin")
            rival.run("select pg_advisory_xact_lock(7)")
            request = meanwhile(cleo.patch, f"/api/tasks/{task['id']}/toggle")
            waiting_backend(superuser)
            # It waits for the table's lock, which the application holds.
            rival.run("alter table tasks disable trigger user")
            rival.run("alter table tasks enable trigger user")
            rival.run("commit")
            answer = request.result()
        assert (answer.status_code, answer.json()["completed"]) == (200, True)


class TestBudget:
    """A request ends before API Gateway's time limit."""

    def test_is_below_api_gateways_limit(self) -> None:
        assert deadline.REQUEST_BUDGET_SECONDS < 29
        assert connection.CONNECT_TIMEOUT_SECONDS * 2 < deadline.REQUEST_BUDGET_SECONDS

    def test_bounds_connecting(
        self, cleo_behind_proxy: Person, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proxy.fault = proxy.keep_waiting
        with small_budget(monkeypatch):
            check_unavailable(post(cleo_behind_proxy))
        proxy.fault = None
        check_healed(cleo_behind_proxy)

    def test_bounds_statements(
        self,
        cleo: Person,
        fresh_database: DatabaseCopy,
        superuser: OwnerConnection,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with small_budget(monkeypatch), locked_tasks(fresh_database):
            check_unavailable(post(cleo))
        check_healed(cleo)
        check_no_connection_is_left(superuser)

    def test_bounds_retries(self, cleo: Person, superuser: OwnerConnection, monkeypatch: pytest.MonkeyPatch) -> None:
        at_insert(superuser, "perform pg_sleep(0.8), nextval('attempts'); raise exception 'no' using errcode = '40001'")
        with small_budget(monkeypatch):
            check_unavailable(post(cleo))
        superuser.run("drop trigger fail on tasks")
        check_healed(cleo)
        check_no_connection_is_left(superuser)


@contextmanager
def small_budget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Limit a whole request to one second, with long time limits for its steps."""
    with monkeypatch.context() as patch:
        patch.setattr(connection, "CONNECT_TIMEOUT_SECONDS", 600)
        patch.setattr(connection, "READ_TIMEOUT_SECONDS", 600)
        patch.setattr(deadline.start, "__defaults__", (1.0,))
        started = time.monotonic()
        yield
        assert time.monotonic() - started < LIMIT_SECONDS


class TestPooler:
    """The pooler fails."""

    def test_is_full(
        self, cleo: Person, elsewhere: Elsewhere, start_pooler: StartPooler, fresh_database: DatabaseCopy
    ) -> None:
        pooler = start_pooler(max_clients=2)
        url = pooler.url(fresh_database)
        there = elsewhere(cleo, database_url=url, database_ca_file=str(pooler.ca_file))
        with ExitStack() as others:
            for _ in range(2):
                parsed = DatabaseUrl.parse(url, ca_file=str(pooler.ca_file))
                others.enter_context(connection.Connection.open(parsed))
            check_unavailable(post(there))
        check_healed(there)

    def test_has_no_connection_free(
        self,
        cleo: Person,
        elsewhere: Elsewhere,
        start_pooler: StartPooler,
        fresh_database: DatabaseCopy,
    ) -> None:
        pooler = start_pooler(pool_size=1, wait_seconds=1)
        url = pooler.url(fresh_database)
        there = elsewhere(cleo, database_url=url, database_ca_file=str(pooler.ca_file))
        with connection.Connection.open(DatabaseUrl.parse(url, ca_file=str(pooler.ca_file))) as other:
            other.cursor().execute("select 1")
            check_unavailable(post(there))
            other.rollback()
        check_healed(there)

    @pytest.mark.parametrize("pool_size", [0, 3])
    def test_is_restarted(
        self,
        pool_size: int,
        cleo: Person,
        elsewhere: Elsewhere,
        start_pooler: StartPooler,
        fresh_database: DatabaseCopy,
        short_timeouts: ShortTimeouts,
    ) -> None:
        pooler = start_pooler()
        url = pooler.url(fresh_database)
        there = elsewhere(cleo, database_url=url, database_ca_file=str(pooler.ca_file), database_pool_size=pool_size)
        assert post(there, "Before").status_code == 201
        pooler.stop()
        with short_timeouts():
            check_unavailable(post(there))
        pooler.start()
        check_healed(there, "Before")
        pooler.stop()
        pooler.start()  # a restart between two requests changes nothing
        assert len(there.tasks()) == 2

    def test_has_the_certificate_of_another_host(
        self,
        cleo: Person,
        elsewhere: Elsewhere,
        start_pooler: StartPooler,
        fresh_database: DatabaseCopy,
        logged: Logged,
    ) -> None:
        pooler = start_pooler(names=["DNS:elsewhere.example.com"])
        url = pooler.url(fresh_database)
        there = elsewhere(cleo, database_url=url, database_ca_file=str(pooler.ca_file))
        check_unavailable(post(there))
        assert levels_of_unavailable(logged) == ["ERROR"]
        pooler.authority.certify("IP:127.0.0.1")
        pooler.stop()
        pooler.start()
        check_healed(there)

    def test_loses_its_server_in_the_middle_of_a_commit(
        self,
        cleo: Person,
        elsewhere: Elsewhere,
        start_pooler: StartPooler,
        fresh_database: DatabaseCopy,
        superuser: OwnerConnection,
        meanwhile: Meanwhile,
    ) -> None:
        pooler = start_pooler()
        there = elsewhere(cleo, database_url=pooler.url(fresh_database), database_ca_file=str(pooler.ca_file))
        at_commit(superuser, "perform pg_advisory_xact_lock(7)")
        with fresh_database.connect_as_owner() as rival:
            rival.run("begin")
            rival.run("select pg_advisory_xact_lock(7)")
            request = meanwhile(post, there)
            superuser.run("select pg_terminate_backend(:pid)", pid=waiting_backend(superuser))
            check_unavailable(request.result(), UNKNOWN)
        superuser.run("drop trigger fail on tasks")
        check_healed(there)
