"""The two ways in which the API runs: a server, and instances of the function in front of a small pooler."""

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
DEFAULTS: Mapping[str, str] = {}
CONNECTIONS = f"select state from pg_stat_activity where datname = current_database() and usename = '{LOGIN}'"
STORED_PASSWORD = f"select rolpassword from pg_authid where rolname = '{LOGIN}'"


@dataclass(frozen=True)
class Deployment:
    """The running API, and what a test can observe from outside."""

    url: str
    process_ids: list[int]
    database: DatabaseCopy
    log: Callable[[], str]
    connections: int
    """How many connections PostgreSQL may have while there are no requests."""
    pooler: Pooler | None = None
    """What stands between the function and PostgreSQL."""

    def log_lines(self) -> list[dict[str, Any]]:
        """All lines of the log, without metrics."""
        lines = [json.loads(line) for line in self.log().splitlines() if line]
        return [line for line in lines if "_aws" not in line]

    def status_counts(self) -> Counter[int | None]:
        """How often the access log has each status. None stands for clients that hung up before their answer."""
        return Counter(line.get("status") for line in self.log_lines() if line["message"] == "Request")

    def wait_until_idle(self) -> None:
        """Wait until no transaction and no connection is open, except for the idle connections of a pool."""
        assert _soon(self._is_idle), (
            f"still connected: {self.database.query(CONNECTIONS)}, at the pooler: {self._clients_of_pooler()}"
        )

    def _is_idle(self) -> bool:
        [states] = self.database.query(CONNECTIONS)
        return (
            all(state == ["idle"] for state in states)
            and len(states) <= self.connections
            and not self._clients_of_pooler()
        )

    def _clients_of_pooler(self) -> int:
        return self.pooler.clients(self.database) if self.pooler else 0


@contextmanager
def server(database: DatabaseCopy, log_file: Path, settings: Mapping[str, str] = DEFAULTS) -> Iterator[Deployment]:
    """One process with a pool, connected to PostgreSQL directly."""
    variables = _variables(database.url) | {"DATABASE_POOL_SIZE": str(SERVER_POOL), **settings}
    connections = int(variables["DATABASE_POOL_SIZE"])
    with server_process("tests.load.application:app", variables, log_file) as process:
        yield Deployment(process.url, [process.pid], database, process.log, connections)
    assert _soon(lambda: database.query(CONNECTIONS) == [[]]), "the server left a connection open"


@contextmanager
def functions(database: DatabaseCopy, count: int, settings: Mapping[str, str] = DEFAULTS) -> Iterator[Deployment]:
    """So many instances, with a connection for each request, behind a pooler with few server connections."""
    # From a plain password PgBouncer would derive the key for every client. Neon's pooler does not.
    [[[stored_password]]] = database.query(STORED_PASSWORD)
    with Pooler(database.server, pool_size=POOLER_CONNECTIONS, password=stored_password) as pooler:
        variables = _variables(pooler.url(database)) | {"DATABASE_CA_FILE": str(pooler.ca_file), **settings}
        with function_instances(count, variables, handler="tests.load.application.handler") as function:
            process_ids = [instance.process.pid for instance in function.instances]
            yield Deployment(function.url, process_ids, database, function.log, POOLER_CONNECTIONS, pooler)


def _variables(database_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "BETTER_AUTH_SECRET": SECRET, "FRONTEND_URL": ORIGIN}


def _soon(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
