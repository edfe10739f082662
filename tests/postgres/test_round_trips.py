"""The network round trips of each operation, including connecting, TLS 1.3 and SCRAM."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dev.paths import CHECKOUT
from tests.conftest import ORIGIN, SECRET
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import CountRoundTrips, Elsewhere, url_through_port
from tests.support.people import Person
from tests.support.pooler import Pooler


@dataclass(frozen=True)
class Operation:
    """A request, and what it sends on a connection of its own. `{task}` and `{email}` are filled in.

    :ivar flights: each is one round trip
    :ivar writes_first: its first flight writes, and so waits for the server's proof, which is one round trip more
    """

    flights: int
    writes_first: bool
    method: str
    path: str
    status: int
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def round_trips(self) -> int:
        """With TLS: TCP, SSLRequest, TLS, StartupMessage, and the rest of the login with the first flight."""
        return 4 + self.writes_first + self.flights

    @property
    def round_trips_with_direct_tls(self) -> int:
        """Without SSLRequest."""
        return self.round_trips - 1

    @property
    def round_trips_on_plain_tcp(self) -> int:
        """Without TLS the login is not pipelined: TCP, StartupMessage, and two of SCRAM."""
        return 4 + self.flights

    def of(self, person: Person) -> tuple[str, str, dict[str, Any]]:
        """Method, path and options of the request, for a user with one task."""
        [task] = person.tasks()
        known = {"{email}": person.email, "{new}": f"{uuid4().hex}@example.com", "{password}": person.password}
        known |= {"{refresh_token}": person.auth["refresh_token"]}
        body = {name: known.get(value, value) for name, value in self.body.items()}
        return self.method, self.path.replace("{task}", task["id"]), {"json": body} if body else {}


OPERATIONS = {
    "list": Operation(1, False, "GET", "/api/tasks", 200),
    "get": Operation(1, False, "GET", "/api/tasks/{task}", 200),
    "create": Operation(1, True, "POST", "/api/tasks", 201, {"title": "Buy milk"}),
    "edit": Operation(1, True, "PUT", "/api/tasks/{task}", 200, {"title": "Buy bread"}),
    "toggle": Operation(1, True, "PATCH", "/api/tasks/{task}/toggle", 200),
    "delete": Operation(1, True, "DELETE", "/api/tasks/{task}", 204),
    "sign up": Operation(2, True, "POST", "/api/auth/signup", 201, {"email": "{new}", "password": "{password}"}),
    "sign in": Operation(2, False, "POST", "/api/auth/signin", 200, {"email": "{email}", "password": "{password}"}),
    "refresh": Operation(1, True, "POST", "/api/auth/refresh", 200, {"refresh_token": "{refresh_token}"}),
    "sign out": Operation(1, True, "POST", "/api/auth/signout", 200),
    "health": Operation(1, False, "GET", "/api/health", 200),
}

TARGETS = {
    **dict.fromkeys(("list", "get", "health"), 5),
    **dict.fromkeys(("create", "edit", "toggle", "delete", "sign out", "sign in", "refresh"), 6),
    "sign up": 7,
}


def test_the_round_trips_are_as_few_as_promised() -> None:
    assert {name: operation.round_trips for name, operation in OPERATIONS.items()} == TARGETS


each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
each_operation_the_slow_ones_later = pytest.mark.parametrize(
    "operation",
    [
        pytest.param(operation, id=name, marks=() if name in ("list", "edit", "sign in") else pytest.mark.long)
        for name, operation in OPERATIONS.items()
    ],
)
"""Each needs a new process, which takes seconds. Without `long`, three operations stand for all."""


@pytest.mark.spec("NFR-010", "SC-020")
@each_operation
def test_round_trips_of_each_operation_through_the_pooler_with_tls(
    operation: Operation,
    ada: Person,
    elsewhere: Elsewhere,
    pooler: Pooler,
    shared_database: DatabaseCopy,
    count_round_trips: CountRoundTrips,
) -> None:
    proxy = count_round_trips(pooler.port)
    url = pooler.url(shared_database, port=proxy.port)
    ada.create_task()
    method, path, options = operation.of(ada)
    there = elsewhere(ada, database_url=url, database_ca_file=str(pooler.ca_file))

    first = there.request(method, path, **options)

    proxy.wait_until_closed()
    assert first.status_code == operation.status
    assert (proxy.connections, proxy.round_trips) == (1, operation.round_trips)


@pytest.mark.spec("NFR-010", "SC-020")
@each_operation
def test_round_trips_of_each_operation_on_plain_tcp(
    operation: Operation,
    ada: Person,
    elsewhere: Elsewhere,
    shared_database: DatabaseCopy,
    count_round_trips: CountRoundTrips,
) -> None:
    proxy = count_round_trips(shared_database.server.port)
    ada.create_task()
    method, path, options = operation.of(ada)
    there = elsewhere(ada, database_url=url_through_port(proxy.port, shared_database))

    answer = there.request(method, path, **options)

    proxy.wait_until_closed()
    assert answer.status_code == operation.status
    assert (proxy.connections, proxy.round_trips) == (1, operation.round_trips_on_plain_tcp)


@pytest.mark.spec("NFR-010", "SC-020")
def test_a_warm_application_needs_as_many_round_trips(
    ada: Person,
    elsewhere: Elsewhere,
    pooler: Pooler,
    shared_database: DatabaseCopy,
    count_round_trips: CountRoundTrips,
) -> None:
    proxy = count_round_trips(pooler.port)
    there = elsewhere(
        ada, database_url=pooler.url(shared_database, port=proxy.port), database_ca_file=str(pooler.ca_file)
    )
    counts = []
    for _ in range(3):
        before = proxy.round_trips
        there.tasks()
        proxy.wait_until_closed()
        counts.append(proxy.round_trips - before)
    assert counts == [OPERATIONS["list"].round_trips] * 3


ONE_REQUEST = """
import json, os
from starlette.testclient import TestClient
from backend.main import app

method, path, options, token = json.loads(os.environ["REQUEST"])
client = TestClient(app, raise_server_exceptions=False, client=("10.0.0.9", 50000))
answer = client.request(method, path, headers={"Authorization": f"Bearer {token}"}, **options)
raise SystemExit(0 if answer.status_code == int(os.environ["STATUS"]) else f"{answer.status_code} {answer.text}")
"""


@pytest.mark.spec("NFR-010", "SC-020")
@pytest.mark.real_passwords
@each_operation_the_slow_ones_later
def test_a_fresh_process_needs_as_many_round_trips(
    operation: Operation,
    ada: Person,
    pooler: Pooler,
    shared_database: DatabaseCopy,
    count_round_trips: CountRoundTrips,
    tmp_path: Path,
) -> None:
    proxy = count_round_trips(pooler.port)
    ada.create_task()
    environment = {
        **os.environ,
        "PYTHONPATH": str(CHECKOUT),
        "DATABASE_URL": pooler.url(shared_database, port=proxy.port),
        "DATABASE_CA_FILE": str(pooler.ca_file),
        "BETTER_AUTH_SECRET": SECRET,
        "FRONTEND_URL": ORIGIN,
        "REQUEST": json.dumps([*operation.of(ada), ada.auth["access_token"]]),
        "STATUS": str(operation.status),
    }

    fresh = subprocess.run(
        [sys.executable, "-c", ONE_REQUEST], check=False, env=environment, cwd=tmp_path, capture_output=True, text=True
    )

    proxy.wait_until_closed()
    assert fresh.returncode == 0, fresh.stderr
    assert (proxy.connections, proxy.round_trips) == (1, operation.round_trips)
