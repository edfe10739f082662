"""A server that does not take a pipelined login: what is tried instead, what is remembered, and what is not.

Each fallback is shown from both sides: what brings it about, and what does not.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

import pytest

from backend.postgres import (
    ConnectFailed,
    Connection,
    ConnectionLost,
    Flight,
    LoginRefused,
    Opening,
    ServerError,
    ServerNotTrusted,
    connection,
    deadline,
    login,
    memory,
)
from tests.conftest import MakeClient
from tests.support.database_fixtures import Logged, levels_of_unavailable
from tests.support.scripted_server import (
    HONEST,
    PLAIN,
    PLUS,
    Client,
    Say,
    Script,
    ScriptedServer,
    Step,
    access_token,
    close,
    close_behind,
    error,
    in_turn,
    instead,
    later,
    nothing,
    reset,
    resolve_here,
    sasl,
    silence,
)

pytestmark = pytest.mark.spec("NFR-014", "EDGE-database-connection-failure")

STATEMENT = "select 1"
SHORT_SILENCE_SECONDS = 1.0
"""For servers that lose a message. The others of these tests answer within a hundredth of it."""
LONG_SILENCE_SECONDS = 60.0
"""For servers that lose none, so that a slow machine is not taken for silence."""
TEN_MINUTES = 600
ALONE, WITH_STARTUP, WITH_FLIGHT = (
    "nothing rides",
    "SASLInitialResponse rides",
    "SASLInitialResponse and the flight ride",
)
SENTENCE = "a sentence of the server's"


class MemoryClock(SimpleNamespace):
    """The time by which the driver remembers: it stands still until a test advances it."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def running_server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def server(running_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """A server with TLS, as a new process sees it."""
    resolve_here(monkeypatch)
    running_server.follow(HONEST)
    return running_server


@pytest.fixture(autouse=True)
def _long_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "SILENCE_SECONDS", LONG_SILENCE_SECONDS)


@pytest.fixture
def short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "SILENCE_SECONDS", SHORT_SILENCE_SECONDS)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MemoryClock:
    stopped = MemoryClock()
    monkeypatch.setattr(memory, "time", stopped)
    return stopped


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that a login has made between two attempts. They take no time."""
    taken: list[float] = []
    monkeypatch.setattr(login, "time", SimpleNamespace(sleep=taken.append))
    return taken


def run(server: ScriptedServer, *, reads: bool = True, parameters: str = "", pipeline: bool = True) -> None:
    """Connect, send a flight, and check its result."""
    url = server.database_url(parameters, pipeline=pipeline)
    with Connection(url, opening=Opening("todo_auth")) as connected:
        assert connected.execute(STATEMENT, flight=Flight(reads=reads)).rows == [[1]]


def fail(server: ScriptedServer, expected: type[Exception], *, reads: bool = True) -> Any:
    """Connect and send a flight, which fails. Gives the error."""
    connected = Connection(server.database_url(), opening=Opening("todo_auth"))
    with pytest.raises(expected) as failed:
        connected.execute(STATEMENT, flight=Flight(reads=reads))
    return failed.value


def rode(server: ScriptedServer) -> list[str]:
    """What left early on each connection since the last call."""
    server.check_hung_up()
    clients, server.clients = server.clients, []
    return [_rode(client) for client in clients]


def _rode(client: Client) -> str:
    if not client.early.get(Step.SASL):
        return ALONE
    return WITH_FLIGHT if STATEMENT.encode() in client.early.get(Step.SASL_FINAL, b"") else WITH_STARTUP


def loses_what_came_early(client: Client, honest: bytes) -> None:
    """Say the honest message, and do not know of what the client sent before it."""
    client.forget_unread()
    client.send(honest)


def closes_if_early(client: Client, honest: bytes) -> None:
    """Say the honest message, and close the connection if the client did not wait for it."""
    client.send(honest)
    if client.early[Step.SASL]:
        client.close()


def refuses(sqlstate: str) -> Say:
    return instead(error(sqlstate, SENTENCE))


class TestPipelined:
    """A server that answers in turn."""

    def test_a_read_leaves_with_the_login(self, server: ScriptedServer) -> None:
        for _ in range(2):
            run(server)
        assert rode(server) == [WITH_FLIGHT, WITH_FLIGHT]

    def test_a_write_waits_for_the_login(self, server: ScriptedServer) -> None:
        for _ in range(2):
            run(server, reads=False)
        assert rode(server) == [WITH_STARTUP, WITH_STARTUP]

    @pytest.mark.parametrize("reads", [True, False])
    def test_nothing_leaves_early_where_it_is_switched_off(self, server: ScriptedServer, reads: bool) -> None:
        run(server, reads=reads, pipeline=False)
        assert rode(server) == [ALONE]

    @pytest.mark.parametrize(("pipeline", "expected"), [(True, WITH_FLIGHT), (False, ALONE)])
    def test_database_pipeline_is_the_switch(
        self, server: ScriptedServer, make_client: MakeClient, pipeline: bool, expected: str
    ) -> None:
        http = make_client(
            database_url=server.url(),
            database_ca_file=server.ca_file,
            database_pipeline=pipeline,
            database_pool_size=0,
        )
        assert http.get("/api/health").status_code == 200
        assert rode(server) == [expected]

    @pytest.mark.usefixtures("short_silence")
    def test_switched_off_no_server_is_too_slow(self, server: ScriptedServer) -> None:
        server.follow({Step.SASL_CONTINUE: later(SHORT_SILENCE_SECONDS * 1.5)})
        run(server, pipeline=False)
        assert rode(server) == [ALONE]

    def test_without_tls_nothing_leaves_early(self, server: ScriptedServer) -> None:
        with ScriptedServer(tls=False) as plain:
            run(plain)
            assert [_rode(client) for client in plain.clients] == [ALONE]


class TestMechanism:
    """The server's list does not have the mechanism that we would choose."""

    ONLY_PLUS: Script = {Step.SASL: instead(sasl(PLUS))}  # noqa: RUF012
    ONLY_PLAIN: Script = {Step.SASL: instead(sasl(PLAIN))}  # noqa: RUF012

    @staticmethod
    def _chosen(server: ScriptedServer) -> list[str]:
        """The mechanism of each connection since the last call."""
        chosen = [PLUS if PLUS.encode() in client.received else PLAIN for client in server.clients]
        server.check_hung_up()
        server.clients = []
        return chosen

    def test_another_one_is_tried_and_remembered(self, server: ScriptedServer) -> None:
        server.follow(self.ONLY_PLUS)
        run(server)
        assert [_rode(client) for client in server.clients] == [WITH_STARTUP, ALONE]
        assert self._chosen(server) == [PLAIN, PLUS]
        run(server)
        assert [_rode(client) for client in server.clients] == [WITH_FLIGHT]
        assert self._chosen(server) == [PLUS]

    def test_with_both_ours_is_kept(self, server: ScriptedServer) -> None:
        for _ in range(2):
            run(server)
        assert self._chosen(server) == [PLAIN, PLAIN]

    def test_a_server_that_changes_its_list_is_followed(self, server: ScriptedServer) -> None:
        server.follow(self.ONLY_PLUS)
        run(server)
        server.follow(self.ONLY_PLAIN)
        run(server)
        assert self._chosen(server) == [PLUS, PLAIN]
        run(server)
        assert self._chosen(server) == [PLAIN]

    def test_a_list_that_changes_between_two_attempts_is_an_error(self, server: ScriptedServer) -> None:
        server.follow(self.ONLY_PLUS, self.ONLY_PLAIN)
        assert not fail(server, ConnectFailed).needs_operator
        assert [_rode(client) for client in server.clients] == [WITH_STARTUP, ALONE]

    def test_where_channel_binding_is_required_there_is_no_other(self, server: ScriptedServer) -> None:
        server.follow(self.ONLY_PLUS)
        run(server, parameters="&channel_binding=require")
        assert self._chosen(server) == [PLUS]
        server.follow(self.ONLY_PLAIN)
        with pytest.raises(ServerNotTrusted):
            run(server, parameters="&channel_binding=require")
        assert self._chosen(server) == [PLUS]

    def test_where_channel_binding_is_disabled_there_is_no_other(self, server: ScriptedServer) -> None:
        server.follow(self.ONLY_PLUS)
        with pytest.raises(ServerNotTrusted):
            run(server, parameters="&channel_binding=disable")


LOSES_INITIAL_RESPONSE = [
    pytest.param({Step.SASL: loses_what_came_early}, id="silence"),
    pytest.param({Step.SASL: closes_if_early}, id="close"),
]


@pytest.mark.usefixtures("short_silence")
class TestInitialResponse:
    """A list of mechanisms, and then nothing: the server does not know of a SASLInitialResponse that rode."""

    @pytest.mark.parametrize("script", LOSES_INITIAL_RESPONSE)
    def test_a_second_connection_waits_for_each_answer(self, server: ScriptedServer, script: Script) -> None:
        server.follow(script)
        run(server)
        assert rode(server) == [WITH_STARTUP, ALONE]

    @pytest.mark.parametrize("script", LOSES_INITIAL_RESPONSE)
    def test_is_remembered_for_ten_minutes(self, server: ScriptedServer, script: Script, clock: MemoryClock) -> None:
        server.follow(script)
        run(server)
        server.follow(HONEST)
        for _ in range(2):
            run(server)
        clock.now += TEN_MINUTES - 1
        run(server)
        assert rode(server) == [ALONE, ALONE, ALONE]
        clock.now += 2
        run(server)
        assert rode(server) == [WITH_FLIGHT]

    @pytest.mark.parametrize("loses", LOSES_INITIAL_RESPONSE)
    @pytest.mark.parametrize(
        ("second", "expected"),
        [
            ({Step.SASL_CONTINUE: refuses("28P01")}, LoginRefused),
            ({Step.SASL_FINAL: nothing}, ServerNotTrusted),
            ({Step.SASL: close}, ConnectFailed),
            ({Step.SASL_CONTINUE: silence}, ConnectFailed),
        ],
        ids=["wrong password", "no proof", "closed", "silent"],
    )
    def test_is_not_remembered_where_waiting_does_not_help_either(
        self,
        server: ScriptedServer,
        loses: Script,
        second: Script,
        expected: type[Exception],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(login, "CONNECT_TIMEOUT_SECONDS", SHORT_SILENCE_SECONDS * 2)
        server.follow(loses, second)
        fail(server, expected)
        assert rode(server) == [WITH_STARTUP, ALONE]
        server.follow(HONEST)
        run(server)
        assert rode(server) == [WITH_FLIGHT]

    def test_is_remembered_of_this_server_alone(self, server: ScriptedServer) -> None:
        server.follow({Step.SASL: loses_what_came_early})
        run(server)
        with ScriptedServer() as other:
            run(other)
            assert rode(other) == [WITH_FLIGHT]

    def test_a_challenge_that_takes_its_time_is_waited_for(
        self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(login, "SILENCE_SECONDS", LONG_SILENCE_SECONDS)
        server.follow({Step.SASL_CONTINUE: later(SHORT_SILENCE_SECONDS / 2)})
        run(server)
        assert rode(server) == [WITH_FLIGHT]

    def test_an_error_behind_the_list_is_the_answer(self, server: ScriptedServer) -> None:
        server.follow({Step.SASL_CONTINUE: refuses("28P01")})
        assert fail(server, LoginRefused).needs_operator
        assert rode(server) == [WITH_STARTUP]


PASSING = {
    "closed before any byte": close,
    "reset before any byte": reset,
    "starting (57P03)": refuses("57P03"),
    "full (53300)": refuses("53300"),
    "Neon's proxy (XX000)": refuses("XX000"),
    "PgBouncer, whatever it means (08P01)": refuses("08P01"),
}
"""In place of the list. Trying once more may help."""


class TestOnceMore:
    """The server, or a compute behind it, is not there yet."""

    @pytest.mark.parametrize("say", PASSING.values(), ids=PASSING.keys())
    def test_the_login_is_tried_once_more_after_a_pause(
        self, server: ScriptedServer, say: Say, pauses: list[float]
    ) -> None:
        server.follow({Step.SASL: say}, HONEST)
        run(server)
        assert rode(server) == [WITH_STARTUP, ALONE]
        assert pauses == [login.WAKE_PAUSE_SECONDS]

    @pytest.mark.parametrize("say", PASSING.values(), ids=PASSING.keys())
    def test_nothing_is_remembered(self, server: ScriptedServer, say: Say) -> None:
        server.follow({Step.SASL: say}, HONEST)
        run(server)
        run(server)
        assert rode(server) == [WITH_STARTUP, ALONE, WITH_FLIGHT]

    @pytest.mark.parametrize("say", PASSING.values(), ids=PASSING.keys())
    @pytest.mark.parametrize("reads", [True, False])
    def test_a_second_time_it_is_the_answer(self, server: ScriptedServer, say: Say, reads: bool) -> None:
        server.follow({Step.SASL: say})
        assert fail(server, ConnectFailed, reads=reads).nothing_written
        assert rode(server) == [WITH_STARTUP, ALONE]

    @pytest.mark.parametrize("state", ["57P03", "53300", "XX000"])
    def test_later_in_the_login_it_is_tried_once_more_too(self, server: ScriptedServer, state: str) -> None:
        for step in (Step.SASL_CONTINUE, Step.SASL_FINAL, Step.READY):
            server.follow({step: refuses(state)}, HONEST)
            run(server)
            assert len(rode(server)) == 2

    def test_08p01_behind_the_list_is_the_answer(self, server: ScriptedServer, pauses: list[float]) -> None:
        for step in (Step.SASL_CONTINUE, Step.SASL_FINAL):
            server.follow({step: refuses("08P01")})
            assert fail(server, LoginRefused).needs_operator
            assert len(rode(server)) == 1
        assert pauses == []

    def test_08p01_twice_is_the_operators(self, server: ScriptedServer) -> None:
        server.follow({Step.SASL: refuses("08P01")})
        assert fail(server, LoginRefused).needs_operator

    @pytest.mark.parametrize("state", ["28P01", "28000", "3D000", "42501"])
    @pytest.mark.parametrize("step", [Step.SASL, Step.SASL_CONTINUE, Step.SASL_FINAL, Step.READY])
    def test_what_an_operator_must_mend_is_tried_once(
        self, server: ScriptedServer, step: Step, state: str, pauses: list[float]
    ) -> None:
        server.follow({step: refuses(state)})
        assert fail(server, LoginRefused).needs_operator
        assert len(rode(server)) == 1
        assert pauses == []

    @pytest.mark.parametrize("state", ["53200", "57014", "57P01", "58030"])
    def test_other_errors_are_the_answer(self, server: ScriptedServer, state: str) -> None:
        server.follow({Step.SASL: refuses(state)})
        assert not fail(server, LoginRefused).needs_operator
        assert len(rode(server)) == 1

    @pytest.mark.parametrize(("budget", "attempts"), [(4.0, 1), (60.0, 2)])
    def test_only_where_the_request_has_time_for_it(self, server: ScriptedServer, budget: float, attempts: int) -> None:
        def request() -> None:
            deadline.start(budget)
            fail(server, ConnectFailed)

        server.follow({Step.SASL: close})
        copy_context().run(request)
        assert len(rode(server)) == attempts


def answers_late(client: Client, honest: bytes) -> None:
    """Say the honest message when the client has given up waiting for it, as a slow statement does."""
    client.listen(SHORT_SILENCE_SECONDS * 1.5)
    client.send(honest)


@pytest.mark.usefixtures("short_silence")
class TestFlight:
    """ReadyForQuery, and then nothing: the server does not know of a flight that rode."""

    LOSES_FLIGHT: Script = {Step.READY: loses_what_came_early}  # noqa: RUF012
    ANSWERS_LATE: Script = {Step.ANSWER: answers_late}  # noqa: RUF012

    def test_it_is_sent_again_on_another_connection(self, server: ScriptedServer) -> None:
        server.follow(self.LOSES_FLIGHT)
        run(server)
        assert rode(server) == [WITH_FLIGHT, WITH_STARTUP]

    def test_is_remembered_for_ten_minutes(self, server: ScriptedServer, clock: MemoryClock) -> None:
        server.follow(self.LOSES_FLIGHT)
        run(server)
        server.follow(HONEST)
        run(server)
        clock.now += TEN_MINUTES - 1
        run(server)
        assert rode(server) == [WITH_STARTUP, WITH_STARTUP]
        clock.now += 2
        run(server)
        assert rode(server) == [WITH_FLIGHT]

    def test_a_slow_statement_is_not_remembered(self, server: ScriptedServer) -> None:
        server.follow(self.ANSWERS_LATE)
        run(server)
        assert rode(server) == [WITH_FLIGHT, WITH_STARTUP]
        server.follow(HONEST)
        run(server)
        assert rode(server) == [WITH_FLIGHT]

    def test_a_slow_statement_is_waited_for(self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(login, "SILENCE_SECONDS", LONG_SILENCE_SECONDS)
        server.follow({Step.ANSWER: later(SHORT_SILENCE_SECONDS)})
        run(server)
        assert rode(server) == [WITH_FLIGHT]

    def test_a_second_connection_that_fails_is_the_answer(self, server: ScriptedServer) -> None:
        server.follow(self.LOSES_FLIGHT, {Step.SASL: refuses("28P01")})
        assert fail(server, LoginRefused).nothing_written
        assert len(rode(server)) == 2

    def test_a_connection_that_closes_is_the_answer(self, server: ScriptedServer) -> None:
        server.follow({Step.READY: close_behind})
        assert fail(server, ConnectionLost).nothing_written
        assert rode(server) == [WITH_FLIGHT]

    def test_a_write_is_waited_for(self, server: ScriptedServer) -> None:
        server.follow(self.ANSWERS_LATE)
        run(server, reads=False)
        assert rode(server) == [WITH_STARTUP]

    def test_a_read_that_did_not_ride_is_waited_for(self, server: ScriptedServer) -> None:
        server.follow(self.ANSWERS_LATE)
        run(server, pipeline=False)
        assert rode(server) == [ALONE]


class TestWritesOnce:
    """Whatever is tried again: a flight that writes leaves once, or not at all."""

    SCRIPTS: dict[str, Script] = {  # noqa: RUF012
        "honest": HONEST,
        "offers another mechanism": TestMechanism.ONLY_PLUS,
        "loses the initial response": {Step.SASL: loses_what_came_early},
        "closes at the initial response": {Step.SASL: closes_if_early},
        "loses what came before ReadyForQuery": TestFlight.LOSES_FLIGHT,
        "closes behind ReadyForQuery": {Step.READY: close_behind},
        "answers late": TestFlight.ANSWERS_LATE,
        "never answers": {Step.ANSWER: silence},
        "closes at the answer": {Step.ANSWER: close},
        "resets at the answer": {Step.ANSWER: reset},
        **{
            f"ends with {state}": {Step.ANSWER: in_turn(refuses(state), close)}
            for state in ("57P01", "08P01", "XX000", "53300")
        },
    }

    @pytest.fixture(autouse=True)
    def _short_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(login, "SILENCE_SECONDS", SHORT_SILENCE_SECONDS / 4)
        monkeypatch.setattr(connection, "READ_TIMEOUT_SECONDS", SHORT_SILENCE_SECONDS * 2)

    @pytest.mark.parametrize("name", SCRIPTS)
    def test_from_the_driver(self, server: ScriptedServer, name: str) -> None:
        server.follow(self.SCRIPTS[name])
        with (
            Connection(server.database_url(), opening=Opening("todo_auth")) as connected,
            suppress(ConnectionLost, ServerError),
        ):
            connected.execute("insert into things values (1)", flight=Flight())
        server.check_hung_up()
        assert server.received.count(b"insert into things") == self._expected(name)

    @pytest.mark.parametrize("name", SCRIPTS)
    def test_from_the_api(self, server: ScriptedServer, make_client: MakeClient, name: str) -> None:
        http = make_client(database_url=server.url(), database_ca_file=server.ca_file, database_pool_size=0)
        server.follow(self.SCRIPTS[name])
        headers = {"Authorization": f"Bearer {access_token()}"}
        answer = http.post("/api/tasks", json={"title": "Buy milk"}, headers=headers)
        server.check_hung_up()
        assert answer.status_code in (201, 503)
        assert server.received.count(b"INSERT INTO tasks") == self._expected(name)

    @staticmethod
    def _expected(name: str) -> int:
        return 0 if name == "closes behind ReadyForQuery" else 1


class TestLog:
    """What an operator must act on is an error in the log; what passes is a warning."""

    @pytest.mark.spec("NFR-015")
    @pytest.mark.parametrize(
        ("say", "level", "reason"),
        [
            (refuses("28P01"), "ERROR", "login refused: 28P01"),
            (refuses("3D000"), "ERROR", "login refused: 3D000"),
            (refuses("08P01"), "ERROR", "login refused: 08P01"),
            (refuses("57P03"), "WARNING", "login refused: 57P03"),
            (refuses("53300"), "WARNING", "login refused: 53300"),
            (close, "WARNING", "no connection: ServerClosed"),
        ],
    )
    def test_level_and_reason(
        self, server: ScriptedServer, make_client: MakeClient, logged: Logged, say: Say, level: str, reason: str
    ) -> None:
        http = make_client(database_url=server.url(), database_ca_file=server.ca_file)
        server.follow({Step.SASL: say})
        answer = http.get("/api/health")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert levels_of_unavailable(logged) == [level]
        assert [line["reason"] for line in logged() if "reason" in line] == [reason]
        assert SENTENCE not in json.dumps(logged())
