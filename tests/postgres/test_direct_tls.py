"""TLS from the first byte (`sslnegotiation=direct`), with SCRAM that is bound to the server's certificate."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.postgres import ConnectFailed, Connection, DatabaseUrl, ServerNotTrusted
from backend.postgres.url import ALPN
from dev.paths import CHECKOUT
from tests.conftest import ORIGIN, SECRET, MakeClient
from tests.postgres.test_round_trips import (
    ONE_REQUEST,
    OPERATIONS,
    Operation,
    each_operation,
    each_operation_the_slow_ones_later,
)
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import CountRoundTrips, Logged
from tests.support.libpq import libpq_failure
from tests.support.people import Person
from tests.support.pooler import Pooler
from tests.support.tls_postgres import TlsPostgres
from tests.support.tls_proxy import TlsProxy

BOUND = "?sslmode=require&channel_binding=require"
DIRECT = f"{BOUND}&sslnegotiation=direct"


def through_port(port: int, database: DatabaseCopy, parameters: str = DIRECT) -> str:
    """The database's URL with another port of this machine."""
    return database.url.replace(f":{database.server.port}/", f":{port}/") + parameters


@pytest.fixture
def ca_file(tls_postgres: TlsPostgres) -> Path:
    """The certificate that clients of the PostgreSQL with TLS trust."""
    return tls_postgres.certificate.file


@pytest.fixture
def eve(make_client: MakeClient, tls_database: DatabaseCopy) -> Person:
    """A user of an application on the PostgreSQL with TLS."""
    person = Person.sign_up(make_client(database_url=tls_database.url))
    person.create_task()
    return person


def run_once(url: str, ca_file: Path) -> list[list[Any]]:
    """Log in and run a statement."""
    with Connection(DatabaseUrl.parse(url, ca_file=str(ca_file))) as connection:
        return connection.execute("select 1").rows


TARGETS = {
    **dict.fromkeys(("list", "get", "health"), 4),
    **dict.fromkeys(("create", "edit", "toggle", "delete", "sign out", "sign in", "refresh"), 5),
    "sign up": 6,
}


class TestRoundTrips:
    """Counted, for each operation."""

    def test_they_are_as_few_as_promised(self) -> None:
        assert {name: each.round_trips_with_direct_tls for name, each in OPERATIONS.items()} == TARGETS

    @pytest.mark.spec("NFR-010", "SC-020")
    @pytest.mark.parametrize("is_first", [True, False], ids=["the first request", "a later request"])
    @pytest.mark.parametrize("is_direct", [True, False], ids=["direct TLS", "TLS after a request"])
    @each_operation
    def test_of_each_operation(
        self,
        operation: Operation,
        is_direct: bool,
        is_first: bool,
        eve: Person,
        tls_database: DatabaseCopy,
        ca_file: Path,
        make_client: MakeClient,
        count_round_trips: CountRoundTrips,
    ) -> None:
        proxy = count_round_trips(tls_database.server.port)
        url = through_port(proxy.port, tls_database, DIRECT if is_direct else BOUND)
        method, path, options = operation.of(eve)
        client = make_client(database_url=url, database_ca_file=str(ca_file), database_pool_size=0)
        there = Person(client, eve.password, eve.auth)
        if not is_first:
            assert there.get("/api/health").status_code == 200
            proxy.wait_until_closed()
        connections, round_trips = proxy.connections, proxy.round_trips

        answer = there.request(method, path, **options)

        proxy.wait_until_closed()
        expected = operation.round_trips_with_direct_tls if is_direct else operation.round_trips
        assert answer.status_code == operation.status
        assert (proxy.connections - connections, proxy.round_trips - round_trips) == (1, expected)

    @pytest.mark.spec("NFR-010", "SC-020")
    @pytest.mark.real_passwords
    @each_operation_the_slow_ones_later
    def test_of_each_operation_in_a_fresh_process(
        self,
        operation: Operation,
        eve: Person,
        tls_database: DatabaseCopy,
        ca_file: Path,
        count_round_trips: CountRoundTrips,
        tmp_path: Path,
    ) -> None:
        proxy = count_round_trips(tls_database.server.port)
        environment = {
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "DATABASE_URL": through_port(proxy.port, tls_database),
            "DATABASE_CA_FILE": str(ca_file),
            "BETTER_AUTH_SECRET": SECRET,
            "FRONTEND_URL": ORIGIN,
            "REQUEST": json.dumps([*operation.of(eve), eve.auth["access_token"]]),
            "STATUS": str(operation.status),
        }

        fresh = subprocess.run(
            [sys.executable, "-c", ONE_REQUEST],
            check=False,
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

        proxy.wait_until_closed()
        assert fresh.returncode == 0, fresh.stderr
        assert (proxy.connections, proxy.round_trips) == (1, operation.round_trips_with_direct_tls)


class TestProtocol:
    """In TLS itself the server must agree to speak PostgreSQL's protocol (ALPN)."""

    def test_a_server_that_agrees_is_accepted(
        self, tls_postgres: TlsPostgres, tls_database: DatabaseCopy, ca_file: Path
    ) -> None:
        with TlsProxy(tls_postgres.certificate, tls_postgres.port, protocols=["h2", ALPN]) as proxy:
            assert run_once(through_port(proxy.port, tls_database), ca_file) == [[1]]
            assert proxy.connections == 1

    @pytest.mark.parametrize("protocols", [[], ["h2", "http/1.1"]], ids=["none", "another"])
    def test_a_server_that_does_not_agree_is_told_nothing(
        self, protocols: list[str], tls_postgres: TlsPostgres, tls_database: DatabaseCopy, ca_file: Path
    ) -> None:
        with TlsProxy(tls_postgres.certificate, tls_postgres.port, protocols=protocols) as proxy:
            url = through_port(proxy.port, tls_database)

            with pytest.raises(ServerNotTrusted, match="ALPN"):
                run_once(url, ca_file)

            assert libpq_failure(tls_postgres.binary("psql"), url, ca_file=ca_file) is not None
            assert proxy.connections == 2  # ours and libpq's: neither tried again
            assert proxy.received == b""

    def test_without_direct_tls_no_server_needs_to_agree(
        self, tls_postgres: TlsPostgres, tls_database: DatabaseCopy, ca_file: Path
    ) -> None:
        with TlsProxy(tls_postgres.certificate, tls_postgres.port, protocols=[]) as proxy:
            assert run_once(through_port(proxy.port, tls_database, BOUND), ca_file) == [[1]]


def pgbouncer_version() -> tuple[int, ...]:
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    assert program is not None
    printed = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(map(int, printed.split()[1].split(".")[:2]))


class TestServersWithoutDirectTls:
    """They would log us in after an SSLRequest. It is not sent: libpq does not fall back either."""

    def test_pgbouncer_without_it_is_one_failure_without_fallback(
        self,
        ada: Person,
        pooler: Pooler,
        shared_database: DatabaseCopy,
        make_client: MakeClient,
        count_round_trips: CountRoundTrips,
        logged: Logged,
    ) -> None:
        if pgbouncer_version() >= (1, 25):
            pytest.skip("this PgBouncer has direct TLS")
        proxy = count_round_trips(pooler.port)
        url = pooler.url(shared_database, port=proxy.port)
        settings = {"database_ca_file": str(pooler.ca_file), "database_pool_size": 0}
        there = Person(make_client(database_url=url, **settings), ada.password, ada.auth)
        assert there.get("/api/tasks").status_code == 200
        connections = proxy.connections
        direct = Person(make_client(database_url=f"{url}&sslnegotiation=direct", **settings), ada.password, ada.auth)

        answer = direct.get("/api/tasks")

        assert answer.status_code == 503
        [line] = [line for line in logged() if line["message"] == "Database unavailable"]
        assert line["reason"] == "no connection: TLS: WRONG_VERSION_NUMBER"
        assert proxy.connections - connections == 2  # the second try is for servers that are just starting

    def test_a_postgresql_without_tls_is_a_failure(self, shared_database: DatabaseCopy, ca_file: Path) -> None:
        with pytest.raises(ConnectFailed, match="no connection"):
            run_once(f"{shared_database.url}{DIRECT}", ca_file)
