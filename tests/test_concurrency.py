"""Many clients at the same time, on a real server."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Barrier
from typing import TypeVar
from uuid import uuid4

import httpx2
import pytest

from backend.app import create_app
from backend.settings import Settings
from tests.conftest import MakeSettings
from tests.support.contract import check_documented
from tests.support.people import PASSWORD, Person
from tests.support.serving import serving

POOLS = [20, 0]
CLIENTS = 100
PEOPLE = 20
Answer = TypeVar("Answer")

each_pool = pytest.mark.parametrize("pool_size", POOLS, ids=["pool of 20", "a connection per request"])


class SimultaneousClients:
    """A server, and clients of it that act at the same time."""

    def __init__(self, url: str, running: ExitStack) -> None:
        self._url, self._running = url, running

    def new(self) -> httpx2.Client:
        """A new client with a connection of its own."""
        hooks = {"response": [check_documented]}
        return self._running.enter_context(httpx2.Client(base_url=self._url, timeout=60, event_hooks=hooks))

    def devices_of(self, person: Person, count: int) -> list[Person]:
        """The same sign-in with so many clients."""
        return [Person(self.new(), person.password, person.auth) for _ in range(count)]

    def at_once(self, actions: Sequence[Callable[[], Answer]]) -> list[Answer]:
        """Start all actions together, each in a thread. Gives what each returned."""
        ready = Barrier(len(actions))

        def act(action: Callable[[], Answer]) -> Answer:
            ready.wait()
            return action()

        with ThreadPoolExecutor(len(actions)) as threads:
            return list(threads.map(act, actions))


@contextmanager
def simultaneous_clients(settings: Settings) -> Iterator[SimultaneousClients]:
    with ExitStack() as running:
        yield SimultaneousClients(running.enter_context(serving(create_app(settings))), running)


@pytest.fixture
def clients(make_settings: MakeSettings) -> Iterator[SimultaneousClients]:
    """Clients of a server with as many connections as clients, so that no request waits for a connection."""
    with simultaneous_clients(make_settings(database_pool_size=10)) as clients:
        yield clients


@pytest.mark.spec("EDGE-duplicate-email-registration", "FR-005", "FR-032", "SC-010")
def test_of_two_simultaneous_sign_ups_with_one_e_mail_one_wins(clients: SimultaneousClients) -> None:
    first, second = clients.new(), clients.new()
    for _ in range(10):
        body = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}

        answers = clients.at_once([partial(client.post, "/api/auth/signup", json=body) for client in (first, second)])

        assert sorted(answer.status_code for answer in answers) == [201, 409]
        winner = next(answer.json() for answer in answers if answer.status_code == 201)
        assert Person(first, PASSWORD, winner).sign_in_again().id == winner["user"]["id"]


@pytest.mark.spec("EDGE-concurrent-task-updates", "FR-020", "SC-010")
def test_each_simultaneous_edit_is_made_or_refused_with_409(clients: SimultaneousClients) -> None:
    ada = Person.sign_up(clients.new())
    devices = clients.devices_of(ada, 10)
    for _ in range(5):
        path = f"/api/tasks/{ada.create_task()['id']}"

        answers = clients.at_once(
            [partial(device.put, path, json={"title": f"edit {n}"}) for n, device in enumerate(devices)]
        )

        made = [answer.json()["title"] for answer in answers if answer.status_code == 200]
        task = ada.get(path)
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert task.json()["title"] in made
        assert task.headers["ETag"] == f'"{1 + len(made)}"'


@pytest.mark.spec("EDGE-concurrent-task-updates", "FR-020", "SC-010")
def test_simultaneous_edits_of_different_members_lose_no_confirmed_edit(clients: SimultaneousClients) -> None:
    ada = Person.sign_up(clients.new())
    phone, laptop = clients.devices_of(ada, 2)
    for _ in range(10):
        path = f"/api/tasks/{ada.create_task('old', description='old')['id']}"

        title, description = clients.at_once(
            [
                partial(phone.put, path, json={"title": "new"}),
                partial(laptop.put, path, json={"description": "new"}),
            ]
        )

        task = ada.get(path).json()
        assert {title.status_code, description.status_code} <= {200, 409}
        assert task["title"] == ("new" if title.status_code == 200 else "old")
        assert task["description"] == ("new" if description.status_code == 200 else "old")


@pytest.mark.spec("EDGE-concurrent-task-updates", "FR-021", "SC-010")
@pytest.mark.parametrize("count", [10, 9])
def test_simultaneous_toggles_all_count(clients: SimultaneousClients, count: int) -> None:
    ada = Person.sign_up(clients.new())
    devices = clients.devices_of(ada, count)
    for _ in range(5):
        path = f"/api/tasks/{ada.create_task()['id']}"

        answers = clients.at_once([partial(device.patch, f"{path}/toggle") for device in devices])

        completed = Counter(answer.json()["completed"] for answer in answers)
        assert [answer.status_code for answer in answers] == [200] * count
        assert completed == Counter({True: (count + 1) // 2, False: count // 2})
        assert ada.get(path).json()["completed"] is (count % 2 == 1)


@pytest.mark.spec("EDGE-concurrent-task-updates", "FR-022", "SC-010")
def test_of_simultaneous_deletions_one_finds_the_task(clients: SimultaneousClients) -> None:
    ada = Person.sign_up(clients.new())
    devices = clients.devices_of(ada, 5)
    path = f"/api/tasks/{ada.create_task()['id']}"

    answers = clients.at_once([partial(device.delete, path) for device in devices])

    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404, 404]


def list_and_create(device: Person, keeps_on: Callable[[int], bool]) -> list[str]:
    """Create tasks, and find each one in the list. Gives their ids."""
    created: list[str] = []
    while keeps_on(len(created)):
        created.append(device.create_task()["id"])
        assert created[-1] in {task["id"] for task in device.tasks()}
    return created


def a_hundred_clients_list_and_create(settings: Settings, keeps_on: Callable[[int], bool]) -> int:
    """Check that every answer is 200 or 201, and that each list has exactly the user's tasks. Gives their number."""
    with simultaneous_clients(settings) as clients:
        people = [Person.sign_up(clients.new()) for _ in range(PEOPLE)]
        devices = [device for person in people for device in clients.devices_of(person, CLIENTS // PEOPLE)]

        created = clients.at_once([partial(list_and_create, device, keeps_on) for device in devices])

        confirmed: dict[str, list[str]] = {person.id: [] for person in people}
        for device, ids in zip(devices, created, strict=True):
            confirmed[device.id] += ids
        for person in people:
            assert sorted(task["id"] for task in person.tasks()) == sorted(confirmed[person.id])
        return sum(map(len, created))


@pytest.mark.spec("SC-006", "NFR-012", "SC-020", "NFR-013")
@each_pool
def test_a_hundred_clients_at_once_are_all_served(make_settings: MakeSettings, pool_size: int) -> None:
    settings = make_settings(database_pool_size=pool_size)

    assert a_hundred_clients_list_and_create(settings, lambda created: created < 2) == 2 * CLIENTS


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.spec("SC-006", "NFR-012", "SC-020", "NFR-013")
@each_pool
def test_a_hundred_clients_are_all_served_for_a_minute(make_settings: MakeSettings, pool_size: int) -> None:
    end = time.monotonic() + 60

    created = a_hundred_clients_list_and_create(
        make_settings(database_pool_size=pool_size), lambda _: time.monotonic() < end
    )

    assert created > CLIENTS
