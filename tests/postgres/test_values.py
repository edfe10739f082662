"""Values: they come back as they were sent, and rows are counted."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.database.roles import AUTH_ROLE
from backend.postgres import Connection, DatabaseUrl, Opening
from tests.support.database_copy import DatabaseCopy
from tests.support.flights import READS, value

pytestmark = pytest.mark.spec("EDGE-special-characters-in-task-data")


@pytest.fixture(scope="module")
def flying(shared_database: DatabaseCopy) -> Iterator[Connection]:
    """A connection on which each statement is a flight of its own. It is open for all examples."""
    with Connection(DatabaseUrl.parse(shared_database.url), opening=Opening(AUTH_ROLE)) as connected:
        yield connected


@pytest.fixture
def ordinary(shared_database: DatabaseCopy) -> Iterator[Connection]:
    """A connection for one ordinary transaction."""
    with Connection(DatabaseUrl.parse(shared_database.url)) as connected:
        yield connected
        connected.rollback()


class TestValues:
    """A value comes back as it was sent."""

    @pytest.mark.parametrize(
        ("kind", "sent"),
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
    def test_come_back_as_they_were_sent(
        self, flying: Connection, ordinary: Connection, kind: str, sent: object
    ) -> None:
        assert value(flying, f"select $1::{kind}", sent, flight=READS) == sent
        assert value(ordinary, f"select $1::{kind}", sent) == sent

    @settings(deadline=None, max_examples=200)
    @given(anything=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
    def test_any_text_comes_back(self, flying: Connection, anything: str) -> None:
        assert value(flying, "select $1::text", anything, flight=READS) == anything

    def test_a_megabyte_goes_both_ways(self, flying: Connection) -> None:
        large = "ä🐘" * 200_000
        assert value(flying, "select $1::text", large, flight=READS) == large

    def test_ids_are_uuids(self, flying: Connection) -> None:
        assert isinstance(value(flying, "select gen_random_uuid()", flight=READS), UUID)

    def test_text_is_utf_8_whatever_the_server_prefers(self, fresh_database: DatabaseCopy) -> None:
        fresh_database.query(f"alter database {fresh_database.name} set client_encoding = 'LATIN1'")
        with Connection(DatabaseUrl.parse(fresh_database.url), opening=Opening(AUTH_ROLE)) as connected:
            assert value(connected, "select char_length($1)", "é🐘", flight=READS) == 2
            assert value(connected, "select $1::text || 'ü🐘'", "é", flight=READS) == "éü🐘"


class TestTimestamps:
    """A time is the same whatever the session's time zone."""

    @pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati", "-07:30"])
    @pytest.mark.parametrize("moment", ["2026-02-03T04:05:06.789012+00:00", "1999-12-31T23:59:59+00:00"])
    def test_a_timestamp_is_the_same_in_every_time_zone(self, ordinary: Connection, zone: str, moment: str) -> None:
        value(ordinary, "select set_config('timezone', $1, true)", zone)
        read = value(ordinary, "select $1::timestamptz", moment)
        assert read == datetime.fromisoformat(moment)
        assert read.tzinfo is not None

    def test_a_time_zone_with_seconds_is_read(self, ordinary: Connection) -> None:
        value(ordinary, "select set_config('timezone', 'Europe/Zurich', true)")
        assert value(ordinary, "select '1850-01-01 00:00:00+00'::timestamptz") == datetime(1850, 1, 1, tzinfo=UTC)


class TestRows:
    """Rows come in their order, with their columns' names, and are counted."""

    def test_an_empty_result_has_columns_and_no_rows(self, ordinary: Connection) -> None:
        cursor = ordinary.cursor()
        cursor.execute("select 1 as one, 'x' as two where false")
        assert [column[0] for column in cursor.description or ()] == ["one", "two"]
        assert (cursor.fetchall(), cursor.fetchone(), cursor.rowcount) == ([], None, 0)

    def test_several_rows_come_in_order_and_are_counted(self, ordinary: Connection) -> None:
        cursor = ordinary.cursor()
        cursor.execute("select n, n * n from generate_series(1, $1::int) n", (3,))
        assert cursor.fetchone() == [1, 1]
        assert cursor.fetchmany(1) == [[2, 4]]
        assert cursor.fetchall() == [[3, 9]]
        assert (cursor.fetchone(), cursor.fetchmany(2), cursor.fetchall()) == (None, [], [])
        assert cursor.rowcount == 3

    def test_changes_are_counted_and_give_no_rows(self, ordinary: Connection) -> None:
        cursor = ordinary.cursor()
        cursor.execute("create temporary table numbers (n int) on commit drop")
        assert (cursor.description, cursor.rowcount) == (None, -1)
        for statement, count in [
            ("insert into numbers select generate_series(1, 5)", 5),
            ("update numbers set n = n + 1 where n > 3", 2),
            ("delete from numbers", 5),
            ("delete from numbers", 0),
        ]:
            cursor.execute(statement)
            assert (cursor.description, cursor.rowcount, cursor.fetchall()) == (None, count, [])
        cursor.executemany("insert into numbers values ($1)", [(1,), (2,), (3,)])
        assert cursor.rowcount == 3

    def test_the_opening_is_not_counted_among_the_rows(self, flying: Connection) -> None:
        cursor = flying.cursor().execute("select 1 union select 2", flight=READS)
        assert cursor.rowcount == 2

    def test_an_empty_statement_is_harmless(self, flying: Connection, ordinary: Connection) -> None:
        assert flying.execute("", flight=READS).rows == []
        assert ordinary.execute("").rows == []
        assert value(flying, "select 1", flight=READS) == value(ordinary, "select 1") == 1
