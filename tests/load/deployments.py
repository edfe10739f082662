"""The two ways in which the API runs: a server that stays, and instances of the function behind a small pooler."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ORIGIN, SECRET
from tests.support.database_copy import LOGIN, DatabaseCopy
from tests.support.function_instances import function_instances
from tests.support.pooler import Pooler
from tests.support.server_process import server_process

SERVER_POOL = 10
POOLER_CONNECTIONS = 4
PATIENCE_SECONDS = 20
USUAL: Mapping[str, str] = {}
CONNECTIONS = f"select state from pg_stat_activity where datname = current_database() and usename = '{LOGIN}'"
STORED_PASSWORD = f"select rolpassword from pg_authid where rolname = '{LOGIN}'"


@dataclass(frozen=True)
class Deployment:
    """The running API, and what can be seen of it from outside."""

    url: str
    process_ids: list[int]
    database: DatabaseCopy
    log: Callable[[], str]
    connections: int
    """How many PostgreSQL may see while nobody asks for anything."""
    clients_of_pooler: Callable[[], int]

    def log_lines(self) -> list[dict[str, Any]]:
        """All that was logged, without metrics."""
        lines = [json.loads(line) for line in self.log().splitlines() if line]
        return [line for line in lines if "_aws" not in line]

    def answered(self) -> Counter[int | None]:
        """How often each status was given, as the access log tells it; None is a client that was gone before."""
        return Counter(line.get("status") for line in self.log_lines() if line["message"] == "Request")

    def wait_for_rest(self) -> None:
        """Wait until no transaction is open, and no connection but the idle ones of a pool."""
        assert _soon(self._is_at_rest), (
            f"still connected: {self.database.query(CONNECTIONS)}, at the pooler: {self.clients_of_pooler()}"
        )

    def _is_at_rest(self) -> bool:
        [states] = self.database.query(CONNECTIONS)
        return (
            all(state == ["idle"] for state in states)
            and len(states) <= self.connections
            and not self.clients_of_pooler()
        )


@contextmanager
def server(database: DatabaseCopy, log_file: Path, settings: Mapping[str, str] = USUAL) -> Iterator[Deployment]:
    """One process with a pool, straight to PostgreSQL."""
    variables = _variables(database.url) | {"DATABASE_POOL_SIZE": str(SERVER_POOL), **settings}
    connections = int(variables["DATABASE_POOL_SIZE"])
    with server_process("tests.load.application:app", variables, log_file) as process:
        yield Deployment(process.url, [process.pid], database, process.log, connections, lambda: 0)
    assert _soon(lambda: database.query(CONNECTIONS) == [[]]), "the server left a connection open"


@contextmanager
def functions(database: DatabaseCopy, count: int, settings: Mapping[str, str] = USUAL) -> Iterator[Deployment]:
    """So many instances, and a connection for each request, by way of a pooler with few of its own."""
    # With the password itself PgBouncer would hash it for every client, which Neon's does not.
    [[[stored_password]]] = database.query(STORED_PASSWORD)
    with Pooler(database.server, pool_size=POOLER_CONNECTIONS, password=stored_password) as pooler:
        variables = _variables(pooler.url(database)) | {"DATABASE_CA_FILE": str(pooler.ca_file), **settings}
        with function_instances(count, variables, handler="tests.load.application.handler") as function:
            process_ids = [instance.process.pid for instance in function.instances]

            def clients() -> int:
                return pooler.clients(database)

            yield Deployment(function.url, process_ids, database, function.log, POOLER_CONNECTIONS, clients)


def _variables(database_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "BETTER_AUTH_SECRET": SECRET, "FRONTEND_URL": ORIGIN}


def _soon(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
