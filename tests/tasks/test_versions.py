"""ETag and If-Match: a change that names an older version is refused."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from pg8000.native import Connection as OwnerConnection

from tests.support.people import Person

CHANGES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "edit": ("PUT", "", {"json": {"title": "Changed"}}),
    "toggle": ("PATCH", "/toggle", {}),
    "delete": ("DELETE", "", {}),
}
each_change = pytest.mark.parametrize(("method", "suffix", "options"), CHANGES.values(), ids=CHANGES)
CHANGED_MEANWHILE = {"detail": "This was changed in the meantime. Please reload it and try again."}


@pytest.fixture
def task(ada: Person) -> dict[str, Any]:
    """A task of Ada's in its second version."""
    created = ada.create_task()
    edited: dict[str, Any] = ada.put(f"/api/tasks/{created['id']}", json={"title": "Buy bread"}).json()
    return edited


def change(
    person: Person, task: dict[str, Any], if_match: str, method: str, suffix: str, options: dict[str, Any]
) -> httpx2.Response:
    return person.request(method, f"/api/tasks/{task['id']}{suffix}", headers={"If-Match": if_match}, **options)


@pytest.mark.spec("EDGE-concurrent-task-updates", "SC-017")
def test_every_answer_with_one_task_carries_its_version(ada: Person) -> None:
    created = ada.post("/api/tasks", json={"title": "Buy milk"})
    path = f"/api/tasks/{created.json()['id']}"

    read = ada.get(path)
    edited = ada.put(path, json={"title": "Buy bread"})
    toggled = ada.patch(f"{path}/toggle")
    read_again = ada.get(path)

    tags = [answer.headers["ETag"] for answer in (created, read, edited, toggled, read_again)]
    assert tags == ['"1"', '"1"', '"2"', '"3"', '"3"']


@pytest.mark.spec("EDGE-concurrent-task-updates")
@each_change
@pytest.mark.parametrize("if_match", ['"2"', "*", ' "2" ', '"7", "2"', '"nonsense", W/"2", "2"'])
def test_a_change_of_the_current_version_is_made(
    ada: Person, task: dict[str, Any], method: str, suffix: str, options: dict[str, Any], if_match: str
) -> None:
    response = change(ada, task, if_match, method, suffix, options)

    assert response.is_success
    assert ada.tasks() != [task]


@pytest.mark.spec("EDGE-concurrent-task-updates", "NFR-016")
@each_change
@pytest.mark.parametrize(
    "if_match", ['"1"', '"3"', 'W/"2"', "2", '"02x"', '""', "", ",", '"1", "3"', '"-2"', '"9' + "9" * 400 + '"', "abc"]
)
def test_a_change_of_any_other_version_is_412_and_changes_nothing(
    ada: Person, task: dict[str, Any], method: str, suffix: str, options: dict[str, Any], if_match: str
) -> None:
    response = change(ada, task, if_match, method, suffix, options)

    assert response.status_code == 412
    assert response.json() == CHANGED_MEANWHILE
    assert ada.tasks() == [task]


@pytest.mark.spec("EDGE-concurrent-task-updates")
def test_of_two_changes_of_the_same_version_the_second_is_412(ada: Person) -> None:
    path = f"/api/tasks/{ada.create_task()['id']}"
    phone, laptop = ada, ada.sign_in_again()
    known_to_both = {"If-Match": phone.get(path).headers["ETag"]}

    first = phone.put(path, json={"title": "from the phone"}, headers=known_to_both)
    second = laptop.put(path, json={"title": "from the laptop"}, headers=known_to_both)

    assert first.status_code == 200
    assert second.status_code == 412
    assert ada.get(path).json() == first.json()


@pytest.mark.spec("EDGE-concurrent-task-updates")
def test_an_edit_is_409_when_another_edit_came_between_read_and_write(
    ada: Person, task: dict[str, Any], owner: OwnerConnection
) -> None:
    path = f"/api/tasks/{task['id']}"
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"

    with ThreadPoolExecutor() as threads:
        owner.run("begin")
        owner.run("update tasks set title = 'the other''s', version = version + 1 where id = :id", id=task["id"])
        edit = threads.submit(ada.put, path, json={"title": "too late"})
        while owner.run(waiting) == [[0]]:
            time.sleep(0.01)
        owner.run("commit")
        response = edit.result()

    assert response.status_code == 409
    assert response.json()["detail"].startswith("This task was changed at the same moment by another request.")
    assert ada.get(path).json()["title"] == "the other's"


@pytest.mark.spec("EDGE-concurrent-task-updates", "FR-021")
def test_a_toggle_works_without_a_version(ada: Person, task: dict[str, Any]) -> None:
    path = f"/api/tasks/{task['id']}"

    for _ in range(3):
        ada.patch(f"{path}/toggle")

    assert ada.get(path).json()["completed"] is True
