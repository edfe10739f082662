"""Neon's proxy, by a stand-in that speaks as its source does, in front of a real PostgreSQL.

https://github.com/neondatabase/neon/tree/6a35a3e9/proxy/src; the files named below are there.
"""

import json
import select
import socket
from collections.abc import Iterator
from enum import Enum, auto
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from pg8000.native import Connection as ComputeConnection

from backend.postgres import (
    Connection,
    Flight,
    LoginRefused,
    Opening,
    ServerNotTrusted,
    login,
    poolers,
    scram,
)
from backend.postgres.url import DatabaseUrl
from tests.conftest import MakeClient
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import Logged, levels_of_unavailable
from tests.support.people import Person
from tests.support.scripted_server import (
    AUTHENTICATION_OK,
    CLEARTEXT_PASSWORD,
    DATABASE,
    HOST,
    PLAIN,
    PLUS,
    USER,
    Client,
    ClientGone,
    Message,
    Scram,
    ScriptedServer,
    message,
    notice,
    parameter,
    ready,
    resolve_here,
    sasl,
    sasl_continue,
    sasl_final,
)

pytestmark = pytest.mark.spec("NFR-014", "NFR-016", "SC-018", "EDGE-database-connection-failure")

PASSWORD_MESSAGE_MAX_BYTES = 512
"""stream.rs, `read_password_message`."""
FORWARDED_PARAMETERS = ("user", "database", "application_name", "replication", "options")
"""compute/mod.rs, `set_startup_params`."""
CHUNK_BYTES = 65536
WAIT_SECONDS = 60


class When(Enum):
    """At which point of a login the proxy refuses it."""

    BEFORE_LIST = auto()
    """The control plane, an allow list, a limit: auth/backend/mod.rs, `auth_quirks`."""
    AFTER_PROOF = auto()
    """In place of SASLFinal: auth/backend/classic.rs."""
    AT_COMPUTE = auto()
    """Behind SASLFinal and AuthenticationOk: proxy/mod.rs, `handle_client`."""


class Refusal(NamedTuple):
    """How the proxy refuses one login."""

    when: When
    sentence: str


class NeonProxy(ScriptedServer):
    """The stand-in.

    :ivar compute: the PostgreSQL to which it forwards
    :ivar refusals: how it refuses the next logins, one each
    :ivar wakes_in: how many seconds the compute needs to wake
    :ivar greeting: a notice in front of ReadyForQuery, if it has one
    :ivar knows_endpoint: whether it finds an endpoint in SNI
    """

    def __init__(self) -> None:
        super().__init__()
        self.compute: DatabaseCopy | None = None
        self.restart()

    def restart(self) -> None:
        """Be as at first."""
        self.clients = []
        self.refusals: list[Refusal] = []
        self.wakes_in = 0.0
        self.greeting = ""
        self.knows_endpoint = True


class NeonClient(Client):
    """A connection to the proxy.

    :ivar forwarded_early: what had arrived before the compute was there, and was kept for it
    """

    forwarded_early = b""

    def _serve(self) -> None:
        try:
            super()._serve()
        except ProxyError as refused:  # stream.rs, `throw_error`: every error of the proxy itself is XX000
            self._flush(message(b"E", f"SERROR\0CXX000\0M{refused}\0\0".encode()))

    def _log_in(self) -> None:
        self._unsent: list[bytes] = []
        self._refuse_if(When.BEFORE_LIST)
        if not self._proxy.knows_endpoint:  # auth/backend/hacks.rs
            self._flush(CLEARTEXT_PASSWORD)
            self.receive()
            raise ProxyError("Malformed password message: missing terminator")
        self._flush(sasl(PLUS, PLAIN))
        exchange = Scram(self._server.binding)
        initial = self._receive_password_message()
        if initial.partition(b"\0")[2][4:].startswith(b"y,"):  # scram/exchange.rs
            raise ProxyError("SCRAM-PLUS not used")
        self._flush(sasl_continue(exchange.challenge(initial)))
        response = self._receive_password_message()
        self._refuse_if(When.AFTER_PROOF)
        proof = exchange.proof(response)
        if proof is None:
            raise ProxyError(f"password authentication failed for user '{self.parameters['user']}'")
        self._unsent += [sasl_final(proof), AUTHENTICATION_OK]  # sasl/stream.rs: not flushed

    def answer_flights(self) -> None:
        """Connect to the compute, and forward what comes from both sides."""
        self.listen(self._proxy.wakes_in)
        self._refuse_if(When.AT_COMPUTE)
        forwarded = {name: self.parameters[name] for name in FORWARDED_PARAMETERS if name in self.parameters}
        compute = self._connect_to_compute(forwarded)
        try:
            if self._proxy.greeting:
                self._unsent.append(notice(self._proxy.greeting))
            self._unsent += [parameter(name, value) for name, value in compute.parameter_statuses.items()]
            self._flush(message(b"K", bytes(8)), ready())
            self._forward(compute._usock)
        finally:
            compute.close()

    @property
    def _proxy(self) -> NeonProxy:
        assert isinstance(self._server, NeonProxy)
        return self._server

    def _refuse_if(self, when: When) -> None:
        refusals = self._proxy.refusals
        if refusals and refusals[0].when == when:
            raise ProxyError(refusals.pop(0).sentence)

    def _receive_password_message(self) -> bytes:
        received: Message = self.receive()
        if len(received.body) > PASSWORD_MESSAGE_MAX_BYTES or received.kind != b"p":
            raise ProxyError("authentication protocol violation")
        return received.body

    def _flush(self, *messages: bytes) -> None:
        self.send(*self._unsent, *messages)
        self._unsent = []

    def _connect_to_compute(self, parameters: dict[str, str]) -> Any:
        assert self._proxy.compute is not None
        url = DatabaseUrl.parse(self._proxy.compute.url)
        more = {name: value for name, value in parameters.items() if name not in ("user", "database")}
        return ComputeConnection(
            url.user,
            host=url.host,
            port=url.port,
            database=url.database,
            password=url.password,
            startup_params={"client_encoding": "UTF8"} | more,
        )

    def _forward(self, compute: socket.socket) -> None:
        self.forwarded_early = bytes(self._unread)
        compute.sendall(self.forwarded_early)
        client = self._sock
        while True:
            has_pending = client.pending() if hasattr(client, "pending") else 0
            readable = [client] if has_pending else select.select([client, compute], [], [], WAIT_SECONDS)[0]
            for source, sink in ((client, compute), (compute, client)):
                if source in readable:
                    data = source.recv(CHUNK_BYTES)
                    if not data:
                        raise ClientGone
                    if source is client:
                        self.received += data
                    sink.sendall(data)


NeonProxy.client_class = NeonClient


class ProxyError(Exception):
    """An error of the proxy's own."""


@pytest.fixture(scope="module")
def running_proxy() -> Iterator[NeonProxy]:
    with NeonProxy() as running:
        yield running


@pytest.fixture
def proxy(running_proxy: NeonProxy, shared_database: DatabaseCopy, monkeypatch: pytest.MonkeyPatch) -> NeonProxy:
    """The proxy in front of the shared database, as a new process sees it."""
    resolve_here(monkeypatch)
    monkeypatch.setattr(login, "WAKE_PAUSE_SECONDS", 0.01)
    running_proxy.restart()
    running_proxy.compute = shared_database
    return running_proxy


@pytest.fixture
def ada(proxy: NeonProxy, make_client: MakeClient) -> Person:
    """A user of an application that connects through the proxy for every request."""
    http = make_client(database_url=proxy.url(), database_ca_file=proxy.ca_file, database_pool_size=0)
    person = Person.sign_up(http)
    proxy.check_hung_up()
    proxy.clients = []
    return person


def select_one(proxy: NeonProxy, parameters: str = "", *, reads: bool = True) -> None:
    """Connect through the proxy and run a statement."""
    with Connection(proxy.database_url(parameters), opening=Opening("todo_auth")) as connected:
        assert connected.execute("select 1", flight=Flight(reads=reads)).rows == [[1]]


WAYS = ["", "&channel_binding=require", "&channel_binding=disable", "&sslnegotiation=direct"]


class TestLogin:
    """The login as the proxy takes it."""

    @pytest.mark.parametrize("tickets", [0, 2])
    @pytest.mark.parametrize("reads", [True, False])
    @pytest.mark.parametrize("parameters", WAYS)
    def test_one_connection_is_enough(self, proxy: NeonProxy, parameters: str, reads: bool, tickets: int) -> None:
        assert proxy.tls_context is not None
        proxy.tls_context.num_tickets = tickets
        select_one(proxy, parameters, reads=reads)
        proxy.check_hung_up()
        assert len(proxy.clients) == 1

    def test_a_flight_that_rides_is_kept_and_forwarded(self, proxy: NeonProxy) -> None:
        select_one(proxy)
        [client] = proxy.clients
        assert isinstance(client, NeonClient)
        assert b"select 1" in client.forwarded_early

    def test_a_flight_that_writes_is_not_among_it(self, proxy: NeonProxy) -> None:
        select_one(proxy, reads=False)
        [client] = proxy.clients
        assert isinstance(client, NeonClient)
        assert client.forwarded_early == b""

    def test_every_operation_works(self, proxy: NeonProxy, ada: Person) -> None:
        task = ada.create_task()
        path = f"/api/tasks/{task['id']}"
        answers = [
            ada.get(path),
            ada.put(path, json={"title": "Buy bread"}),
            ada.patch(f"{path}/toggle"),
            ada.get("/api/tasks"),
            ada.delete(path),
            ada.refresh(),
            ada.sign_in_again().post("/api/auth/signout"),
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 204, 200, 200]
        proxy.check_hung_up()
        assert len(proxy.clients) == len(answers) + 2

    def test_a_greeting_is_no_answer(self, proxy: NeonProxy) -> None:
        proxy.greeting = "welcome, session_id: 1"
        select_one(proxy)
        assert len(proxy.clients) == 1

    @pytest.mark.parametrize("parameters", WAYS)
    def test_messages_are_small_enough(self, proxy: NeonProxy, parameters: str) -> None:
        select_one(proxy, parameters)
        select_one(proxy, parameters, reads=False)
        assert len(proxy.clients) == 2

    def test_a_message_that_is_too_large_is_refused(self, proxy: NeonProxy, monkeypatch: pytest.MonkeyPatch) -> None:
        nonce = "n" * PASSWORD_MESSAGE_MAX_BYTES
        monkeypatch.setattr(scram, "secrets", SimpleNamespace(token_urlsafe=lambda _: nonce))
        with pytest.raises(LoginRefused, match="XX000"):
            select_one(proxy)

    def test_the_flag_y_is_refused(self, proxy: NeonProxy, monkeypatch: pytest.MonkeyPatch) -> None:
        def init(self: scram.Scram, *arguments: Any) -> None:
            original(self, *arguments)
            self._gs2_header = b"y,,"
            self.client_first = self._gs2_header + self._first_bare

        original = scram.Scram.__init__
        monkeypatch.setattr(scram.Scram, "__init__", init)
        with pytest.raises(LoginRefused, match="XX000"):
            select_one(proxy)

    def test_a_host_that_tells_no_endpoint_is_told_no_password(
        self, proxy: NeonProxy, make_client: MakeClient, logged: Logged
    ) -> None:
        proxy.knows_endpoint = False
        http = make_client(database_url=proxy.url(), database_ca_file=proxy.ca_file)
        assert http.get("/api/health").status_code == 503
        assert levels_of_unavailable(logged) == ["ERROR"]
        proxy.check_hung_up()

    def test_a_date_style_of_the_database_does_not_matter(self, proxy: NeonProxy, fresh_database: DatabaseCopy) -> None:
        fresh_database.query(f"alter database {fresh_database.name} set datestyle = 'SQL, DMY'")
        proxy.compute = fresh_database
        select_one(proxy)


class TestWaking:
    """A compute that sleeps is woken by the login."""

    def test_a_second_is_waited_for(self, proxy: NeonProxy, ada: Person) -> None:
        proxy.wakes_in = 1.0
        assert ada.get("/api/tasks").status_code == 200
        assert ada.post("/api/tasks", json={"title": "Buy milk"}).status_code == 201
        proxy.check_hung_up()
        assert len(proxy.clients) == 2

    def test_waking_is_not_taken_for_a_server_that_loses_messages(
        self, proxy: NeonProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(login, "SILENCE_SECONDS", 0.5)
        proxy.wakes_in = 1.0
        select_one(proxy)
        proxy.wakes_in = 0.0
        select_one(proxy)
        assert [_forwarded_early(client) for client in proxy.clients] == [True, True]

    def test_what_takes_too_long_is_healed_by_the_next_request(
        self, proxy: NeonProxy, ada: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(login, "CONNECT_TIMEOUT_SECONDS", 0.2)
            proxy.wakes_in = 2.0
            check_unavailable(ada)
        proxy.wakes_in = 0.0
        assert ada.get("/api/tasks").status_code == 200
        proxy.check_hung_up()


def _forwarded_early(client: Client) -> bool:
    assert isinstance(client, NeonClient)
    return b"select 1" in client.forwarded_early


ADDRESS, VPC_ENDPOINT = "203.0.113.77", "vpce-1"
CONTROL_PLANE = "Control plane request failed"
PASSING = {
    Refusal(When.BEFORE_LIST, CONTROL_PLANE): "the control plane does not answer",
    Refusal(When.BEFORE_LIST, "Too many connections to this endpoint. Please try again later."): (
        "too many logins at once"
    ),
    Refusal(When.BEFORE_LIST, "Internal error"): "unknown cause",
    Refusal(When.AFTER_PROOF, "Authentication timed out"): "the login took too long",
    Refusal(When.AFTER_PROOF, "authentication protocol violation"): "unknown cause",
    Refusal(When.AT_COMPUTE, "Couldn't connect to compute node"): "the compute is starting or unreachable",
    Refusal(When.AT_COMPUTE, CONTROL_PLANE): "the control plane does not answer",
    Refusal(When.AT_COMPUTE, "Too many connections attempts"): "too many logins at once",
    Refusal(
        When.AT_COMPUTE,
        "Failed to acquire permit to connect to the database. Too many database connection attempts are currently"
        " ongoing.",
    ): "too many logins at once",
    Refusal(When.AT_COMPUTE, "the database system is starting up"): "unknown cause",
    Refusal(When.AT_COMPUTE, f"something new about {HOST}, {USER} and {ADDRESS}"): "unknown cause",
}
FOR_OPERATORS = {
    Refusal(When.BEFORE_LIST, f"{CONTROL_PLANE}: endpoint cannot be found"): "no such endpoint",
    Refusal(When.BEFORE_LIST, f"{CONTROL_PLANE}: endpoint is disabled"): "the endpoint is disabled",
    Refusal(When.BEFORE_LIST, f"This IP address {ADDRESS} is not allowed to connect to this endpoint. Please add it"): (
        "the address is not on the allow list"
    ),
    Refusal(When.BEFORE_LIST, "This connection is trying to access this endpoint from a blocked network."): (
        "blocked network"
    ),
    Refusal(When.BEFORE_LIST, f"This VPC endpoint id {VPC_ENDPOINT} is not allowed to connect to this endpoint."): (
        "the VPC endpoint is not allowed"
    ),
    Refusal(When.BEFORE_LIST, "VPC endpoint ID is not specified. This endpoint requires a VPC endpoint ID."): (
        "the VPC endpoint is not allowed"
    ),
    Refusal(When.BEFORE_LIST, "Endpoint ID is not specified. Either please upgrade the postgres client library"): (
        "the host name does not tell the endpoint (SNI)"
    ),
    Refusal(When.BEFORE_LIST, "Unsupported authentication method: jwt"): "the login's method is not supported",
    Refusal(When.AFTER_PROOF, f"password authentication failed for user '{USER}'"): "wrong password",
    Refusal(
        When.AT_COMPUTE,
        f"{CONTROL_PLANE}: endpoint is temporarily unavailable. Check your quotas and/or contact our support.",
    ): "maintenance or a quota",
    Refusal(
        When.AT_COMPUTE,
        "Your account or project has exceeded the compute time quota. Upgrade your plan to increase limits.",
    ): "a quota is used up",
    Refusal(When.AT_COMPUTE, f'database "{DATABASE}" does not exist'): "no such database",
    Refusal(When.AT_COMPUTE, f"no such database: {DATABASE}"): "no such database",
    Refusal(When.AT_COMPUTE, f'permission denied for database "{DATABASE}"'): "the login lacks a right",
    Refusal(When.AT_COMPUTE, f'role "{USER}" is not permitted to log in'): "the login lacks a right",
}
"""The proxy hands on the sentences of PostgreSQL and PgBouncer: compute/mod.rs, `PostgresError`."""
REFUSALS = [
    pytest.param(refusal, reason, level, id=f"{refusal.when.name}: {refusal.sentence[:40]}")
    for level, refusals in (("WARNING", PASSING), ("ERROR", FOR_OPERATORS))
    for refusal, reason in refusals.items()
]


class TestErrors:
    """Every error of the proxy is XX000: its sentence tells what it means."""

    def test_all_known_sentences_are_tried(self) -> None:
        for known, tried in ((poolers.NEON_PASSING, PASSING), (poolers.NEON_FOR_OPERATORS, FOR_OPERATORS)):
            assert [start for start in known if not any(each.sentence.startswith(start) for each in tried)] == []

    @pytest.mark.parametrize(("refusal", "reason", "level"), REFUSALS)
    def test_once_it_is_tried_once_more(
        self, proxy: NeonProxy, logged: Logged, refusal: Refusal, reason: str, level: str
    ) -> None:
        proxy.refusals = [refusal]
        select_one(proxy)
        proxy.check_hung_up()
        assert len(proxy.clients) == 2
        assert logged() == []

    @pytest.mark.spec("NFR-015")
    @pytest.mark.parametrize(("refusal", "reason", "level"), REFUSALS)
    def test_twice_it_is_503_and_the_next_request_heals(
        self, proxy: NeonProxy, ada: Person, logged: Logged, refusal: Refusal, reason: str, level: str
    ) -> None:
        proxy.refusals = [refusal, refusal]
        check_unavailable(ada)
        proxy.check_hung_up()
        assert len(proxy.clients) == 2
        assert levels_of_unavailable(logged) == [level]
        [logged_reason] = [line["reason"] for line in logged() if "reason" in line]
        assert logged_reason == f"login refused: XX000, Neon's proxy: {reason}"
        check_log_discloses_nothing(logged, refusal.sentence)
        assert ada.create_task()["title"] == ada.tasks()[0]["title"]
        assert len(proxy.clients) == 4

    def test_a_wrong_password_is_tried_twice_and_for_the_operator(
        self, proxy: NeonProxy, make_client: MakeClient, logged: Logged
    ) -> None:
        url = proxy.url().replace("password", "wrong%20password")
        http = make_client(database_url=url, database_ca_file=proxy.ca_file)
        answer = http.get("/api/health")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert levels_of_unavailable(logged) == ["ERROR"]
        assert len(proxy.clients) == 2

    def test_a_server_that_does_not_prove_itself_is_not_tried_again(
        self, proxy: NeonProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Scram, "proof", lambda *_: b"v=" + b"A" * 43 + b"=")
        with pytest.raises(ServerNotTrusted):
            select_one(proxy)
        assert len(proxy.clients) == 1


def check_unavailable(person: Person) -> None:
    """Check that a request that writes is 503, says that it may be repeated, and discloses nothing."""
    answer = person.post("/api/tasks", json={"title": "Buy milk"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.json() == {"detail": "The service is unavailable for a moment. Please try again."}


def check_log_discloses_nothing(logged: Logged, sentence: str) -> None:
    lines = json.dumps(logged(), ensure_ascii=False)
    for secret in (HOST, "neon.example", USER, DATABASE, ADDRESS, VPC_ENDPOINT, sentence):
        assert secret not in lines
