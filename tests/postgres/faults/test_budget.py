"""A request ends before API Gateway's time limit, whatever its database does."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pg8000.native import Connection as OwnerConnection

from backend.postgres import connection, deadline, login
from tests.postgres.faults.checks import (
    LIMIT_SECONDS,
    Request,
    at_insert,
    check_healed,
    check_no_connection_is_left,
    check_unavailable,
    each_request,
    write,
)
from tests.postgres.faults.conftest import Locked
from tests.support.faulty_proxy import FaultyProxy
from tests.support.people import Person

pytestmark = pytest.mark.spec("NFR-014", "NFR-016", "SC-018", "EDGE-database-connection-failure")


@contextmanager
def small_budget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Limit a whole request to one second, with long time limits for its steps."""
    with monkeypatch.context() as patch:
        patch.setattr(login, "CONNECT_TIMEOUT_SECONDS", 600)
        patch.setattr(connection, "READ_TIMEOUT_SECONDS", 600)
        patch.setattr(deadline.start, "__defaults__", (1.0,))
        started = time.monotonic()
        yield
        assert time.monotonic() - started < LIMIT_SECONDS


def test_is_below_api_gateways_limit() -> None:
    assert deadline.REQUEST_BUDGET_SECONDS < 29
    assert login.CONNECT_TIMEOUT_SECONDS * 2 + connection.READ_TIMEOUT_SECONDS <= deadline.REQUEST_BUDGET_SECONDS


@each_request
def test_bounds_connecting(
    send: Request, cleo_behind_proxy: Person, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.fault = proxy.keep_waiting
    with small_budget(monkeypatch):
        check_unavailable(send(cleo_behind_proxy))
    proxy.fault = None
    check_healed(cleo_behind_proxy)


@each_request
def test_bounds_statements(
    send: Request, cleo: Person, locked_tasks: Locked, superuser: OwnerConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked_tasks():
        with small_budget(monkeypatch):
            assert send(cleo).status_code == 503
        check_no_connection_is_left(superuser)
    check_healed(cleo)


def test_bounds_retries(cleo: Person, superuser: OwnerConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    at_insert(superuser, "perform pg_sleep(0.8), nextval('attempts'); raise exception 'no' using errcode = '40001'")
    with small_budget(monkeypatch):
        assert write(cleo).status_code == 503
    assert superuser.run("select last_value < 3 from attempts") == [[True]]  # the third would be the last
    superuser.run("drop trigger fail on tasks")
    check_healed(cleo)
    check_no_connection_is_left(superuser)
