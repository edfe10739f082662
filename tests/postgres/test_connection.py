"""The connection: the messages that it sends, the transactions that it makes of them, and its state after an error."""

import re
from collections.abc import Callable, Iterator
from importlib.metadata import version

import pytest
from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.legacy import NotSupportedError
from sqlalchemy import text

from backend.database.roles import AUTH_ROLE
from backend.database.transactions import Database
from backend.postgres import (
    Check,
    CheckFailed,
    Connection,
    ConnectionLost,
    DatabaseUrl,
    Flight,
    Opening,
    ServerError,
    connection,
    sqlstate,
)
from backend.postgres.flight import SETTINGS
from dev.paths import CHECKOUT
from tests.support.database_copy import LOGIN, DatabaseCopy
from tests.support.database_fixtures import CountRoundTrips, url_through_port
from tests.support.flights import READS, WRITES, kinds, messages, record_flights, statements, value

NO_ROW, ONE_ROW = Check("select where $1::int = 0", (1,)), Check("select where $1::int = 1", (1,))
INSERT = "insert into rate_limits (key, hits, expires_at) values ($1, '{}', now())"
INSERTED = f"with inserted as ({INSERT.replace('{}', '{{}}')} returning key) select {{}} from inserted"
COUNT = "select count(*) from rate_limits"

either = pytest.mark.parametrize("flight", [READS, WRITES], ids=["reads", "writes"])
with_and_without_values = pytest.mark.parametrize(
    ("statement", "values"), [("select 7", ()), ("select $1::int", (7,))], ids=["no values", "values"]
)


@pytest.fixture
def ordinary(shared_database: DatabaseCopy) -> Iterator[Connection]:
    """A connection of the application's login, for ordinary transactions."""
    with Connection(DatabaseUrl.parse(shared_database.url)) as connected:
        yield connected


@pytest.fixture
def flying(shared_database: DatabaseCopy) -> Iterator[Connection]:
    """A connection of the application's login, on which each statement is a flight of its own."""
    with Connection(DatabaseUrl.parse(shared_database.url), opening=Opening(AUTH_ROLE)) as connected:
        yield connected


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The flights that connections have sent."""
    return record_flights(monkeypatch)


class TestVersion:
    """The driver uses pg8000's converters, so its version is pinned."""

    def test_the_installed_pg8000_is_the_one_this_was_written_for(self) -> None:
        assert version("pg8000") == connection.PG8000_VERSION, (
            f"backend/postgres/ was written for pg8000 {connection.PG8000_VERSION}, and {version('pg8000')} is "
            "installed. Read pg8000's converters.py for what changed, run tests/postgres, then change PG8000_VERSION"
        )

    @pytest.mark.parametrize("file", ["requirements.in", "requirements.txt"])
    def test_the_pinned_pg8000_is_the_one_this_was_written_for(self, file: str) -> None:
        pinned = re.findall(r"^pg8000==(\S+)", (CHECKOUT / file).read_text(), re.MULTILINE)
        assert pinned == [connection.PG8000_VERSION], f"{file} must pin pg8000 to PG8000_VERSION"


class TestMessagesOfFlights:
    """A flight is opening, check and statement, and one Sync."""

    @with_and_without_values
    def test_a_flight_that_writes(
        self, flying: Connection, sent: list[bytes], statement: str, values: tuple[int, ...]
    ) -> None:
        assert value(flying, statement, *values, flight=WRITES) == 7
        [flight] = sent
        assert kinds(flight) == "PBE" * 3 + "PBDE" + "S"
        assert statements(flight) == [
            "show transaction_read_only",
            "set transaction isolation level read committed, read write",
            "opening",
            statement,
        ]

    @with_and_without_values
    def test_a_flight_that_reads(
        self, flying: Connection, sent: list[bytes], statement: str, values: tuple[int, ...]
    ) -> None:
        assert value(flying, statement, *values, flight=READS) == 7
        [flight] = sent
        assert kinds(flight) == "PBE" + "PBDE" + "S"
        assert statements(flight) == ["opening", statement]

    @pytest.mark.parametrize("reads", [True, False])
    def test_a_check_goes_in_front_of_the_statement(self, flying: Connection, sent: list[bytes], reads: bool) -> None:
        assert value(flying, "select 7", flight=Flight(reads=reads, check=ONE_ROW)) == 7
        [flight] = sent
        assert kinds(flight).endswith("PBE" + "PBE" + "PBDE" + "S")
        opening, check, statement = statements(flight)[-3:]
        assert (opening, ONE_ROW.statement in check, statement) == ("opening", True, "select 7")

    @either
    def test_later_flights_are_opened_like_the_first(
        self, flying: Connection, sent: list[bytes], flight: Flight
    ) -> None:
        for _ in range(3):
            value(flying, "select 7", flight=flight)
        first, *later = map(statements, sent)
        assert later == [first, first]

    @either
    def test_no_statement_and_no_portal_has_a_name(self, flying: Connection, sent: list[bytes], flight: Flight) -> None:
        value(flying, "select $1::int", 7, flight=flight)
        named = {"P": b"\0", "B": b"\0\0", "D": b"P\0", "E": b"\0", "S": b""}
        assert all(content.startswith(named[kind]) for kind, content in messages(sent[0]))

    def test_sqlalchemy_sends_no_queries_of_its_own(
        self, shared_database: DatabaseCopy, sent: list[bytes], count_round_trips: CountRoundTrips
    ) -> None:
        proxy = count_round_trips(shared_database.server.port)
        database = Database(DatabaseUrl.parse(url_through_port(proxy.port, shared_database)), pool_size=0)
        [[one]] = database.read(text("select 1"))
        proxy.wait_until_closed()
        flight, terminate = sent
        assert (one, statements(flight), kinds(terminate)) == (1, ["opening", "select 1"], "X")
        to_connect = 4  # TCP, StartupMessage, two of SCRAM
        assert proxy.round_trips == to_connect + 1


class TestMessagesOfTransactions:
    """In an ordinary transaction BEGIN is sent with the first statement, and its end is a message of its own."""

    @with_and_without_values
    def test_begin_is_sent_with_the_first_statement(
        self, ordinary: Connection, sent: list[bytes], statement: str, values: tuple[int, ...]
    ) -> None:
        assert value(ordinary, statement, *values) == 7
        [flight] = sent
        assert kinds(flight) == "PBE" + "PBDE" + "S"
        assert statements(flight) == ["begin", statement]

    @with_and_without_values
    def test_later_statements_are_sent_alone(
        self, ordinary: Connection, sent: list[bytes], statement: str, values: tuple[int, ...]
    ) -> None:
        value(ordinary, "select 1")
        assert value(ordinary, statement, *values) == 7
        assert (kinds(sent[1]), statements(sent[1])) == ("PBDES", [statement])

    def test_the_end_of_a_transaction_is_one_message(self, ordinary: Connection, sent: list[bytes]) -> None:
        for end in (ordinary.commit, ordinary.rollback):
            value(ordinary, "select 1")
            sent.clear()
            end()
            assert [kinds(flight) for flight in sent] == ["Q"]

    def test_ending_a_transaction_that_did_not_begin_sends_nothing(
        self, ordinary: Connection, sent: list[bytes]
    ) -> None:
        ordinary.commit()
        ordinary.rollback()
        value(ordinary, "select 1")
        ordinary.commit()
        sent.clear()
        ordinary.commit()
        ordinary.rollback()
        assert sent == []


class TestRoundTrips:
    """Each call that has something to say is one round trip."""

    def test_each_flight_is_one(self, shared_database: DatabaseCopy, count_round_trips: CountRoundTrips) -> None:
        proxy = count_round_trips(shared_database.server.port)
        url = DatabaseUrl.parse(url_through_port(proxy.port, shared_database))
        with Connection(url, opening=Opening(AUTH_ROLE)) as connected:
            value(connected, "select 1", flight=READS)  # connects
            steps: list[Callable[[], object]] = [
                lambda: value(connected, "select 1", flight=WRITES),
                lambda: value(connected, "select 1", flight=READS),
                lambda: value(connected, "select 1", flight=Flight(check=ONE_ROW)),
                lambda: value(connected, "select length($1)", "x" * 100_000, flight=WRITES),
                lambda: connected.execute("select generate_series(1, 10000)", flight=READS),
                connected.commit,
                connected.rollback,
            ]
            assert _counts(steps, lambda: proxy.round_trips) == [1, 1, 1, 1, 1, 0, 0]

    @pytest.mark.parametrize(
        ("statement", "flight"),
        [("select 1/0", READS), ("select 1/0", WRITES), ("select 1", Flight(reads=True, check=NO_ROW))],
    )
    def test_a_failing_flight_is_one(
        self, shared_database: DatabaseCopy, count_round_trips: CountRoundTrips, statement: str, flight: Flight
    ) -> None:
        proxy = count_round_trips(shared_database.server.port)
        url = DatabaseUrl.parse(url_through_port(proxy.port, shared_database))
        with Connection(url, opening=Opening(AUTH_ROLE)) as connected:
            value(connected, "select 1", flight=READS)

            def fail() -> None:
                with pytest.raises((DatabaseError, CheckFailed)):
                    connected.execute(statement, flight=flight)

            assert _counts([fail], lambda: proxy.round_trips) == [1]

    def test_each_statement_of_a_transaction_is_one_and_so_is_its_end(
        self, shared_database: DatabaseCopy, count_round_trips: CountRoundTrips
    ) -> None:
        proxy = count_round_trips(shared_database.server.port)
        with Connection(DatabaseUrl.parse(url_through_port(proxy.port, shared_database))) as connected:
            value(connected, "select 1")

            def fail() -> None:
                with pytest.raises(DatabaseError):
                    value(connected, "select 1/0")

            steps: list[Callable[[], object]] = [
                lambda: value(connected, "select 1"),
                connected.commit,
                connected.commit,
                lambda: value(connected, "select $1::int", 1),
                fail,
                connected.rollback,
                connected.rollback,
            ]
            assert _counts(steps, lambda: proxy.round_trips) == [1, 1, 0, 1, 1, 1, 0]

    def test_a_connection_that_is_not_used_is_not_opened(
        self, shared_database: DatabaseCopy, count_round_trips: CountRoundTrips
    ) -> None:
        proxy = count_round_trips(shared_database.server.port)
        connected = Connection(DatabaseUrl.parse(url_through_port(proxy.port, shared_database)))
        assert connected.is_quiet
        connected.commit()
        connected.rollback()
        connected.close()
        connected.close()
        assert (proxy.connections, connected.is_quiet) == (0, False)

    def test_closing_says_so_once(self, ordinary: Connection, sent: list[bytes]) -> None:
        value(ordinary, "select 1")
        ordinary.commit()
        sent.clear()
        ordinary.close()
        ordinary.close()
        assert [kinds(flight) for flight in sent] == ["X"]


def _counts(steps: list[Callable[[], object]], count: Callable[[], int]) -> list[int]:
    """By how much the count grows with each step."""
    counts = []
    for step in steps:
        before = count()
        step()
        counts.append(count() - before)
    return counts


@pytest.mark.spec("SC-010", "FR-023")
class TestFlights:
    """A flight is a transaction with a role. All of it is committed when it returns, or none of it."""

    @either
    @pytest.mark.parametrize("statement", ["select current_user::text", "select current_user::text where $1::int = 1"])
    def test_the_role_holds_from_the_very_first_statement(
        self, flying: Connection, flight: Flight, statement: str
    ) -> None:
        values = (1,) if "$1" in statement else ()
        assert [value(flying, statement, *values, flight=flight) for _ in range(3)] == [AUTH_ROLE] * 3

    @either
    def test_role_settings_and_limits_end_with_the_flight(self, flying: Connection, flight: Flight) -> None:
        names = ["role", "transaction_read_only", "statement_timeout", "lock_timeout", *SETTINGS]
        settings = f"select array[{', '.join(f'''current_setting('{name}')''' for name in names)}]"
        during = value(flying, settings, flight=flight)
        flying._opening = None  # from here on it has ordinary transactions, as the login itself
        after = value(flying, settings)
        flying.rollback()
        assert value(flying, "select current_user::text") == LOGIN
        assert (during[0], after[0]) == (AUTH_ROLE, "none")
        assert after[1:4] == ["off", "8s", "5s"]  # what `migrate` gives the login
        assert {"8s", "5s"}.isdisjoint(during)

    def test_it_has_committed_when_it_returns(self, fresh_database: DatabaseCopy) -> None:
        with Connection(DatabaseUrl.parse(fresh_database.url), opening=Opening(AUTH_ROLE)) as connected:
            for number in range(3):
                connected.execute(INSERT, (f"key {number}",), WRITES)
                assert fresh_database.query(COUNT) == [[[number + 1]]]

    @pytest.mark.parametrize("statement", [f"{INSERT} returning 1/0", INSERTED.format("1/0")])
    def test_nothing_of_a_failed_flight_is_kept(self, fresh_database: DatabaseCopy, statement: str) -> None:
        with Connection(DatabaseUrl.parse(fresh_database.url), opening=Opening(AUTH_ROLE)) as connected:
            with pytest.raises(ServerError) as failed:
                connected.execute(statement, ("key",), WRITES)
            assert (sqlstate(failed.value), failed.value.nothing_written) == ("22012", True)
        assert fresh_database.query(COUNT) == [[[0]]]

    @pytest.mark.parametrize("statement", [INSERT, INSERTED.format("key")])
    def test_nothing_behind_a_check_without_a_row_is_kept(self, fresh_database: DatabaseCopy, statement: str) -> None:
        with Connection(DatabaseUrl.parse(fresh_database.url), opening=Opening(AUTH_ROLE)) as connected:
            with pytest.raises(CheckFailed):
                connected.execute(statement, ("key",), Flight(check=NO_ROW))
            assert fresh_database.query(COUNT) == [[[0]]]
            connected.execute(statement, ("key",), Flight(check=ONE_ROW))
        assert fresh_database.query(COUNT) == [[[1]]]

    @pytest.mark.parametrize(
        "statement",
        [
            INSERT,
            INSERTED.format("key"),
            "select key from rate_limits where key = $1 for update",
        ],
    )
    def test_a_flight_that_reads_cannot_write(self, fresh_database: DatabaseCopy, statement: str) -> None:
        with Connection(DatabaseUrl.parse(fresh_database.url), opening=Opening(AUTH_ROLE)) as connected:
            with pytest.raises(ServerError) as refused:
                connected.execute(statement, ("key",), READS)
            assert sqlstate(refused.value) == "25006"
            connected.execute(statement, ("key",), WRITES)

    @pytest.mark.parametrize("reads", [True, False])
    def test_a_check_without_a_row_is_an_error(self, flying: Connection, reads: bool) -> None:
        for statement in ("select 7", "select 1/0", "select * from tasks"):
            with pytest.raises(CheckFailed):
                flying.execute(statement, flight=Flight(reads=reads, check=NO_ROW))
        assert value(flying, "select 7", flight=Flight(reads=reads, check=ONE_ROW)) == 7

    @either
    def test_a_missing_role_lets_no_statement_run(self, shared_database: DatabaseCopy, flight: Flight) -> None:
        with Connection(DatabaseUrl.parse(shared_database.url), opening=Opening('no"body')) as connected:
            for _ in range(2):
                with pytest.raises(ServerError) as refused:
                    connected.execute("select 1", flight=flight)
                assert (sqlstate(refused.value), refused.value.before_statement) == ("22023", True)
                assert connected.is_quiet

    @pytest.mark.parametrize("reads", [True, False])
    def test_an_error_tells_whether_it_was_the_statements(self, flying: Connection, reads: bool) -> None:
        of_check = Flight(reads=reads, check=Check("select where 1/$1::int = 1", (0,)))
        for flight, before_statement in ((of_check, True), (Flight(reads=reads, check=ONE_ROW), False)):
            with pytest.raises(ServerError) as failed:
                flying.execute("select 1/0", flight=flight)
            assert failed.value.before_statement is before_statement


@pytest.mark.spec("SC-010")
class TestTransactions:
    """Without an opening every statement belongs to an ordinary transaction."""

    def test_statements_are_one_transaction_until_its_end(self, ordinary: Connection) -> None:
        current = "select pg_current_xact_id()::text"
        numbers = []
        for end in (ordinary.commit, ordinary.rollback, ordinary.commit):
            numbers += [value(ordinary, current), value(ordinary, current)]
            end()
        assert numbers[::2] == numbers[1::2]
        assert len(set(numbers)) == 3

    def test_there_is_no_autocommit(self, ordinary: Connection, sent: list[bytes]) -> None:
        ordinary.autocommit = True
        value(ordinary, "select 1")
        assert statements(sent[0]) == ["begin", "select 1"]

    def test_a_commit_is_kept_and_a_rollback_is_not(self, fresh_database: DatabaseCopy) -> None:
        with Connection(DatabaseUrl.parse(fresh_database.owner_url)) as connected:
            for end, count in ((connected.rollback, 0), (connected.commit, 1), (connected.close, 1)):
                connected.execute(INSERT, (end.__name__,))
                end()
                assert fresh_database.query(COUNT) == [[[count]]]

    def test_a_first_statement_that_fails_does_not_leave_the_transaction(self, ordinary: Connection) -> None:
        for statement, state in (("select nonsense", "42703"), ("select 1", "25P02")):
            with pytest.raises(ServerError) as failed:
                value(ordinary, statement)
            assert sqlstate(failed.value) == state
        ordinary.rollback()
        assert value(ordinary, "select 1") == 1

    def test_committing_a_failed_transaction_is_an_error_and_no_silent_rollback(self, ordinary: Connection) -> None:
        with pytest.raises(DatabaseError):
            value(ordinary, "select 1/0")
        with pytest.raises(InterfaceError):
            ordinary.commit()
        assert value(ordinary, "select 1") == 1

    def test_a_savepoint_can_be_used_after_an_error(self, ordinary: Connection) -> None:
        ordinary.execute("savepoint here")
        with pytest.raises(DatabaseError):
            ordinary.execute("select 1/0")
        ordinary.execute("rollback to savepoint here")
        assert value(ordinary, "select 1") == 1
        ordinary.commit()


class TestRefused:
    """The connection offers nothing that does not work behind a transaction pooler."""

    @with_and_without_values
    def test_a_statement_that_is_no_flight_is_refused_where_there_is_an_opening(
        self, flying: Connection, sent: list[bytes], statement: str, values: tuple[int, ...]
    ) -> None:
        for refused in (
            lambda: flying.execute(statement, values),
            lambda: flying.cursor().execute(statement, values),
            lambda: flying.cursor().executemany(statement, [values]),
        ):
            with pytest.raises(NotSupportedError):
                refused()
        assert sent == []

    @pytest.mark.parametrize("statement", ["copy (select 1) to stdout", "copy rate_limits (key) from stdin"])
    def test_copy_ends_the_connection_and_gives_nothing(self, flying: Connection, statement: str) -> None:
        with pytest.raises(ConnectionLost):
            flying.execute(statement, flight=WRITES)
        assert not flying.is_quiet

    def test_a_closed_cursor_and_a_closed_connection_refuse_statements(
        self, ordinary: Connection, sent: list[bytes]
    ) -> None:
        cursor = ordinary.cursor()
        cursor.close()
        with pytest.raises(InterfaceError):
            cursor.execute("select 1")
        ordinary.close()
        with pytest.raises(ConnectionLost) as refused:
            ordinary.cursor().execute("select 1")
        assert (refused.value.nothing_written, sent) == (True, [])


STATEMENTS_THAT_FAIL = pytest.mark.parametrize(
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


class TestErrors:
    """An error ends the statement and not the connection."""

    @either
    @STATEMENTS_THAT_FAIL
    def test_in_a_flight_leaves_the_connection_usable(
        self, flying: Connection, flight: Flight, statement: str, values: tuple[object, ...], state: str
    ) -> None:
        for _ in range(2):
            with pytest.raises(ServerError) as failed:
                flying.execute(statement, values, flight)
            assert (sqlstate(failed.value), failed.value.nothing_written) == (state, True)
            assert value(flying, "select $1::int", 7, flight=flight) == 7

    @STATEMENTS_THAT_FAIL
    def test_in_a_transaction_leaves_the_connection_usable(
        self, ordinary: Connection, statement: str, values: tuple[object, ...], state: str
    ) -> None:
        for _ in range(2):
            with pytest.raises(ServerError) as failed:
                ordinary.execute(statement, values)
            assert sqlstate(failed.value) == state
            ordinary.rollback()
            assert value(ordinary, "select $1::int", 7) == 7
            ordinary.commit()

    @pytest.mark.parametrize("reads", [True, False])
    def test_a_cancelled_statement_leaves_the_connection_usable(self, flying: Connection, reads: bool) -> None:
        short = Check("select set_config('statement_timeout', '50', true)", ())
        with pytest.raises(ServerError) as failed:
            flying.execute("select pg_sleep(60)", flight=Flight(reads=reads, check=short))
        assert sqlstate(failed.value) == "57014"
        assert value(flying, "select 7", flight=READS) == 7

    @pytest.mark.parametrize("values", [("\ud800",), (["\udfff"],)])
    def test_text_that_is_not_unicode_is_never_sent(
        self, flying: Connection, sent: list[bytes], values: tuple[object, ...]
    ) -> None:
        for _ in range(2):  # before and after the connection is opened
            sent.clear()
            with pytest.raises(UnicodeEncodeError):
                flying.execute("select $1::text", values, WRITES)
            assert sent == []
            assert value(flying, "select 7", flight=READS) == 7
