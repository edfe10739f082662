"""Every error says whether something may have been written: by where it stands in an answer, and by who says it."""

from collections.abc import Iterator

import pytest

from backend.postgres import Connection, ConnectionLost, Flight, Opening, ServerError
from tests.support.flights import READS, WRITES
from tests.support.scripted_server import (
    Client,
    ScriptedServer,
    Step,
    changed,
    close_behind,
    error,
    instead,
    ready,
    split,
)

pytestmark = pytest.mark.spec("NFR-014", "SC-010", "EDGE-database-connection-failure")

STATEMENT = "select 1"
BEFORE_COMPLETION, BEFORE_COMMIT = -2, -1
"""Where an answer is cut: in front of the statement's CommandComplete, or of the ReadyForQuery behind it."""


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(tls=False) as running:
        yield running


def refused(server: ScriptedServer, flight: Flight) -> ServerError:
    """The server's error."""
    with (
        Connection(server.database_url(), opening=Opening("todo_auth")) as connected,
        pytest.raises(ServerError) as failed,
    ):
        connected.execute(STATEMENT, flight=flight)
    return failed.value


@pytest.mark.parametrize("state", ["22012", "40001", "08P01", "57P05"])
@pytest.mark.parametrize("end", [BEFORE_COMPLETION, BEFORE_COMMIT])
@pytest.mark.parametrize("flight", [READS, WRITES], ids=["reads", "writes"])
def test_an_error_that_undoes_the_transaction_has_written_nothing(
    server: ScriptedServer, flight: Flight, end: int, state: str
) -> None:
    server.follow({Step.ANSWER: changed(lambda honest: [*honest[:end], error(state, "no", "ERROR"), ready()])})
    assert refused(server, flight).nothing_written


@pytest.mark.parametrize("severity", ["FATAL", "PANIC"])
@pytest.mark.parametrize(
    ("flight", "end", "nothing_written"),
    [
        pytest.param(WRITES, BEFORE_COMPLETION, True, id="a write that has not completed"),
        pytest.param(WRITES, BEFORE_COMMIT, False, id="a write that may be committed"),
        pytest.param(READS, BEFORE_COMPLETION, True, id="a read that has not completed"),
        pytest.param(READS, BEFORE_COMMIT, True, id="a read that has"),
    ],
)
def test_only_a_complete_write_may_be_kept_when_the_connection_ends(
    server: ScriptedServer, severity: str, flight: Flight, end: int, nothing_written: bool
) -> None:
    def say(client: Client, honest: bytes) -> None:
        close_behind(client, b"".join([*split(honest)[:end], error("57P01", "no", severity)]))

    server.follow({Step.ANSWER: say})
    assert refused(server, flight).nothing_written is nothing_written


@pytest.mark.parametrize(
    ("sentence", "was_sent"),
    [
        ("query_wait_timeout", False),
        ("pgbouncer cannot connect to server", False),
        ("server login has been failing, try again later (server_login_retry)", False),
        ("server login has been failing, cached error: connect failed (server_login_retry)", False),
        ("no more connections allowed (max_client_conn)", False),
        ("server conn crashed?", True),
        ("server closed the connection: query_wait_timeout", True),
        ("query_timeout", True),
        ("", True),
    ],
)
@pytest.mark.parametrize("flight", [READS, WRITES], ids=["reads", "writes"])
def test_a_poolers_error_tells_whether_the_flight_was_sent(
    server: ScriptedServer, flight: Flight, sentence: str, was_sent: bool
) -> None:
    server.follow({Step.ANSWER: lambda client, _: close_behind(client, error("08P01", sentence))})
    assert refused(server, flight).nothing_written is (flight is READS or not was_sent)


@pytest.mark.parametrize("flight", [READS, WRITES], ids=["reads", "writes"])
def test_without_an_answer_a_write_may_be_kept(server: ScriptedServer, flight: Flight) -> None:
    server.follow({Step.ANSWER: lambda client, _: client.close()})
    with (
        Connection(server.database_url(), opening=Opening("todo_auth")) as connected,
        pytest.raises(ConnectionLost) as lost,
    ):
        connected.execute(STATEMENT, flight=flight)
    assert lost.value.nothing_written is (flight is READS)


def test_an_error_in_the_opening_or_the_check_is_told_from_one_of_the_statement(server: ScriptedServer) -> None:
    server.follow({Step.ANSWER: instead(error("42501", "no", "ERROR"), ready())})
    assert refused(server, WRITES).before_statement
    server.follow(
        {Step.ANSWER: changed(lambda honest: [*honest[:BEFORE_COMPLETION], error("42501", "no", "ERROR"), ready()])}
    )
    assert not refused(server, WRITES).before_statement
