"""Fixtures: a user whose database can be made to fail."""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from io import StringIO

import httpx2
import pytest
from pg8000.native import Connection as OwnerConnection

from backend.postgres import connection, login
from tests.conftest import MakeClient
from tests.postgres.faults.checks import LIMIT_SECONDS
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import Elsewhere, url_through_port
from tests.support.faulty_proxy import FaultyProxy
from tests.support.people import Person

ShortTimeouts = Callable[..., AbstractContextManager[None]]
Locked = Callable[[], AbstractContextManager[None]]
Meanwhile = Callable[..., "Future[httpx2.Response]"]


@pytest.fixture
def cleo(make_client: MakeClient, fresh_database: DatabaseCopy) -> Person:
    """A user in a database of its own, which fails in these tests."""
    return Person.sign_up(make_client(database_url=fresh_database.url, database_pool_size=0))


@pytest.fixture
def superuser(fresh_database: DatabaseCopy) -> Iterator[OwnerConnection]:
    """A connection that can make Cleo's database fail."""
    with fresh_database.connect_as_owner() as connected:
        yield connected


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> ShortTimeouts:
    """Shortens the time limits. A request within this context must be answered within them.

    By name: `answer_seconds`, for a test that has something to do before the time is up.
    """

    @contextmanager
    def shortened(*, answer_seconds: float = 1.0) -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(login, "CONNECT_TIMEOUT_SECONDS", 0.3)
            patch.setattr(login, "WAKE_PAUSE_SECONDS", 0.01)
            patch.setattr(connection, "READ_TIMEOUT_SECONDS", answer_seconds)
            started = time.monotonic()
            yield
            assert time.monotonic() - started < LIMIT_SECONDS

    return shortened


@pytest.fixture
def proxy(fresh_database: DatabaseCopy) -> Iterator[FaultyProxy]:
    """A proxy to Cleo's database."""
    proxy = FaultyProxy(fresh_database.server.port)
    yield proxy
    proxy.close()
    proxy.hang_up()


@pytest.fixture
def cleo_behind_proxy(cleo: Person, elsewhere: Elsewhere, proxy: FaultyProxy, fresh_database: DatabaseCopy) -> Person:
    """Cleo, at an application that connects through the proxy for every request."""
    return elsewhere(cleo, database_url=url_through_port(proxy.port, fresh_database))


@pytest.fixture
def locked_tasks(fresh_database: DatabaseCopy) -> Locked:
    """Locks the table of tasks: every access has to wait."""

    @contextmanager
    def locked() -> Iterator[None]:
        with fresh_database.connect_as_owner() as locker:
            locker.run("begin")
            locker.run("lock table tasks in access exclusive mode")
            yield

    return locked


@pytest.fixture
def meanwhile() -> Iterator[Meanwhile]:
    """Sends requests in another thread."""
    with ThreadPoolExecutor() as threads:
        yield threads.submit


@pytest.fixture(autouse=True)
def quiet_sqlalchemy() -> Iterator[None]:
    """SQLAlchemy logs nothing about a failure, because the application logs it once."""
    lines = StringIO()
    handler, logger = logging.StreamHandler(lines), logging.getLogger("sqlalchemy")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    assert lines.getvalue() == ""
