"""The number of tasks that one user may have."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from backend.app import create_app
from tests.conftest import MakeClient, MakeSettings
from tests.support.people import Person
from tests.support.serving import serving

LIMIT_REACHED = {"detail": "You have as many tasks as can be stored. Please delete some first."}


@pytest.mark.spec("NFR-016")
def test_a_task_beyond_the_limit_is_refused_with_a_sentence(make_client: MakeClient) -> None:
    ada = Person.sign_up(make_client(tasks_per_user=2))
    tasks = [ada.create_task(), ada.create_task()]

    refused = ada.post("/api/tasks", json={"title": "one too many"})

    assert refused.status_code == 409
    assert refused.json() == LIMIT_REACHED
    assert ada.tasks() == tasks


@pytest.mark.spec("NFR-016")
def test_a_deleted_task_makes_room(make_client: MakeClient) -> None:
    ada = Person.sign_up(make_client(tasks_per_user=1))
    task = ada.create_task()

    ada.delete(f"/api/tasks/{task['id']}")

    assert ada.post("/api/tasks", json={"title": "Buy bread"}).status_code == 201


@pytest.mark.spec("SC-003")
def test_each_user_has_a_separate_limit(make_client: MakeClient) -> None:
    client = make_client(tasks_per_user=1)
    ada, ben = Person.sign_up(client), Person.sign_up(client)
    ada.create_task()

    assert ben.post("/api/tasks", json={"title": "Buy bread"}).status_code == 201


@pytest.mark.spec("SC-010", "NFR-017")
def test_of_20_at_once_exactly_as_many_succeed_as_there_is_room_for(make_settings: MakeSettings) -> None:
    room, simultaneous = 7, 20
    with (
        serving(create_app(make_settings(tasks_per_user=10, database_pool_size=simultaneous))) as url,
        httpx2.Client(base_url=url) as http,
        ThreadPoolExecutor(simultaneous) as threads,
    ):
        ada = Person.sign_up(http)
        for _ in range(10 - room):
            ada.create_task()

        answers = list(
            threads.map(lambda n: ada.post("/api/tasks", json={"title": str(n)}).status_code, range(simultaneous))
        )

        assert Counter(answers) == {201: room, 409: simultaneous - room}
        assert len(ada.tasks()) == 10
