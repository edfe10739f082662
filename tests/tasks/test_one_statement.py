"""An edit, a toggle or a deletion is one statement, which tells 404, 409 and 412 apart by itself.

Requests overlap for certain when another transaction holds the task's row until all of them wait for it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from backend.app import create_app
from tests.conftest import MakeClient, MakeSettings
from tests.support.concurrency import at_once
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person
from tests.support.sent_statements import SentStatement, recording_statements

REQUESTS = 20
WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
CHANGES_NOTHING = "select from tasks where id = :id for update"
CHANGES_IT = "update tasks set title = 'the other''s', completed = true, version = version + 1 where id = :id"
DELETES_IT = "delete from tasks where id = :id"

Change = Callable[[Person, str, dict[str, str]], httpx2.Response]
"""Sends a change of the task at a path, with these headers."""

pytestmark = pytest.mark.spec("EDGE-concurrent-task-updates", "SC-010")


def edit(person: Person, path: str, headers: dict[str, str]) -> httpx2.Response:
    return person.put(path, json={"title": f"edit {uuid4().hex}"}, headers=headers)


def toggle(person: Person, path: str, headers: dict[str, str]) -> httpx2.Response:
    return person.patch(f"{path}/toggle", headers=headers)


def delete(person: Person, path: str, headers: dict[str, str]) -> httpx2.Response:
    return person.delete(path, headers=headers)


each_change = pytest.mark.parametrize("change", [edit, toggle, delete])
ANY_VERSION: dict[str, str] = {}
FIRST_VERSION = {"If-Match": '"1"'}
OTHER_VERSION = {"If-Match": '"9"'}


@pytest.fixture
def sent() -> Iterator[list[SentStatement]]:
    """The statements that the application has sent. A test clears it before the requests that it counts."""
    with recording_statements() as statements:
        yield statements


@pytest.fixture
def devices(make_client: MakeClient, make_settings: MakeSettings) -> list[Person]:
    """One sign-in at as many clients as there are connections in the application's pool."""
    app = create_app(make_settings(database_pool_size=REQUESTS))
    ada = Person.sign_up(make_client(app=app))
    return [Person(make_client(app=app), ada.password, ada.auth) for _ in range(REQUESTS)]


def path_of(task: dict[str, Any]) -> str:
    return f"/api/tasks/{task['id']}"


def answers_behind(
    meanwhile: str,
    database: DatabaseCopy,
    people: list[Person],
    task: dict[str, Any],
    change: Change,
    headers: dict[str, str] = ANY_VERSION,
) -> list[httpx2.Response]:
    """Have each person send the change while a transaction holds the task's row, which commits when all of them wait.

    :param meanwhile: what that transaction does to the task
    """
    with (
        database.connect_as_owner() as holder,
        database.connect_as_owner() as observer,
        ThreadPoolExecutor(len(people)) as threads,
    ):
        holder.run("begin")
        holder.run(meanwhile, id=task["id"])
        requests = [threads.submit(change, person, path_of(task), headers) for person in people]
        while observer.run(WAITING) != [[len(people)]]:
            assert not any(request.done() for request in requests), "a request did not wait"
            time.sleep(0.01)
        holder.run("commit")
        return [request.result() for request in requests]


def edit_at_once(people: list[Person], path: str) -> list[httpx2.Response]:
    """Have all of them send an edit at the same time."""
    return at_once(lambda number: edit(people[number], path, ANY_VERSION), len(people))


@pytest.mark.spec("FR-020", "FR-021", "FR-022", "FR-031", "NFR-010", "NFR-016")
@each_change
@pytest.mark.parametrize(
    ("is_there", "headers", "statuses"),
    [
        (True, ANY_VERSION, (200, 204)),
        (True, FIRST_VERSION, (200, 204)),
        (True, OTHER_VERSION, (412,)),
        (False, ANY_VERSION, (404,)),
        (False, FIRST_VERSION, (404,)),
    ],
    ids=["made", "made of this version", "of another version", "of no task", "of no task's version"],
)
def test_each_outcome_of_a_change_takes_one_statement(
    ada: Person,
    sent: list[SentStatement],
    change: Change,
    is_there: bool,
    headers: dict[str, str],
    statuses: tuple[int, ...],
) -> None:
    path = path_of(ada.create_task() if is_there else {"id": uuid4()})
    sent.clear()

    response = change(ada, path, headers)

    assert response.status_code in statuses
    assert len(sent) == 1


@pytest.mark.spec("NFR-010", "NFR-016")
@pytest.mark.parametrize(
    ("meanwhile", "change", "headers", "status"),
    [
        (CHANGES_NOTHING, edit, ANY_VERSION, 200),
        (CHANGES_NOTHING, edit, FIRST_VERSION, 200),
        (CHANGES_NOTHING, toggle, FIRST_VERSION, 200),
        (CHANGES_NOTHING, delete, FIRST_VERSION, 204),
        (CHANGES_IT, edit, ANY_VERSION, 409),
        (CHANGES_IT, edit, FIRST_VERSION, 409),
        (CHANGES_IT, toggle, ANY_VERSION, 200),
        (CHANGES_IT, toggle, FIRST_VERSION, 412),
        (CHANGES_IT, delete, ANY_VERSION, 204),
        (CHANGES_IT, delete, FIRST_VERSION, 412),
        (DELETES_IT, edit, ANY_VERSION, 409),
        (DELETES_IT, edit, FIRST_VERSION, 409),
        (DELETES_IT, toggle, ANY_VERSION, 404),
        (DELETES_IT, toggle, FIRST_VERSION, 412),
        (DELETES_IT, delete, ANY_VERSION, 404),
        (DELETES_IT, delete, FIRST_VERSION, 412),
    ],
)
def test_each_outcome_of_a_change_that_waits_takes_one_statement(
    ada: Person,
    shared_database: DatabaseCopy,
    sent: list[SentStatement],
    meanwhile: str,
    change: Change,
    headers: dict[str, str],
    status: int,
) -> None:
    task = ada.create_task()
    sent.clear()

    [response] = answers_behind(meanwhile, shared_database, [ada], task, change, headers)

    assert response.status_code == status
    assert len(sent) == 1


@pytest.mark.spec("FR-020")
def test_an_overtaken_edit_leaves_the_task_as_the_other_request_made_it(
    ada: Person, shared_database: DatabaseCopy
) -> None:
    task = ada.create_task(description="kept")

    [response] = answers_behind(CHANGES_IT, shared_database, [ada], task, edit)

    stored = ada.get(path_of(task))
    assert response.json()["detail"].startswith("This task was changed at the same moment by another request.")
    assert stored.json() == task | {
        "title": "the other's",
        "completed": True,
        "updated_at": stored.json()["updated_at"],
    }
    assert stored.headers["ETag"] == '"2"'


@pytest.mark.spec("FR-021")
def test_a_toggle_that_waits_inverts_what_the_other_request_made(ada: Person, shared_database: DatabaseCopy) -> None:
    task = ada.create_task()

    [response] = answers_behind(CHANGES_IT, shared_database, [ada], task, toggle)

    assert (response.json()["title"], response.json()["completed"]) == ("the other's", False)
    assert response.headers["ETag"] == '"3"'


@pytest.mark.spec("FR-020", "FR-022")
@each_change
def test_a_task_that_is_deleted_meanwhile_stays_deleted(
    ada: Person, shared_database: DatabaseCopy, change: Change
) -> None:
    kept, gone = ada.create_task("kept"), ada.create_task("gone")

    [response] = answers_behind(DELETES_IT, shared_database, [ada], gone, change)

    assert response.status_code in (404, 409)
    assert change(ada, path_of(gone), ANY_VERSION).status_code == 404
    assert ada.tasks() == [kept]


@pytest.mark.spec("FR-020", "FR-021", "FR-022", "NFR-012")
@pytest.mark.parametrize(
    ("change", "headers", "statuses", "version"),
    [
        (edit, ANY_VERSION, {200: 1, 409: REQUESTS - 1}, 2),
        (edit, FIRST_VERSION, {200: 1, 409: REQUESTS - 1}, 2),
        (toggle, ANY_VERSION, {200: REQUESTS}, 1 + REQUESTS),
        (toggle, FIRST_VERSION, {200: 1, 412: REQUESTS - 1}, 2),
        (delete, ANY_VERSION, {204: 1, 404: REQUESTS - 1}, None),
        (delete, FIRST_VERSION, {204: 1, 412: REQUESTS - 1}, None),
    ],
)
def test_of_twenty_changes_that_overlap_as_many_are_made_as_may_be(
    devices: list[Person],
    shared_database: DatabaseCopy,
    sent: list[SentStatement],
    change: Change,
    headers: dict[str, str],
    statuses: dict[int, int],
    version: int | None,
) -> None:
    ada, task = devices[0], devices[0].create_task()
    sent.clear()

    answers = answers_behind(CHANGES_NOTHING, shared_database, devices, task, change, headers)

    made = [answer for answer in answers if answer.is_success]
    assert len(sent) == REQUESTS
    assert Counter(answer.status_code for answer in answers) == Counter(statuses)
    if version is None:
        assert ada.tasks() == []
    else:
        [last] = [answer for answer in made if answer.headers["ETag"] == f'"{version}"']
        stored = ada.get(path_of(task))
        assert (stored.json(), stored.headers["ETag"]) == (last.json(), last.headers["ETag"])


@pytest.mark.spec("FR-020", "NFR-012")
def test_twenty_edits_at_once_are_made_or_409_and_the_version_counts_them(devices: list[Person]) -> None:
    ada = devices[0]
    for _ in range(5):
        path = path_of(ada.create_task())

        answers = edit_at_once(devices, path)

        made = [answer for answer in answers if answer.status_code == 200]
        stored = ada.get(path)
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert stored.headers["ETag"] == f'"{1 + len(made)}"'
        assert {answer.headers["ETag"] for answer in made} == {f'"{2 + number}"' for number in range(len(made))}
        assert stored.json() in [answer.json() for answer in made]
