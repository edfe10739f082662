"""A server that misbehaves at any message: it is not believed, learns no password, and keeps a request only so long."""

import json
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from backend.app import create_app
from backend.postgres import (
    ConnectFailed,
    Connection,
    ConnectionLost,
    Flight,
    Opening,
    ServerError,
    ServerNotTrusted,
    connection,
    login,
    sqlstate,
)
from tests.conftest import MakeClient, MakeSettings
from tests.support.database_fixtures import Logged, levels_of_unavailable
from tests.support.scripted_server import (
    AUTHENTICATION_OK,
    BIND_COMPLETE,
    CLEARTEXT_PASSWORD,
    DATABASE,
    GSS,
    HONEST,
    HOST,
    MD5_PASSWORD,
    NO_DATA,
    PARAMETERS,
    PARSE_COMPLETE,
    PASSWORD,
    PLAIN,
    PLUS,
    SSL_REQUEST,
    SSPI,
    USER,
    WAIT_SECONDS,
    Client,
    Say,
    Script,
    ScriptedServer,
    Step,
    access_token,
    authentication,
    before,
    behind,
    changed,
    close,
    columns,
    complete,
    error,
    in_turn,
    instead,
    message,
    nothing,
    parameter,
    ready,
    reset,
    resolve_here,
    row,
    salted_md5,
    sasl,
    sasl_continue,
    sasl_final,
)

pytestmark = pytest.mark.spec("NFR-014", "NFR-016", "SC-018", "EDGE-database-connection-failure")

OPENING = Opening("todo_auth")
STATEMENT = "select 1"
SENTENCE = "a sentence of the server's"
PROOF = b",p="
"""In a SASLResponse: the client has answered the challenge."""
BOTH = pytest.mark.parametrize("reads", [True, False], ids=["reading", "writing"])


@pytest.fixture(scope="module")
def running_server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def server(running_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """A server with TLS, as a new process sees it. It is honest until a test gives it a script."""
    resolve_here(monkeypatch)
    monkeypatch.setattr(login, "WAKE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(connection, "READ_TIMEOUT_SECONDS", 1.0)
    running_server.follow(HONEST)
    return running_server


def send(server: ScriptedServer, *, reads: bool, port: int | None = None) -> tuple[Connection, Callable[[], Any]]:
    """A connection to the server, and a call that sends it a flight."""
    connected = Connection(server.database_url(port=port), opening=OPENING)
    return connected, lambda: connected.execute(STATEMENT, flight=Flight(reads=reads))


def check_hung_up(server: ScriptedServer, *connected: Connection) -> None:
    """Check that the connections are closed on both sides, and that the server has not learned the password."""
    assert not any(each.is_quiet for each in connected)
    server.check_hung_up()


def logs_in(*messages: bytes) -> Say:
    """Say these messages, then what ends a login, and answer flights, as if the client had proven itself."""

    def say(client: Client, _: bytes) -> None:
        client.send(*messages, AUTHENTICATION_OK, PARAMETERS, ready())
        client.answer_flights()

    return say


def asks(request: bytes) -> Say:
    """Ask for an authentication, take the answer whatever it is, and log the client in."""

    def say(client: Client, _: bytes) -> None:
        client.send(request)
        client.receive()
        logs_in()(client, b"")

    return say


def challenges(change: Callable[[bytes], bytes]) -> Say:
    """Say a changed challenge of SCRAM: `r=` nonce, `s=` salt, `i=` iterations."""
    return lambda client, honest: client.send(sasl_continue(change(honest[9:])))


def replaces(old: bytes, new: bytes) -> Say:
    return challenges(lambda challenge: challenge.replace(old, new))


def nonce(change: Callable[[bytes], bytes]) -> Say:
    """Say a challenge with another nonce: a change of the client's."""

    def say(challenge: bytes) -> bytes:
        ours, part, rest = challenge.removeprefix(b"r=").partition(b"/server-part")
        return b"r=" + change(ours) + part + rest

    return challenges(say)


CHALLENGES: dict[str, Say] = {
    "ten million iterations": replaces(b"i=4096", b"i=10000000"),
    "two billion iterations": replaces(b"i=4096", b"i=2000000000"),
    "no iterations": replaces(b",i=4096", b""),
    "zero iterations": replaces(b"i=4096", b"i=0"),
    "negative iterations": replaces(b"i=4096", b"i=-4096"),
    "iterations that are no number": replaces(b"i=4096", b"i=4096x"),
    "a nonce that is not ours": nonce(lambda ours: ours[::-1]),
    "a nonce that begins with half of ours": nonce(lambda ours: ours[: len(ours) // 2]),
    "a nonce that ends with ours": nonce(lambda ours: b"x" + ours),
    "a nonce equal to ours": replaces(b"/server-part", b""),
    "an empty nonce": nonce(lambda _: b""),
    "a salt that is not Base64": replaces(b"s=", b"s=*"),
    "a salt that is Base64 cut short": replaces(b"==", b"="),
    "an empty salt": challenges(lambda challenge: challenge.partition(b"s=")[0] + b"s=,i=4096"),
    "a mandatory extension": challenges(lambda challenge: b"m=ext," + challenge),
    "a mandatory extension behind": challenges(lambda challenge: challenge.replace(b",s=", b",m=ext,s=")),
    "no challenge": challenges(lambda _: b""),
    "an error": challenges(lambda _: b"e=other-error"),
    "bytes of no meaning": challenges(lambda _: bytes(range(256))),
}
"""Challenges that must not be answered, because the answer lets the server try passwords."""

OTHER_AUTHENTICATIONS = {
    "a clear-text password": CLEARTEXT_PASSWORD,
    "an MD5 password": MD5_PASSWORD,
    "GSS": GSS,
    "GSS to go on": authentication(8, b"token"),
    "SSPI": SSPI,
    "Kerberos V5": authentication(2),
    "SCM credentials": authentication(6),
    "an authentication that does not exist": authentication(99),
}


def _asking() -> Iterator[tuple[str, Script]]:
    for name, request in OTHER_AUTHENTICATIONS.items():
        for step in (Step.SASL, Step.SASL_CONTINUE, Step.SASL_FINAL, Step.OK):
            yield f"{name} asked for in place of {step.name}", {step: asks(request)}


NOT_TRUSTED: dict[str, Script] = {
    "no TLS": {Step.TLS: instead(b"N")},
    "AuthenticationOk without SCRAM": {Step.SASL: logs_in()},
    "AuthenticationOk before the challenge": {Step.SASL_CONTINUE: logs_in()},
    "AuthenticationOk in place of the proof": {Step.SASL_FINAL: logs_in()},
    "the proof is left out": {Step.SASL_FINAL: nothing},
    "the proof in place of the challenge": {Step.SASL_CONTINUE: logs_in(sasl_final(b"v=" + b"A" * 43 + b"="))},
    "a second challenge in place of the proof": {Step.SASL_FINAL: logs_in(sasl_continue(b"r=x,s=eA==,i=4096"))},
    "a second list in place of the challenge": {Step.SASL_CONTINUE: logs_in(sasl(PLAIN))},
    "a wrong proof": {Step.SASL_FINAL: instead(sasl_final(b"v=" + b"A" * 43 + b"="))},
    "half a proof": {Step.SASL_FINAL: lambda client, honest: client.send(sasl_final(honest[9:-10]))},
    "a proof and more": {Step.SASL_FINAL: lambda client, honest: client.send(sasl_final(honest[9:] + b",x=1"))},
    "an empty proof": {Step.SASL_FINAL: instead(sasl_final(b"v="))},
    "no text in the proof": {Step.SASL_FINAL: instead(sasl_final(b""))},
    "an error in place of the proof": {Step.SASL_FINAL: instead(sasl_final(b"e=other-error"))},
    "a proof that is not ASCII": {Step.SASL_FINAL: instead(sasl_final("v=é".encode()))},
    "no mechanism": {Step.SASL: instead(sasl())},
    "other mechanisms only": {Step.SASL: instead(sasl("OAUTHBEARER", "SCRAM-SHA-1", "PLAIN"))},
    **{name: {Step.SASL_CONTINUE: say} for name, say in CHALLENGES.items()},
    **dict(_asking()),
}
"""A server that does not prove itself: it may be another one than ours, so an operator must know."""

SSL_ANSWERS: dict[str, Script] = {
    "an error in place of TLS": {Step.TLS: instead(error("XX000", SENTENCE))},
    "another protocol": {Step.TLS: instead(b"HTTP/1.1 400 Bad Request\r\n\r\n")},
    "clear text behind the answer to SSLRequest": {Step.TLS: instead(b"S" + sasl(PLAIN) + AUTHENTICATION_OK)},
}
VIOLATIONS: dict[str, Script] = {
    **SSL_ANSWERS,
    **{f"closed at {step.name}": {step: close} for step in Step if step != Step.ANSWER},
    **{f"reset at {step.name}": {step: reset} for step in Step if step != Step.ANSWER},
    "bytes of no meaning": {Step.SASL: instead(b"\xff" * 100)},
    "half a message": {Step.SASL: in_turn(lambda client, honest: client.send(honest[:7]), close)},
    "an Authentication without its code": {Step.SASL: instead(message(b"R", b"\0\0"))},
    "ReadyForQuery in place of the list": {Step.SASL: instead(ready())},
    "an answer in place of the list": {Step.SASL: instead(columns({"answer": 23}), row("1"), complete("SELECT 1"))},
    "AuthenticationOk is left out": {Step.OK: nothing},
    "AuthenticationOk twice": {Step.OK: behind(AUTHENTICATION_OK)},
    "a message without a body, of no known kind": {Step.PARAMETERS: before(message(b"?"))},
    "another protocol version": {Step.PARAMETERS: before(message(b"v", struct.pack("!ii", 196608, 0)))},
    "an answer before ReadyForQuery": {Step.READY: before(complete("SELECT 1"))},
    "inside a transaction": {Step.READY: instead(ready(b"T"))},
    "in a failed transaction": {Step.READY: instead(ready(b"E"))},
    "ReadyForQuery without a status": {Step.READY: instead(ready(b""))},
    "LATIN1": {Step.PARAMETERS: behind(parameter("client_encoding", "LATIN1"))},
    "a message shorter than its length": {Step.SASL: instead(b"R" + struct.pack("!i", 3))},
    "a message of negative length": {Step.SASL: instead(b"R" + struct.pack("!i", -5) + bytes(20))},
    **{
        f"{name} asked for behind AuthenticationOk": {Step.PARAMETERS: asks(request)}
        for name, request in OTHER_AUTHENTICATIONS.items()
    },
}
"""A server that breaks the protocol at login. The login is tried once more: it may have been a faulty network."""


def _cases(scripts: dict[str, Any]) -> list[Any]:
    return [pytest.param(script, id=name) for name, script in scripts.items()]


def _every_tenth(scripts: dict[str, Any]) -> list[Any]:
    """The cases, of which all but every tenth are long: what the driver does in each, `make test` has tried already."""
    return [
        pytest.param(script, id=name, marks=[] if number % 10 == 0 else pytest.mark.long)
        for number, (name, script) in enumerate(scripts.items())
    ]


class TestLogin:
    """What a server may do before it has proven that it knows the password."""

    @pytest.mark.parametrize(
        ("parameters", "pipeline", "reads"),
        [
            pytest.param("", True, True, id="reading"),
            pytest.param("", True, False, id="writing"),
            pytest.param("", False, True, id="nothing rides"),
            pytest.param("&channel_binding=require", True, True, id="channel binding"),
        ],
    )
    @pytest.mark.parametrize("script", _cases(NOT_TRUSTED))
    def test_a_server_without_proof_is_not_believed(
        self, server: ScriptedServer, script: Script, parameters: str, pipeline: bool, reads: bool
    ) -> None:
        server.follow(script)
        connected = Connection(server.database_url(parameters, pipeline=pipeline), opening=OPENING)
        with pytest.raises(ServerNotTrusted) as failed:
            connected.execute(STATEMENT, flight=Flight(reads=reads))
        assert (failed.value.needs_operator, failed.value.nothing_written) == (True, True)
        check_hung_up(server, connected)
        assert len(server.clients) == 1
        assert STATEMENT.encode() not in server.received or (reads and pipeline)

    @pytest.mark.parametrize("say", _cases(CHALLENGES))
    def test_a_wrong_challenge_is_not_answered(self, server: ScriptedServer, say: Say) -> None:
        server.follow({Step.SASL_CONTINUE: say})
        _, flight = send(server, reads=True)
        with pytest.raises(ServerNotTrusted):
            flight()
        check_hung_up(server)
        assert PROOF not in server.received

    @pytest.mark.parametrize("of", ["another host", "another authority"])
    def test_a_certificate_that_is_not_its_own(self, server: ScriptedServer, of: str) -> None:
        with ScriptedServer() as other:
            url = server.database_url()
            other_host = f"other-{HOST}"
            url = replace(url, host=other_host) if of == "another host" else replace(url, ca_file=other.ca_file)
            with pytest.raises(ServerNotTrusted) as failed:
                Connection(url, opening=OPENING).execute(STATEMENT, flight=Flight(reads=True))
        assert HOST not in str(failed.value)
        check_hung_up(server)
        assert [bytes(client.received) for client in server.clients] == [SSL_REQUEST]

    def test_a_right_challenge_is_answered(self, server: ScriptedServer) -> None:
        connected, flight = send(server, reads=True)
        assert flight().rows == [[1]]
        connected.close()
        check_hung_up(server)
        assert PROOF in server.received

    @BOTH
    @pytest.mark.parametrize("script", _cases(VIOLATIONS))
    def test_a_login_that_breaks_the_protocol_fails(self, server: ScriptedServer, script: Script, reads: bool) -> None:
        server.follow(script)
        connected, flight = send(server, reads=reads)
        with pytest.raises(ConnectFailed) as failed:
            flight()
        assert (type(failed.value), failed.value.nothing_written) == (ConnectFailed, True)
        check_hung_up(server, connected)
        assert len(server.clients) == 2
        assert reads or STATEMENT.encode() not in server.received

    def test_the_proof_of_another_login_proves_nothing(self, server: ScriptedServer) -> None:
        proofs: list[bytes] = []

        def say_the_first(client: Client, honest: bytes) -> None:
            proofs.append(honest)
            client.send(proofs[0])

        server.follow({Step.SASL_FINAL: say_the_first})
        connected, flight = send(server, reads=True)
        assert flight().rows == [[1]]
        connected.close()
        other, flight = send(server, reads=True)
        with pytest.raises(ServerNotTrusted):
            flight()
        check_hung_up(server, other)

    def test_with_channel_binding_no_other_mechanism_will_do(self, server: ScriptedServer) -> None:
        server.follow({Step.SASL: instead(sasl(PLAIN))})
        connected = Connection(server.database_url("&channel_binding=require"), opening=OPENING)
        with pytest.raises(ServerNotTrusted):
            connected.execute(STATEMENT, flight=Flight(reads=True))
        check_hung_up(server, connected)
        assert len(server.clients) == 1
        assert PLUS.encode() in server.received
        assert PROOF not in server.received

    def test_bytes_behind_ready_for_query_are_no_answer(self, server: ScriptedServer) -> None:
        forged = [
            *(PARSE_COMPLETE, BIND_COMPLETE, row("off"), complete("SHOW")),
            *(PARSE_COMPLETE, BIND_COMPLETE, complete("SET")),
            *(PARSE_COMPLETE, BIND_COMPLETE, row("t", str(time.time()), "{}"), complete("SELECT 1")),
            *(PARSE_COMPLETE, BIND_COMPLETE, columns({"answer": 23}), row("1"), complete("SELECT 1")),
            ready(),
        ]
        server.follow({Step.READY: behind(*forged), Step.ANSWER: nothing})
        connected, flight = send(server, reads=False)
        with pytest.raises(ConnectFailed):
            flight()
        check_hung_up(server, connected)


class TestWhatAServerHears:
    """A flight that writes waits for the server's proof."""

    @staticmethod
    def _heard_before(server: ScriptedServer, step: Step, *, reads: bool) -> bytes:
        """What the server has received before it says this step's message, although it has waited for more."""
        heard: list[bytes] = []

        def wait(client: Client, honest: bytes) -> None:
            client.listen(0.3)
            heard.append(bytes(client.received))
            client.send(honest)

        server.follow({step: wait})
        connected, flight = send(server, reads=reads)
        assert flight().rows == [[1]]
        connected.close()
        check_hung_up(server)
        return heard[0]

    @pytest.mark.parametrize("step", [Step.SASL_CONTINUE, Step.SASL_FINAL, Step.OK, Step.PARAMETERS, Step.READY])
    def test_nothing_of_a_write_before_the_servers_proof(self, server: ScriptedServer, step: Step) -> None:
        heard = self._heard_before(server, step, reads=False)
        assert STATEMENT.encode() not in heard
        assert b"set_config" not in heard

    def test_a_read_leaves_with_the_clients_proof(self, server: ScriptedServer) -> None:
        assert STATEMENT.encode() in self._heard_before(server, Step.SASL_FINAL, reads=True)

    def test_a_read_does_not_leave_before_the_challenge(self, server: ScriptedServer) -> None:
        assert STATEMENT.encode() not in self._heard_before(server, Step.SASL_CONTINUE, reads=True)


Change = Callable[[list[bytes]], Sequence[bytes]]

OPENING_ROW, STATEMENT_COLUMNS, STATEMENT_ROW = 2, 6, 7
"""Positions in the answer to a flight that reads, which has these ten messages: 1 2 D C, 1 2 T D C, Z."""
FLIGHT_MESSAGES = 10


def left_out(position: int) -> Change:
    """All but the message at this position."""
    return lambda honest: honest[:position] + honest[position + 1 :]


def inserted(position: int, *messages: bytes) -> Change:
    """These messages besides, in front of the one at this position."""
    return lambda honest: [*honest[:position], *messages, *honest[position:]]


def replaced(position: int, *messages: bytes) -> Change:
    """These messages in place of the one at this position, counted from the end."""
    return lambda honest: [*honest[: len(honest) + position], *messages, *honest[len(honest) + position + 1 :]]


ANSWER_ROW, ANSWER_COLUMNS = -3, -4
"""Positions of the statement's row, and of its columns, from the end of the answer to any flight."""
FOREIGN = {
    "ParseComplete": PARSE_COMPLETE,
    "RowDescription": columns({"answer": 23}),
    "CommandComplete": complete("SELECT 1"),
    "NoData": NO_DATA,
    "PortalSuspended": message(b"s"),
    "CopyInResponse": message(b"G", b"\0\0\0"),
    "CopyOutResponse": message(b"H", b"\0\0\0"),
    "CopyBothResponse": message(b"W", b"\0\0\0"),
    "FunctionCallResponse": message(b"V", b"\xff\xff\xff\xff"),
    "CloseComplete": message(b"3"),
    "BackendKeyData": message(b"K", bytes(8)),
    "NegotiateProtocolVersion": message(b"v", struct.pack("!ii", 196608, 0)),
    "a message of no known kind": message(b"?"),
    "AuthenticationOk": AUTHENTICATION_OK,
    "AuthenticationSASL": sasl(PLAIN, PLUS),
    **OTHER_AUTHENTICATIONS,
}
TAMPERED: dict[str, Change] = {
    **{f"{name} in front": inserted(0, foreign) for name, foreign in FOREIGN.items() if foreign != PARSE_COMPLETE},
    **{f"{name} before ReadyForQuery": inserted(-1, foreign) for name, foreign in FOREIGN.items()},
    "a second result": lambda honest: [*honest[:-1], *honest[-6:-1], honest[-1]],
    "a row behind ReadyForQuery": lambda honest: [*honest, row("2")],
    "an answer behind ReadyForQuery": lambda honest: [*honest, *honest],
    "a second ReadyForQuery": lambda honest: [*honest, ready()],
    "ReadyForQuery alone": lambda honest: honest[-1:],
    "an open transaction": replaced(-1, ready(b"T")),
    "a failed transaction": replaced(-1, ready(b"E")),
    "a status that does not exist": replaced(-1, ready(b"X")),
    "no status": replaced(-1, ready(b"")),
    "a row with too many values": replaced(ANSWER_ROW, row("1", "2")),
    "a row with too few values": replaced(ANSWER_ROW, row()),
    "a row that is shorter than it says": replaced(ANSWER_ROW, message(b"D", struct.pack("!hi", 1, 99) + b"1")),
    "a row that is longer than it says": replaced(ANSWER_ROW, message(b"D", struct.pack("!hi", 1, 1) + b"12345")),
    "a row without its count": replaced(ANSWER_ROW, message(b"D", b"\0")),
    "a value of another type": replaced(ANSWER_ROW, row("one")),
    "a value that is not UTF-8": replaced(ANSWER_ROW, message(b"D", struct.pack("!hi", 1, 1) + b"\xff")),
    "a row without columns": replaced(ANSWER_COLUMNS, NO_DATA),
    "columns that end early": replaced(ANSWER_COLUMNS, message(b"T", struct.pack("!h", 3) + b"answer\0")),
    "columns without a name": replaced(ANSWER_COLUMNS, message(b"T", struct.pack("!h", 1) + b"answer")),
    "no columns": replaced(ANSWER_COLUMNS),
    "LATIN1": inserted(3, parameter("client_encoding", "LATIN1")),
    "a message shorter than its length": inserted(0, b"1" + struct.pack("!i", 3)),
    "a message of negative length": inserted(0, b"1" + struct.pack("!i", -5) + bytes(20)),
    "bytes of no meaning": lambda _: [b"\xff" * 100],
}
OPENINGS = {
    "no row": (),
    "a row without values": (row(),),
    "a row without the server's clock": (row("t"),),
    "a null clock": (row("t", None, "{}"),),
    "a clock that is no number": (row("t", SENTENCE, '{"ISO, MDY"}'),),
    "another DateStyle": (row("t", "0", '{"SQL, DMY"}'),),
}
"""In place of the row that the opening gives: whether the flight is in time, the server's clock, the settings."""


class TestAnswers:
    """What a server may do after it has proven that it knows the password."""

    def test_positions_are_those_of_an_honest_answer(self, server: ScriptedServer) -> None:
        kinds: list[bytes] = []

        def note(honest: list[bytes]) -> list[bytes]:
            kinds.extend(each[:1] for each in honest)
            return honest

        server.follow({Step.ANSWER: changed(note)})
        connected, flight = send(server, reads=True)
        assert flight().rows == [[1]]
        assert b"".join(kinds) == b"12DC12TDCZ"
        connected.close()

    @BOTH
    @pytest.mark.parametrize("change", _cases(TAMPERED))
    def test_an_answer_that_breaks_the_protocol_is_not_believed(
        self, server: ScriptedServer, change: Change, reads: bool
    ) -> None:
        server.follow({Step.ANSWER: changed(change)})
        connected, flight = send(server, reads=reads)
        with pytest.raises(ConnectionLost) as failed:
            flight()
        assert failed.value.nothing_written == reads
        check_hung_up(server, connected)
        assert server.received.count(STATEMENT.encode()) == 1

    @pytest.mark.parametrize(
        "behind_it", [(error("22012", SENTENCE, "ERROR"), ready()), (complete("SELECT 1"), ready()), ()]
    )
    def test_an_error_counts_whatever_comes_behind_it(
        self, server: ScriptedServer, behind_it: tuple[bytes, ...]
    ) -> None:
        server.follow({Step.ANSWER: instead(error("22012", SENTENCE, "ERROR"), *behind_it)})
        connected, flight = send(server, reads=False)
        with pytest.raises(ServerError) as failed:
            flight()
        assert sqlstate(failed.value) == "22012"
        check_hung_up(server, connected)

    @pytest.mark.parametrize("position", [each for each in range(FLIGHT_MESSAGES - 1) if each != STATEMENT_ROW])
    def test_a_message_that_is_missing(self, server: ScriptedServer, position: int) -> None:
        server.follow({Step.ANSWER: changed(left_out(position))})
        connected, flight = send(server, reads=True)
        with pytest.raises(ConnectionLost):
            flight()
        check_hung_up(server, connected)

    @pytest.mark.parametrize("position", range(FLIGHT_MESSAGES - 1))
    def test_an_early_ready_for_query(self, server: ScriptedServer, position: int) -> None:
        server.follow({Step.ANSWER: changed(inserted(position, ready()))})
        connected, flight = send(server, reads=True)
        with pytest.raises(ConnectionLost):
            flight()
        check_hung_up(server, connected)

    @pytest.mark.parametrize("how", [close, reset])
    @pytest.mark.parametrize("position", range(FLIGHT_MESSAGES))
    def test_a_connection_that_ends_within_an_answer(self, server: ScriptedServer, position: int, how: Say) -> None:
        def end(client: Client, honest: bytes) -> None:
            changed(lambda messages: messages[:position])(client, honest)
            how(client, honest)

        server.follow({Step.ANSWER: end})
        connected, flight = send(server, reads=True)
        with pytest.raises(ConnectionLost):
            flight()
        check_hung_up(server, connected)

    @BOTH
    @pytest.mark.parametrize("messages", _cases(OPENINGS))
    def test_an_opening_without_its_answer(
        self, server: ScriptedServer, messages: tuple[bytes, ...], reads: bool
    ) -> None:
        server.follow({Step.ANSWER: changed(replaced(-8, *messages))})
        connected, flight = send(server, reads=reads)
        with pytest.raises(ConnectionLost) as failed:
            flight()
        assert failed.value.nothing_written == reads
        check_hung_up(server, connected)
        assert server.received.count(STATEMENT.encode()) == 1

    @pytest.mark.parametrize("pause", [0.0, 0.1])
    def test_bytes_in_another_packet_are_not_the_next_answer(self, server: ScriptedServer, pause: float) -> None:
        extra_sent = threading.Event()

        def say(client: Client, honest: bytes) -> None:
            client.send(honest)
            time.sleep(pause)
            client.send(honest)
            extra_sent.set()

        server.follow({Step.ANSWER: say})
        connected, flight = send(server, reads=False)
        try:
            assert flight().rows == [[1]]
        except ConnectionLost:  # both packets came at once
            assert pause == 0.0
        else:
            assert extra_sent.wait(WAIT_SECONDS)
            with pytest.raises(ConnectionLost) as failed:
                flight()
            assert failed.value.nothing_written
        check_hung_up(server, connected)
        assert server.received.count(STATEMENT.encode()) == 1

    @pytest.mark.parametrize("tag", ["ROLLBACK", "BEGIN", ""])
    def test_a_commit_that_is_not_answered_by_commit(self, server: ScriptedServer, tag: str) -> None:
        server.follow({Step.ANSWER: changed(lambda honest: honest if len(honest) > 2 else [complete(tag), honest[1]])})
        connected = Connection(server.database_url())
        connected.execute("insert into things values (1)")
        with pytest.raises(Exception, match="COMMIT"):
            connected.commit()
        connected.close()
        check_hung_up(server, connected)

    @pytest.mark.parametrize("status", [b"T", b"E"])
    def test_a_commit_that_leaves_a_transaction_open(self, server: ScriptedServer, status: bytes) -> None:
        server.follow({Step.ANSWER: changed(lambda honest: honest if len(honest) > 2 else [honest[0], ready(status)])})
        connected = Connection(server.database_url())
        connected.execute("insert into things values (1)")
        with pytest.raises(ConnectionLost) as failed:
            connected.commit()
        assert not failed.value.nothing_written
        check_hung_up(server, connected)

    def test_a_commit_that_is_answered_by_commit(self, server: ScriptedServer) -> None:
        with Connection(server.database_url()) as connected:
            connected.execute("insert into things values (1)")
            connected.commit()
        check_hung_up(server)

    @pytest.mark.parametrize("status", [b"X", b""])
    def test_a_transaction_without_a_status_is_not_believed(self, server: ScriptedServer, status: bytes) -> None:
        server.follow({Step.ANSWER: changed(replaced(-1, ready(status)))})
        connected = Connection(server.database_url())
        with pytest.raises(ConnectionLost):
            connected.execute("insert into things values (1)")
        check_hung_up(server, connected)

    @pytest.mark.parametrize("step", [Step.PARAMETERS, Step.ANSWER])
    def test_without_an_opening_times_must_be_iso(self, server: ScriptedServer, step: Step) -> None:
        server.follow({step: changed(lambda honest: [*honest[:-1], parameter("DateStyle", "SQL, DMY"), honest[-1]])})
        connected = Connection(server.database_url())
        with pytest.raises(ConnectionLost, match="DateStyle"):
            connected.execute("select now()")
        check_hung_up(server, connected)

    @pytest.mark.parametrize("step", [Step.PARAMETERS, Step.ANSWER])
    def test_an_opening_makes_them_so_whatever_the_server_reports(self, server: ScriptedServer, step: Step) -> None:
        server.follow({step: changed(lambda honest: [*honest[:-1], parameter("DateStyle", "SQL, DMY"), honest[-1]])})
        connected, flight = send(server, reads=True)
        assert flight().rows == [[1]]
        connected.close()


class TestWithoutTls:
    """On this machine, without TLS: what the server asks for is answered, as libpq does, but SCRAM is still checked."""

    @pytest.fixture
    def plain_server(self, server: ScriptedServer) -> Iterator[ScriptedServer]:
        with ScriptedServer(tls=False) as running:
            yield running

    @pytest.mark.parametrize(
        ("say", "answer"),
        [
            pytest.param(asks(CLEARTEXT_PASSWORD), PASSWORD, id="clear text"),
            pytest.param(asks(MD5_PASSWORD), salted_md5(), id="MD5"),
        ],
    )
    def test_a_password_is_told(self, plain_server: ScriptedServer, say: Say, answer: str) -> None:
        plain_server.follow({Step.SASL: say})
        connected, flight = send(plain_server, reads=True)
        assert flight().rows == [[1]]
        connected.close()
        assert message(b"p", answer.encode() + b"\0") in plain_server.received

    @pytest.mark.parametrize("say", [logs_in(), Client.send], ids=["trust", "SCRAM"])
    def test_no_password_is_told_where_none_is_asked_for(self, plain_server: ScriptedServer, say: Say) -> None:
        plain_server.follow({Step.SASL: say})
        connected, flight = send(plain_server, reads=True)
        assert flight().rows == [[1]]
        connected.close()
        check_hung_up(plain_server)

    @pytest.mark.parametrize("asked", [GSS, SSPI, authentication(99)])
    def test_what_is_not_known_is_not_answered(self, plain_server: ScriptedServer, asked: bytes) -> None:
        plain_server.follow({Step.SASL: asks(asked)})
        connected, flight = send(plain_server, reads=True)
        with pytest.raises(ServerNotTrusted):
            flight()
        check_hung_up(plain_server, connected)

    @pytest.mark.parametrize(
        "name",
        ["the proof is left out", "a wrong proof", "AuthenticationOk before the challenge", "ten million iterations"],
    )
    def test_a_server_that_begins_with_scram_must_end_it(self, plain_server: ScriptedServer, name: str) -> None:
        plain_server.follow(NOT_TRUSTED[name])
        connected, flight = send(plain_server, reads=True)
        with pytest.raises(ServerNotTrusted):
            flight()
        check_hung_up(plain_server, connected)

    @pytest.mark.parametrize("asked", [CLEARTEXT_PASSWORD, MD5_PASSWORD])
    def test_in_mid_session_no_password_is_told(self, plain_server: ScriptedServer, asked: bytes) -> None:
        plain_server.follow({Step.ANSWER: instead(asked)})
        connected, flight = send(plain_server, reads=False)
        with pytest.raises(ConnectionLost):
            flight()
        check_hung_up(plain_server, connected)


@pytest.fixture(scope="module")
def apps() -> list[FastAPI]:
    """Keeps the application between tests, because its first request takes long."""
    return []


class TestApi:
    """What the API answers and logs then."""

    @pytest.fixture
    def http(
        self, server: ScriptedServer, apps: list[FastAPI], make_client: MakeClient, make_settings: MakeSettings
    ) -> TestClient:
        """A client of an application whose database the server is."""
        if not apps:
            settings = make_settings(database_url=server.url(), database_ca_file=server.ca_file, database_pool_size=0)
            apps.append(create_app(settings))
        return make_client(app=apps[0])

    @pytest.mark.spec("NFR-015")
    @pytest.mark.parametrize("script", _cases(NOT_TRUSTED))
    def test_a_server_without_proof_is_for_the_operator(
        self, server: ScriptedServer, http: TestClient, logged: Logged, script: Script
    ) -> None:
        server.follow(script)
        for answer in (read(http), write(http)):
            check_unavailable(answer, retry_after="2")
        check_log(logged, "ERROR", "ERROR")
        check_hung_up(server)

    @pytest.mark.parametrize("script", _every_tenth(VIOLATIONS))
    def test_a_login_that_breaks_the_protocol_is_503(
        self, server: ScriptedServer, http: TestClient, logged: Logged, script: Script
    ) -> None:
        server.follow(script)
        for answer in (read(http), write(http)):
            check_unavailable(answer, retry_after="2")
        check_log(logged, "WARNING", "WARNING")
        check_hung_up(server)

    @pytest.mark.parametrize("change", _every_tenth(TAMPERED))
    def test_an_answer_that_breaks_the_protocol_is_503(
        self, server: ScriptedServer, http: TestClient, logged: Logged, change: Change
    ) -> None:
        server.follow({Step.ANSWER: changed(change)})
        check_unavailable(read(http), retry_after="2")
        check_unavailable(write(http), retry_after=None)
        check_log(logged, "WARNING", "WARNING")
        check_hung_up(server)

    def test_a_certificate_of_another_host_is_for_the_operator(
        self, server: ScriptedServer, make_client: MakeClient, logged: Logged
    ) -> None:
        url = server.url().replace(HOST, f"other-{HOST}")
        http = make_client(database_url=url, database_ca_file=server.ca_file)
        check_unavailable(read(http), retry_after="2")
        check_log(logged, "ERROR")

    def test_an_honest_server_is_believed(self, server: ScriptedServer, http: TestClient, logged: Logged) -> None:
        assert (read(http).status_code, write(http).status_code) == (200, 201)
        check_log(logged)
        check_hung_up(server)

    @pytest.mark.parametrize("severity", ["ERROR", "FATAL"])
    @pytest.mark.parametrize("state", ["57P01", "28P01", "42501", "58030", "22012", SENTENCE])
    def test_an_error_says_nothing_of_the_server(
        self, server: ScriptedServer, http: TestClient, logged: Logged, state: str, severity: str
    ) -> None:
        sentence = f"{SENTENCE} {HOST} {USER} {DATABASE}"
        for step in (Step.SASL, Step.SASL_FINAL, Step.ANSWER):
            server.follow({step: instead(error(state, sentence, severity), ready())})
            for answer in (read(http), write(http)):
                assert answer.status_code >= 500
                assert "sentence" not in answer.text
        check_log_discloses_nothing(logged)
        check_hung_up(server)

    @pytest.mark.parametrize("pool_size", [0, 1])
    def test_the_next_askedis_served_by_a_new_connection(
        self, server: ScriptedServer, make_client: MakeClient, pool_size: int
    ) -> None:
        http = make_client(database_url=server.url(), database_ca_file=server.ca_file, database_pool_size=pool_size)
        server.follow({Step.ANSWER: changed(lambda honest: [*honest, row("2")])}, HONEST)
        assert write(http).status_code == 503
        assert (read(http).status_code, write(http).status_code) == (200, 201)


def read(http: TestClient) -> httpx2.Response:
    return http.get("/api/health")


def write(http: TestClient) -> httpx2.Response:
    return http.post("/api/tasks", json={"title": "Buy milk"}, headers={"Authorization": f"Bearer {access_token()}"})


def check_unavailable(answer: httpx2.Response, *, retry_after: str | None) -> None:
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, retry_after)
    assert answer.json() == {"detail": "The service is unavailable for a moment. Please try again."}


def check_log(logged: Logged, *levels: str) -> None:
    """Check the levels at which the unavailable database was logged, and what the log has not."""
    assert levels_of_unavailable(logged) == list(levels)
    check_log_discloses_nothing(logged)


def check_log_discloses_nothing(logged: Logged) -> None:
    lines = json.dumps(logged(), ensure_ascii=False)
    for secret in (HOST, "neon.example", "127.0.0.1", USER, PASSWORD, DATABASE, "sentence"):
        assert secret not in lines
