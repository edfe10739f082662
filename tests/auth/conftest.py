"""Fixtures for tests of sign-ins: a clock, and clients of an application that uses it."""

from collections.abc import Callable, Iterator

import pytest
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from tests.conftest import MakeClient
from tests.support.clock import Clock
from tests.support.database_copy import DatabaseCopy


@pytest.fixture
def clock(fresh_database: DatabaseCopy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The clock of the fresh database and of the application."""
    with fresh_database.connect_as_owner() as owner:
        yield Clock(owner, monkeypatch)


@pytest.fixture
def timed_client(clock: Clock, fresh_database: DatabaseCopy, make_client: MakeClient) -> Callable[..., TestClient]:
    """Makes clients of applications that use `clock` and the fresh database."""
    return lambda **options: make_client(database_url=fresh_database.url, **options)


@pytest.fixture
def owner_of_clock(clock: Clock, fresh_database: DatabaseCopy) -> Iterator[OwnerConnection]:
    """A connection of the owner's to the database of `clock`."""
    with fresh_database.connect_as_owner() as connection:
        yield connection
