"""What a request gets when the database, the pooler or the network fails: 503. And how all of it heals by itself."""

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
from tests.support.database_fixtures import Elsewhere, Logged, StartPooler, through, unavailable
from tests.support.people import Person

pytestmark = pytest.mark.spec("NFR-014", "NFR-016", "SC-018", "EDGE-database-connection-failure")

LIMIT_SECONDS = 25
"""More than ten times what an impatient application waits for, and less than what a patient one would."""
NOTHING_WRITTEN, UNKNOWN = "2", None
"""The `Retry-After` of a request that surely did nothing, and of one that may have done what it was asked to."""

Impatient = Callable[[], AbstractContextManager[None]]
Fault = Callable[[socket.socket], object]


@pytest.fixture
def cleo(make_client: MakeClient, fresh_database: DatabaseCopy) -> Person:
    """Somebody whose database fails."""
    return Person.sign_up(make_client(database_url=fresh_database.url, database_pool_size=0))


@pytest.fixture
def superuser(fresh_database: DatabaseCopy) -> Iterator[OwnerConnection]:
    """Who can make cleo's database fail."""
    with fresh_database.connect_as_owner() as connected:
        yield connected


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Impatient:
    """Shortens the time limits; what is asked in the meantime must be answered within them."""

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
    """A failure is reported once, by us: SQLAlchemy has no trouble of its own with it."""
    yield
    assert [record.getMessage() for record in caplog.records if record.name.startswith("sqlalchemy")] == []


class Gate:
    """The way to a server on this machine, on which things go wrong on demand.

    :ivar fault: what happens to a client in place of being connected
    :ivar cut_at: what a client must say to have its connection cut
    :ivar swallow_answer: cut only after the server has done what it was told
    """

    def __init__(self, port: int) -> None:
        self.fault: Fault | None = None
        self.cut_at: bytes | None = None
        self.swallow_answer = False
        self._target_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._held: list[socket.socket] = []
        self.open()

    def open(self) -> None:
        """Let clients come."""
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Refuse clients."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def reopen(self) -> None:
        """Let clients come again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.open()

    def release(self) -> None:
        """Hang up on whoever is kept waiting."""
        while self._held:
            self._held.pop().close()

    def hold(self, client: socket.socket) -> None:
        """Keep a client waiting."""
        self._held.append(client)

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
            threading.Thread(target=self._bring_back, args=(server, client), daemon=True).start()
            while data := client.recv(65536):
                if self.cut_at and self.cut_at in data:
                    if self.swallow_answer:
                        client.shutdown(socket.SHUT_WR)
                        server.sendall(data)
                        server.shutdown(socket.SHUT_WR)
                        while server.recv(65536):
                            pass
                    server.shutdown(socket.SHUT_RDWR)
                    return
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _bring_back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)


@pytest.fixture
def gate(fresh_database: DatabaseCopy) -> Iterator[Gate]:
    """The way to cleo's database."""
    gate = Gate(fresh_database.server.port)
    yield gate
    gate.close()
    gate.release()


@pytest.fixture
def cleo_behind_gate(cleo: Person, elsewhere: Elsewhere, gate: Gate, fresh_database: DatabaseCopy) -> Person:
    """Cleo, at an application that has to pass the gate for every request."""
    return elsewhere(cleo, database_url=through(gate.port, fresh_database))


def post(person: Person, title: str = "Buy milk") -> httpx2.Response:
    """A request that writes, as a browser sends it."""
    return person.post("/api/tasks", json={"title": title}, headers={"Origin": ORIGIN})


def check_unavailable(answer: httpx2.Response, retry_after: str | None = NOTHING_WRITTEN) -> None:
    """The contract's 503: readable by a browser, and silent about what is behind the API."""
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, retry_after)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.json() == {"detail": "The service is unavailable for a moment. Please try again."}


def check_healed(person: Person, *written_before: str) -> None:
    """The next request works, and of the failed ones nothing is there."""
    assert post(person, "Healed").status_code == 201
    assert [task["title"] for task in person.tasks()] == [*written_before, "Healed"]


def check_nobody_is_connected(superuser: OwnerConnection) -> None:
    """The server has no connection of the application's; it may take a moment to notice the end of one."""
    deadline = time.monotonic() + LIMIT_SECONDS
    connected = (
        "select pid, state, query from pg_stat_activity where datname = current_database() and usename = 'todo_api'"
    )
    while left := superuser.run(connected):
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def reset(client: socket.socket) -> None:
    """Hang up without a goodbye: an RST in place of a FIN."""
    client.recv(8)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def saying(garbage: bytes) -> Fault:
    """Answer whatever the client says with this, and hang up."""

    def say(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(65536)
            client.sendall(garbage)

    return say


class TestConnecting:
    """No connection comes about."""

    def test_a_refused_connection(
        self, cleo_behind_gate: Person, gate: Gate, impatient: Impatient, superuser: OwnerConnection
    ) -> None:
        gate.close()
        with impatient():
            check_unavailable(post(cleo_behind_gate))
        gate.reopen()
        check_healed(cleo_behind_gate)
        check_nobody_is_connected(superuser)

    def test_an_unknown_host_name(
        self,
        cleo_behind_gate: Person,
        impatient: Impatient,
        superuser: OwnerConnection,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def unknown(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        with impatient(), monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", unknown)
            check_unavailable(post(cleo_behind_gate))
        check_healed(cleo_behind_gate)
        check_nobody_is_connected(superuser)

    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param(reset, id="reset"),
            pytest.param(socket.socket.close, id="closed"),
            pytest.param(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), id="another protocol"),
            pytest.param(saying(b"\xff" * 100), id="bytes of no meaning"),
            pytest.param(saying(b"R\0\0"), id="half a message"),
            pytest.param(saying(b"R\0\0\0\x02"), id="a message shorter than itself"),
            pytest.param(saying(b"R\0\0\0\x08\0\0\0\x63"), id="an authentication that does not exist"),
            pytest.param(saying(b"R\0\0\0\x17\0\0\0\x0aSCRAM-UNKNOWN\0\0"), id="a mechanism that does not exist"),
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
        gate: Gate,
        impatient: Impatient,
        superuser: OwnerConnection,
    ) -> None:
        mode = "?sslmode=require" if tls else ""
        there = elsewhere(cleo, database_url=through(gate.port, fresh_database) + mode)
        gate.fault = fault
        with impatient():
            check_unavailable(post(there))
        gate.fault = None
        if not tls:  # this PostgreSQL has no TLS
            check_healed(there)
        check_nobody_is_connected(superuser)

    def test_a_server_that_never_answers(
        self, cleo_behind_gate: Person, gate: Gate, impatient: Impatient, superuser: OwnerConnection
    ) -> None:
        gate.fault = gate.hold
        with impatient():
            check_unavailable(post(cleo_behind_gate))
        gate.fault = None
        check_healed(cleo_behind_gate)
        check_nobody_is_connected(superuser)

    def test_a_compute_that_wakes_up_is_waited_for(
        self, cleo_behind_gate: Person, gate: Gate, superuser: OwnerConnection
    ) -> None:
        def refuse_once(client: socket.socket) -> None:
            gate.fault = None
            client.close()

        gate.fault = refuse_once
        check_healed(cleo_behind_gate)
        check_nobody_is_connected(superuser)

    @pytest.mark.parametrize("state", ["53300", "57P03", "08P01"])
    def test_a_server_that_is_full_or_starting_up_is_tried_once_more(
        self, state: str, cleo_behind_gate: Person, gate: Gate
    ) -> None:
        fields = f"SFATAL\0VFATAL\0C{state}\0Mnot now\0\0".encode()
        refused = []

        def refuse_once(client: socket.socket) -> None:
            gate.fault = None
            refused.append(state)
            saying(b"E" + struct.pack("!i", len(fields) + 4) + fields)(client)

        gate.fault = refuse_once
        check_healed(cleo_behind_gate)
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
        assert unavailable(logged) == ["ERROR"]
        superuser.run("alter role todo_renamed password 'new'")
        check_healed(there)
        superuser.run("drop role todo_renamed")

    def test_a_database_that_is_not_there(
        self, cleo: Person, elsewhere: Elsewhere, fresh_database: DatabaseCopy, logged: Logged
    ) -> None:
        check_unavailable(post(elsewhere(cleo, database_url=f"{fresh_database.url}_of_old")))
        assert unavailable(logged) == ["ERROR"]

    def test_a_database_that_was_never_migrated(
        self, cleo: Person, elsewhere: Elsewhere, fresh_database: DatabaseCopy, logged: Logged
    ) -> None:
        empty = DatabaseCopy(fresh_database.server, f"{fresh_database.name}_empty")
        empty.create(source="template0")
        check_unavailable(post(elsewhere(cleo, database_url=empty.url)))
        assert unavailable(logged) == ["ERROR"]
        empty.drop()


@contextmanager
def locked_tasks(database: DatabaseCopy) -> Iterator[None]:
    """While this lasts, whoever touches a task has to wait."""
    with database.connect_as_owner() as locker:
        locker.run("begin")
        locker.run("lock table tasks in access exclusive mode")
        yield


def waiting_backend(superuser: OwnerConnection) -> int:
    """The server process in which the application waits for a lock."""
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
class TestInTheMiddle:
    """The transaction has begun when it happens."""

    def test_the_server_process_is_terminated(
        self, cleo: Person, fresh_database: DatabaseCopy, superuser: OwnerConnection, meanwhile: Meanwhile
    ) -> None:
        with locked_tasks(fresh_database):
            request = meanwhile(post, cleo)
            superuser.run("select pg_terminate_backend(:pid)", pid=waiting_backend(superuser))
            check_unavailable(request.result())
        check_healed(cleo)
        check_nobody_is_connected(superuser)

    def test_the_server_process_is_frozen(
        self,
        cleo: Person,
        fresh_database: DatabaseCopy,
        superuser: OwnerConnection,
        meanwhile: Meanwhile,
        impatient: Impatient,
    ) -> None:
        with locked_tasks(fresh_database), impatient():
            request = meanwhile(post, cleo)
            frozen = waiting_backend(superuser)
            os.kill(frozen, signal.SIGSTOP)
        try:
            check_unavailable(request.result())
            check_healed(cleo)
        finally:
            os.kill(frozen, signal.SIGCONT)
        check_nobody_is_connected(superuser)
        assert [task["title"] for task in cleo.tasks()] == ["Healed"]

    def test_the_whole_server_is_frozen(
        self, cleo: Person, fresh_database: DatabaseCopy, superuser: OwnerConnection, impatient: Impatient
    ) -> None:
        postmaster = int((fresh_database.server.directory / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)
        try:
            with impatient():
                check_unavailable(post(cleo))
        finally:
            os.kill(postmaster, signal.SIGCONT)
        check_healed(cleo)
        check_nobody_is_connected(superuser)

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
        check_nobody_is_connected(superuser)

    def test_the_network_breaks(self, cleo_behind_gate: Person, gate: Gate, superuser: OwnerConnection) -> None:
        for said in (b"BEGIN", b"INSERT INTO tasks"):
            gate.cut_at = said
            check_unavailable(post(cleo_behind_gate))
        gate.cut_at = None
        check_healed(cleo_behind_gate)
        check_nobody_is_connected(superuser)

    @pytest.mark.parametrize(("swallow_answer", "written"), [(True, ["Buy milk"]), (False, [])])
    def test_the_answer_to_a_commit_is_lost(
        self, swallow_answer: bool, written: list[str], cleo_behind_gate: Person, gate: Gate, superuser: OwnerConnection
    ) -> None:
        gate.cut_at, gate.swallow_answer = b"COMMIT", swallow_answer
        check_unavailable(post(cleo_behind_gate), UNKNOWN)
        gate.cut_at = None
        check_healed(cleo_behind_gate, *written)
        check_nobody_is_connected(superuser)

    def test_the_answer_to_a_commit_never_comes(
        self,
        cleo: Person,
        superuser: OwnerConnection,
        impatient: Impatient,
    ) -> None:
        at_commit(superuser, "perform pg_sleep(3)")
        with impatient():
            check_unavailable(post(cleo), UNKNOWN)
        superuser.run("drop trigger fail on tasks")
        check_nobody_is_connected(superuser)


def failing(superuser: OwnerConnection, body: str) -> None:
    superuser.run("create sequence if not exists attempts")
    superuser.run(f"""
        create or replace function fail() returns trigger language plpgsql security definer as $$
        begin {body}; return new; end $$
    """)


def at_insert(superuser: OwnerConnection, body: str) -> None:
    """From here on, to insert a task does this."""
    failing(superuser, body)
    superuser.run("create trigger fail before insert on tasks for each row execute function fail()")


def at_commit(superuser: OwnerConnection, body: str) -> None:
    """From here on, to commit a new task does this."""
    failing(superuser, body)
    superuser.run("""
        create constraint trigger fail after insert on tasks deferrable initially deferred
        for each row execute function fail()
    """)


at_either = pytest.mark.parametrize("moment", [at_insert, at_commit])


@pytest.mark.spec("SC-010")
class TestRefusedByTheServer:
    """PostgreSQL cannot do what it is asked, or wants it to be asked again."""

    @at_either
    @pytest.mark.parametrize("state", ["53100", "53200", "57014"])
    def test_the_disk_is_full(
        self, moment: Callable[..., None], state: str, cleo: Person, superuser: OwnerConnection
    ) -> None:
        moment(superuser, f"raise exception 'could not extend file' using errcode = '{state}'")
        check_unavailable(post(cleo))
        superuser.run("drop trigger fail on tasks")
        check_healed(cleo)
        check_nobody_is_connected(superuser)

    @pytest.mark.spec("EDGE-concurrent-task-updates")
    @at_either
    @pytest.mark.parametrize("state", ["40001", "40P01"])
    def test_a_conflict_is_retried(
        self, moment: Callable[..., None], state: str, cleo: Person, superuser: OwnerConnection
    ) -> None:
        moment(superuser, f"if nextval('attempts') <= 2 then raise exception 'no' using errcode = '{state}'; end if")
        check_healed(cleo)
        assert superuser.run("select last_value from attempts") == [[3]]

    @at_either
    def test_a_conflict_that_persists_is_503(
        self, moment: Callable[..., None], cleo: Person, superuser: OwnerConnection
    ) -> None:
        moment(superuser, "perform nextval('attempts'); raise exception 'no' using errcode = '40001'")
        check_unavailable(post(cleo))
        assert superuser.run("select last_value from attempts") == [[3]]
        superuser.run("drop trigger fail on tasks")
        check_healed(cleo)

    def test_a_real_deadlock_lets_both_transactions_succeed(
        self, cleo: Person, fresh_database: DatabaseCopy, superuser: OwnerConnection, meanwhile: Meanwhile
    ) -> None:
        task = cleo.adds_task("Deadlocked")
        superuser.run(f"alter role todo_api in database {fresh_database.name} set deadlock_timeout = '1s'")
        failing(superuser, "perform pg_advisory_xact_lock(7)")
        superuser.run("create trigger fail before update on tasks for each row execute function fail()")
        with fresh_database.connect_as_owner() as rival:
            rival.run("set deadlock_timeout = '1min'")  # so that the application's is the one to give way
            rival.run("begin")
            rival.run("select pg_advisory_xact_lock(7)")
            request = meanwhile(cleo.patch, f"/api/tasks/{task['id']}/toggle")
            waiting_backend(superuser)
            rival.run("alter table tasks disable trigger user")  # waits for the row's table, and so for the application
            rival.run("alter table tasks enable trigger user")
            rival.run("commit")
            answer = request.result()
        assert (answer.status_code, answer.json()["completed"]) == (200, True)


class TestBudget:
    """The whole request ends before API Gateway gives up on it."""

    def test_is_below_api_gateways_limit(self) -> None:
        assert deadline.REQUEST_BUDGET_SECONDS < 29
        assert connection.CONNECT_TIMEOUT_SECONDS * 2 < deadline.REQUEST_BUDGET_SECONDS

    def test_bounds_connecting(self, cleo_behind_gate: Person, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
        gate.fault = gate.hold
        with small_budget(monkeypatch):
            check_unavailable(post(cleo_behind_gate))
        gate.fault = None
        check_healed(cleo_behind_gate)

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
        check_nobody_is_connected(superuser)

    def test_bounds_retries(self, cleo: Person, superuser: OwnerConnection, monkeypatch: pytest.MonkeyPatch) -> None:
        at_insert(superuser, "perform pg_sleep(0.8), nextval('attempts'); raise exception 'no' using errcode = '40001'")
        with small_budget(monkeypatch):
            check_unavailable(post(cleo))
        superuser.run("drop trigger fail on tasks")
        check_healed(cleo)
        check_nobody_is_connected(superuser)


@contextmanager
def small_budget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let requests take a second in all, however patient the single steps are."""
    with monkeypatch.context() as patch:
        patch.setattr(connection, "CONNECT_TIMEOUT_SECONDS", 600)
        patch.setattr(connection, "READ_TIMEOUT_SECONDS", 600)
        patch.setattr(deadline.start, "__defaults__", (1.0,))
        started = time.monotonic()
        yield
        assert time.monotonic() - started < LIMIT_SECONDS


class TestPooler:
    """The pooler in between has troubles of its own."""

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
        impatient: Impatient,
    ) -> None:
        pooler = start_pooler()
        url = pooler.url(fresh_database)
        there = elsewhere(cleo, database_url=url, database_ca_file=str(pooler.ca_file), database_pool_size=pool_size)
        assert post(there, "Before").status_code == 201
        pooler.stop()
        with impatient():
            check_unavailable(post(there))
        pooler.start()
        check_healed(there, "Before")
        pooler.stop()
        pooler.start()  # between two requests nobody even notices
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
        assert unavailable(logged) == ["ERROR"]
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
