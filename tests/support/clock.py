"""A clock for tests: it stands still until a test advances it, in the application and in its PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from pg8000.native import Connection

from backend.postgres import flight

ARBITRARY_MOMENT = datetime(2031, 3, 5, 7, 11, 13, 250_000, tzinfo=UTC)


class Clock:
    """The time in one database and in the modules that make and verify tokens.

    In the database, the search path of the application's login names a schema before `pg_catalog`. The functions of
    that schema return this clock's time.
    """

    def __init__(self, owner: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = ARBITRARY_MOMENT
        self._owner = owner
        owner.run("create schema test_clock")
        owner.run(
            "create table test_clock.reading as select cast(:now as timestamptz) as now", now=self.now.isoformat()
        )
        for name, volatility in (
            ("now", "volatile"),
            ("clock_timestamp", "volatile"),
            ("statement_timestamp", "stable"),
        ):
            owner.run(
                f"create function test_clock.{name}() returns timestamptz language sql {volatility}"
                " as 'select now from test_clock.reading'"
            )
        owner.run("grant usage on schema test_clock to public")
        owner.run("grant select on test_clock.reading to public")
        monkeypatch.setitem(flight.SETTINGS, "search_path", "test_clock, pg_catalog, public, pg_temp")
        monkeypatch.setattr("backend.auth.tokens.time", self)
        monkeypatch.setattr("backend.auth.service.time", self)

    def time(self) -> float:
        """The replacement for `time.time`."""
        return self.now.timestamp()

    def advance(self, **duration: float) -> None:
        """Let time pass: `advance(minutes=15)`."""
        self.now += timedelta(**duration)
        self._owner.run("update test_clock.reading set now = cast(:now as timestamptz)", now=self.now.isoformat())
