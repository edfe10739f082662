"""A hundred devices of one user at once, which work on the same tasks in different orders."""

from collections import Counter, deque
from collections.abc import Callable
from functools import partial

import httpx2
import pytest

from tests.load.clients import Clients
from tests.load.deployments import Deployment
from tests.support.concurrency import at_once
from tests.support.people import Person

DEVICES = 100
OF_THE_FIRST_VERSION = {"If-Match": '"1"'}


def statuses(answers: list[dict[str, httpx2.Response]], action: str) -> Counter[int]:
    return Counter(answer[action].status_code for answer in answers)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.spec("EDGE-concurrent-task-updates", "FR-020", "FR-021", "FR-022", "SC-006", "SC-010", "NFR-012")
def test_a_hundred_devices_of_one_person_never_corrupt_the_tasks(deployment: Deployment, clients: Clients) -> None:
    ada = Person.sign_up(clients.new())
    kept = ada.create_task("Kept")
    toggled, deleted, edited, guarded = (f"/api/tasks/{ada.create_task()['id']}" for _ in range(4))

    def act(number: int) -> dict[str, httpx2.Response]:
        device, title = Person(clients.new(), ada.password, ada.auth), f"by device {number}"
        actions: deque[tuple[str, Callable[[], httpx2.Response]]] = deque(
            {
                "create": partial(device.post, "/api/tasks", json={"title": title}),
                "toggle": partial(device.patch, f"{toggled}/toggle"),
                "delete": partial(device.delete, deleted),
                "edit": partial(device.put, edited, json={"title": title}),
                "guarded": partial(device.put, guarded, json={"title": title}, headers=OF_THE_FIRST_VERSION),
                "list": partial(device.get, "/api/tasks"),
            }.items()
        )
        actions.rotate(number)  # so that every kind of action meets every other
        return {name: action() for name, action in actions}

    answers = at_once(act, DEVICES)

    assert statuses(answers, "create") == {201: DEVICES}
    assert statuses(answers, "toggle") == {200: DEVICES}
    assert Counter(answer["toggle"].json()["completed"] for answer in answers) == {
        True: DEVICES // 2,
        False: DEVICES // 2,
    }
    assert statuses(answers, "delete") == {204: 1, 404: DEVICES - 1}
    assert set(statuses(answers, "edit")) <= {200, 409}
    assert statuses(answers, "guarded")[200] == 1
    assert set(statuses(answers, "guarded")) <= {200, 409, 412}

    made = {answer["edit"].json()["title"] for answer in answers if answer["edit"].status_code == 200}
    [winner] = [answer["guarded"].json() for answer in answers if answer["guarded"].status_code == 200]
    assert (ada.get(toggled).json()["completed"], ada.get(toggled).headers["ETag"]) == (False, f'"{1 + DEVICES}"')
    assert ada.get(deleted).status_code == 404
    assert ada.get(edited).json()["title"] in made
    assert ada.get(edited).headers["ETag"] == f'"{1 + len(made)}"'
    assert ada.get(guarded).json() == winner

    at_first = [kept["id"], *(path.rpartition("/")[2] for path in (toggled, edited, guarded))]
    created = [answer["create"].json()["id"] for answer in answers]
    tasks = ada.tasks()
    assert sorted(task["id"] for task in tasks) == sorted(at_first + created)
    assert [(task["created_at"], task["id"]) for task in tasks] == sorted((t["created_at"], t["id"]) for t in tasks)
    for answer in answers:
        seen = [task["id"] for task in answer["list"].json()]
        assert len(set(seen)) == len(seen)
        assert set(at_first) <= set(seen) <= {*at_first, *created, deleted.rpartition("/")[2]}

    deployment.wait_until_idle()
    assert deployment.status_counts() == clients.status_counts
    assert {line["level"] for line in deployment.log_lines()} == {"INFO"}
