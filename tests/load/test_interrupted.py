"""A hundred users at work while PgBouncer or PostgreSQL is killed in their midst, and started again.

What was answered 2xx is stored, what was refused with Retry-After is not, and nothing is stored twice. Only an answer
503 without Retry-After leaves it open. Everything works again by itself, and no user is signed out.
"""

import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.migrations.apply import migrate
from tests.load import deployments
from tests.load.clients import Clients
from tests.load.conftest import INSTANCES
from tests.load.deployments import Deployment
from tests.load.mortal_postgres import MortalPostgres
from tests.load.writing_client import State, WritingClient
from tests.support.concurrency import at_once
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person
from tests.support.pooler import require_pgbouncer
from tests.support.task_totals import wrong_totals

PEOPLE = 100
INTERRUPTIONS = 2
DONE = 3
"""How many requests of each client must have been done before each interruption, and after the last one."""
FAILURES = 100
"""How many requests must have failed before what was interrupted starts again."""
PATIENCE_SECONDS = 60
TASKS = "select user_id::text, id::text, title, completed, version from tasks"
SIGN_INS = "select count(*), count(revoked_at) from refresh_tokens"

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.spec("EDGE-database-connection-failure", "EDGE-refresh-token-reuse", "SC-010", "NFR-012", "NFR-014"),
]


@pytest.fixture(scope="module")
def mortal_template() -> Iterator[DatabaseCopy]:
    """A migrated database on a PostgreSQL that a test may kill."""
    directory = Path(tempfile.mkdtemp(prefix="todo-api-mortal-"))
    directory.chmod(0o711)  # root's PostgreSQL runs as the account `nobody`, which has to enter
    try:
        with MortalPostgres(directory / "postgres") as server:
            template = DatabaseCopy(server, "template_todo")
            template.create(source="template1")
            migrate(template.owner_url, template.url, lambda _: None)
            yield template
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def mortal_database(mortal_template: DatabaseCopy) -> Iterator[DatabaseCopy]:
    """An empty database there."""
    database = DatabaseCopy(mortal_template.server, "todo")
    database.create(source=mortal_template.name)
    yield database
    database.drop()


Interrupt = Callable[[Deployment], Callable[[], None]]
"""Kills something, and gives what starts it again."""


def kill_pgbouncer(deployment: Deployment) -> Callable[[], None]:
    assert deployment.pooler
    deployment.pooler.kill()
    return deployment.pooler.start


def kill_postgres(deployment: Deployment) -> Callable[[], None]:
    server = deployment.database.server
    assert isinstance(server, MortalPostgres)
    server.kill()
    return server.start_again


def end_postgres_immediately(deployment: Deployment) -> Callable[[], None]:
    server = deployment.database.server
    assert isinstance(server, MortalPostgres)
    server.end_immediately()
    return server.start_again


@pytest.mark.parametrize("interrupt", [kill_postgres, end_postgres_immediately])
def test_a_server_loses_and_doubles_nothing(
    interrupt: Interrupt, mortal_database: DatabaseCopy, tmp_path: Path
) -> None:
    with deployments.server(mortal_database, tmp_path / "log") as server:
        check_interruptions(server, interrupt)


@pytest.mark.parametrize("interrupt", [kill_pgbouncer, kill_postgres, end_postgres_immediately])
def test_function_instances_lose_and_double_nothing(interrupt: Interrupt, mortal_database: DatabaseCopy) -> None:
    require_pgbouncer()
    with deployments.functions(mortal_database, INSTANCES) as function:
        check_interruptions(function, interrupt)


def check_interruptions(deployment: Deployment, interrupt: Interrupt) -> None:
    """Let a hundred clients work, interrupt them, and compare what is stored with what they were told."""
    with Clients(deployment.url) as clients:
        everybody = at_once(lambda number: WritingClient(Person.sign_up(clients.new()), random.Random(number)), PEOPLE)
        work(everybody, lambda: interrupt(deployment))

    outcomes = sum((client.outcomes for client in everybody), Counter())
    assert outcomes["refused"] > outcomes["unknown"]  # only what was under way is unknown
    deployment.wait_until_idle()
    tasks, sign_ins = deployment.database.query(TASKS, SIGN_INS)
    for client in everybody:
        client.check([(task_id, State(*state)) for user_id, task_id, *state in tasks if user_id == client.person.id])
    assert sign_ins == [[PEOPLE, 0]]
    with deployment.database.connect_as_owner() as owner:
        assert wrong_totals(owner) == []
    assert deployment.status_counts() == clients.status_counts


def work(everybody: list[WritingClient], interrupt: Callable[[], Callable[[], None]]) -> None:
    """Let all clients work until the last interruption is over for each of them, or one of them fails."""
    is_over = threading.Event()

    def act(number: int) -> None:
        try:
            if number == PEOPLE:
                interrupt_all()
            else:
                while not is_over.is_set():
                    everybody[number].act()
                everybody[number].refresh()
        finally:
            is_over.set()

    def interrupt_all() -> None:
        for _ in range(INTERRUPTIONS):
            wait_until_each_has_done_more()
            before = sum(client.failures for client in everybody)
            start_again = interrupt()
            try:
                wait_until(lambda before=before: sum(client.failures for client in everybody) >= before + FAILURES)  # type: ignore[misc]
            finally:
                start_again()
        wait_until_each_has_done_more()

    def wait_until_each_has_done_more() -> None:
        before = [client.outcomes["done"] for client in everybody]
        wait_until(lambda: all(c.outcomes["done"] >= done + DONE for c, done in zip(everybody, before, strict=True)))

    def wait_until(is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so() and not is_over.wait(0.02):
            assert time.monotonic() < deadline, [client.outcomes for client in everybody]

    at_once(act, PEOPLE + 1)
