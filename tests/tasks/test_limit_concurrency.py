"""The limits are exact when many requests come at once, in one process and in several."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from tests.conftest import ORIGIN, SECRET
from tests.support.concurrency import at_once
from tests.support.database_copy import LOGIN, DatabaseCopy
from tests.support.people import Person
from tests.support.server_process import server_process
from tests.support.task_totals import totals, wrong_totals

CREATORS, TASKS_OF_EACH, ROOM = 20, 10, 30
POOL = 10
BYTES = 20_000
TEXT_THAT_TAKES_BYTES = 2000 - 227
"""The characters of title and description with which a task takes 2,000 bytes."""
END_CONNECTIONS = f"""
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and usename = '{LOGIN}'
"""
DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"

pytestmark = pytest.mark.spec("NFR-012", "NFR-016", "NFR-017", "SC-010")


@pytest.fixture(params=[1, 3], ids=["one process", "three processes"])
def urls(request: pytest.FixtureRequest, fresh_database: DatabaseCopy, tmp_path: Path) -> Iterator[list[str]]:
    """The URLs of so many servers with one database. An account may store 30 tasks in 20,000 bytes."""
    variables = {
        "DATABASE_URL": fresh_database.url,
        "DATABASE_POOL_SIZE": str(POOL),
        "BETTER_AUTH_SECRET": SECRET,
        "FRONTEND_URL": ORIGIN,
        "TASKS_PER_USER": str(ROOM),
        "TASK_BYTES_PER_USER": str(BYTES),
    }
    with ExitStack() as running:
        servers = [
            running.enter_context(server_process("tests.load.application:app", variables, tmp_path / f"log {number}"))
            for number in range(request.param)
        ]
        yield [server.url for server in servers]


@pytest.fixture
def devices(urls: list[str]) -> Iterator[list[Person]]:
    """One user with one sign-in, on as many devices as there are creators, spread over the servers."""
    with ExitStack() as running:
        clients = [
            running.enter_context(httpx2.Client(base_url=urls[number % len(urls)], timeout=60, trust_env=False))
            for number in range(CREATORS)
        ]
        ada = Person.sign_up(clients[0])
        yield [Person(client, ada.password, ada.auth) for client in clients]


@pytest.mark.parametrize(
    ("characters", "room"), [(1, ROOM), (TEXT_THAT_TAKES_BYTES, BYTES // 2000)], ids=["their number", "their size"]
)
def test_of_200_creates_at_once_as_many_succeed_as_there_is_room_for(
    devices: list[Person], fresh_database: DatabaseCopy, characters: int, room: int
) -> None:
    task = {"title": "t", "description": "d" * (characters - 1)}

    def create(number: int) -> list[int]:
        return [devices[number].post("/api/tasks", json=task).status_code for _ in range(TASKS_OF_EACH)]

    statuses = Counter(status for answers in at_once(create, CREATORS) for status in answers)

    with fresh_database.connect_as_owner() as owner:
        assert statuses == {201: room, 409: CREATORS * TASKS_OF_EACH - room}
        assert len(devices[0].tasks()) == totals(owner, devices[0].id)[0] == room
        assert wrong_totals(owner) == []


def test_mixed_changes_at_the_limit_keep_the_totals_exact(devices: list[Person], fresh_database: DatabaseCopy) -> None:
    ada = devices[0]
    for _ in range(BYTES // 2000):
        ada.create_task("t", description="d" * (TEXT_THAT_TAKES_BYTES - 1))
    seen: Counter[tuple[str, int]] = Counter()

    def change_at_random(number: int) -> None:
        choose, person = random.Random(number), devices[number]
        for _ in range(TASKS_OF_EACH):
            path = f"/api/tasks/{choose.choice(ada_tasks)['id']}"
            text = {"title": "t" * choose.randint(1, 200), "description": "d" * choose.randint(0, 2000)}
            for method, path_, body in (
                ("POST", "/api/tasks", text),
                ("PUT", path, text),
                ("PATCH", f"{path}/toggle", None),
                ("PUT", path, {"description": "d" * choose.randint(0, 100)}),
            ):
                seen[method, person.request(method, path_, json=body).status_code] += 1
            seen["GET", person.get("/api/tasks").status_code] += 1
        seen["DELETE", person.delete(f"/api/tasks/{choose.choice(ada_tasks)['id']}").status_code] += 1

    ada_tasks = ada.tasks()
    at_once(change_at_random, CREATORS)

    with fresh_database.connect_as_owner() as owner:
        tasks, size = totals(owner, ada.id)
        assert wrong_totals(owner) == []
        assert tasks <= ROOM
        assert size <= BYTES
        owner.run(END_CONNECTIONS)  # a connection that ends hands in what it has counted
        assert owner.run(DEADLOCKS) == [[0]]
    assert seen.keys() >= {("POST", 201), ("POST", 409), ("PUT", 200), ("PUT", 409), ("PATCH", 200), ("DELETE", 204)}
    assert {status for _, status in seen} <= {200, 201, 204, 404, 409}
