"""A server's clock that is not ours: it is found out with one flight more, remembered, and lets no late flight in."""

import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from types import SimpleNamespace

import pytest

from backend.database.roles import AUTH_ROLE
from backend.postgres import Connection, DatabaseUrl, Flight, Late, Opening, connection, memory, outgoing
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import Elsewhere
from tests.support.flights import READS, WRITES, record_flights, value
from tests.support.people import Person

pytestmark = pytest.mark.spec("NFR-014", "NFR-016", "SC-010")

SKEW_SECONDS = 60.0
"""More than a flight may take, so that a server whose clock is ahead finds every flight late."""
INSERT = "insert into rate_limits (key, hits, expires_at) values ($1, '{}', now())"
COUNT = "select count(*) from rate_limits"

either = pytest.mark.parametrize("flight", [READS, WRITES], ids=["reads", "writes"])
ahead, behind = (pytest.param(skew, id=name) for skew, name in ((SKEW_SECONDS, "ahead"), (-SKEW_SECONDS, "behind")))

ServerAhead = Callable[..., None]


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    """Nothing is remembered of a server's clock, before and after."""
    memory.forget()
    yield
    memory.forget()


@pytest.fixture
def server_ahead(monkeypatch: pytest.MonkeyPatch) -> ServerAhead:
    """Sets our clock, so that the server's is so many seconds ahead of it. Several numbers: one for each look at it."""

    def turn(*skews: float) -> None:
        coming = chain(skews, repeat(skews[-1]))
        clock = SimpleNamespace(time=lambda: time.time() - next(coming))
        for module in (connection, outgoing):
            monkeypatch.setattr(module, "time", clock)

    return turn


@pytest.fixture
def flying(fresh_database: DatabaseCopy) -> Iterator[Connection]:
    """A connection that is open."""
    with Connection(DatabaseUrl.parse(fresh_database.url), opening=Opening(AUTH_ROLE)) as connected:
        value(connected, "select 1", flight=READS)
        memory.of(connected._url).clock_offset = 0.0
        yield connected


@pytest.fixture
def sent(flying: Connection, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The flights that are sent from here on."""
    return record_flights(monkeypatch)


def offset(connected: Connection) -> float:
    """How far the server's clock is remembered to be ahead."""
    return memory.of(connected._url).clock_offset


@either
@pytest.mark.parametrize(("skew", "flights"), [(0.0, 1), (SKEW_SECONDS, 2), (-SKEW_SECONDS, 1)])
def test_the_first_flight_finds_out_and_the_next_knows(
    skew: float, flights: int, flight: Flight, flying: Connection, sent: list[bytes], server_ahead: ServerAhead
) -> None:
    server_ahead(skew)
    assert value(flying, "select 7", flight=flight) == 7
    assert len(sent) == flights
    assert value(flying, "select 7", flight=flight) == 7
    assert len(sent) == flights + 1
    assert offset(flying) == pytest.approx(skew, abs=5)


@pytest.mark.parametrize("skew", [0.0, SKEW_SECONDS, -SKEW_SECONDS])
def test_a_write_happens_once(
    skew: float, flying: Connection, server_ahead: ServerAhead, fresh_database: DatabaseCopy
) -> None:
    server_ahead(skew)
    for number in range(3):
        flying.execute(INSERT, (f"key {number}",), WRITES)
        assert fresh_database.query(COUNT) == [[[number + 1]]]


def test_another_connection_knows_too(flying: Connection, sent: list[bytes], server_ahead: ServerAhead) -> None:
    server_ahead(SKEW_SECONDS)
    value(flying, "select 7", flight=READS)
    sent.clear()
    with Connection(flying._url, opening=Opening(AUTH_ROLE)) as other:
        assert value(other, "select 7", flight=WRITES) == 7
        assert len(sent) == 1


def test_a_clock_that_differs_by_less_than_a_flight_takes_costs_nothing(
    flying: Connection, sent: list[bytes], server_ahead: ServerAhead
) -> None:
    for skew in (1.0, -1.0, 0.0):
        server_ahead(skew)
        assert value(flying, "select 7", flight=WRITES) == 7
    assert len(sent) == 3


def test_a_clock_that_is_set_right_is_noticed(flying: Connection, sent: list[bytes], server_ahead: ServerAhead) -> None:
    for skew in (SKEW_SECONDS, 0.0, SKEW_SECONDS, -SKEW_SECONDS, 0.0):
        server_ahead(skew)
        value(flying, "select 7", flight=WRITES)
        assert offset(flying) == pytest.approx(skew, abs=5)
    # one more each time that the server's clock went ahead
    assert len(sent) == 5 + 3


class TestLate:
    """A flight that was too late although the clocks agree, or twice, is not sent again."""

    @either
    def test_a_flight_that_was_really_late_is_not_sent_twice(
        self, flight: Flight, flying: Connection, sent: list[bytes], server_ahead: ServerAhead
    ) -> None:
        server_ahead(SKEW_SECONDS, 0.0)
        with pytest.raises(Late) as late:
            value(flying, "select 7", flight=flight)
        assert (len(sent), late.value.nothing_written) == (1, True)
        assert value(flying, "select 7", flight=flight) == 7
        assert len(sent) == 2

    @either
    def test_a_flight_that_is_late_again_and_again_is_given_up(
        self, flight: Flight, flying: Connection, sent: list[bytes], server_ahead: ServerAhead
    ) -> None:
        server_ahead(*(turn * SKEW_SECONDS for turn in (1, 1, 3, 3, 5, 5, 7, 7)))
        with pytest.raises(Late):
            value(flying, "select 7", flight=flight)
        assert len(sent) == 3

    def test_a_late_flight_has_written_nothing(
        self, flying: Connection, server_ahead: ServerAhead, fresh_database: DatabaseCopy
    ) -> None:
        server_ahead(SKEW_SECONDS, 0.0)
        with pytest.raises(Late):
            flying.execute(INSERT, ("key",), WRITES)
        assert fresh_database.query(COUNT) == [[[0]]]

    def test_its_request_is_503_and_may_be_repeated(
        self, ada: Person, elsewhere: Elsewhere, server_ahead: ServerAhead, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        there = elsewhere(ada)
        sent = record_flights(monkeypatch)
        server_ahead(SKEW_SECONDS, 0.0)
        answer = there.post("/api/tasks", json={"title": "Late"})
        assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "2")
        assert len([flight for flight in sent if flight[:1] == b"P"]) == 1
        assert there.tasks() == []


@pytest.mark.parametrize("skew", [ahead, behind])
@pytest.mark.parametrize("pool_size", [0, 5])
def test_the_application_works_whatever_the_servers_clock_says(
    skew: float, pool_size: int, ada: Person, elsewhere: Elsewhere, server_ahead: ServerAhead
) -> None:
    server_ahead(skew)
    there = elsewhere(ada, database_pool_size=pool_size)
    task = there.create_task()
    assert there.patch(f"/api/tasks/{task['id']}/toggle").status_code == 200
    assert [task["completed"] for task in there.tasks()] == [True]
    assert there.sign_in_again().refresh().status_code == 200
