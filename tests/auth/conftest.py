"""What tests of sign-ins need besides: a clock to move."""

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from tests.auth.clock import Clock
from tests.conftest import MakeClient
from tests.support.database_copy import DatabaseCopy


@pytest.fixture
def clock(fresh_database: DatabaseCopy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The time of the fresh database and of the application, which stands until it is moved."""
    with fresh_database.connect_as_owner() as owner:
        yield Clock(owner, monkeypatch)


@pytest.fixture
def timed_client(clock: Clock, fresh_database: DatabaseCopy, make_client: MakeClient) -> Callable[..., TestClient]:
    """Makes clients of applications whose time is `clock`, and whose database is the fresh one."""
    return lambda **options: make_client(database_url=fresh_database.url, **options)
