"""For every operation, another user's task does not exist."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.conftest import MakeClient
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person

CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "get": ("GET", "", {}),
    "edit": ("PUT", "", {"json": {"title": "Mine now", "completed": True}}),
    "toggle": ("PATCH", "/toggle", {}),
    "delete": ("DELETE", "", {}),
    "edit this version": ("PUT", "", {"json": {"title": "Mine now"}, "headers": {"If-Match": '"1"'}}),
    "toggle this version": ("PATCH", "/toggle", {"headers": {"If-Match": '"1"'}}),
    "delete this version": ("DELETE", "", {"headers": {"If-Match": '"1"'}}),
    "edit another version": ("PUT", "", {"json": {"title": "Mine now"}, "headers": {"If-Match": '"9"'}}),
    "toggle another version": ("PATCH", "/toggle", {"headers": {"If-Match": '"9"'}}),
    "delete another version": ("DELETE", "", {"headers": {"If-Match": '"9"'}}),
}


def comparable(response: httpx2.Response) -> tuple[int, bytes, dict[str, str]]:
    headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
    return response.status_code, response.content, headers


@pytest.mark.spec("FR-019", "FR-023", "FR-031", "US2-4", "US2-8", "SC-003")
@pytest.mark.parametrize(("method", "suffix", "options"), CASES.values(), ids=CASES)
def test_another_users_task_is_404_and_stays_unchanged(
    ada: Person, ben: Person, method: str, suffix: str, options: dict[str, Any]
) -> None:
    task = ada.create_task("Ada's", description="private")

    response = ben.request(method, f"/api/tasks/{task['id']}{suffix}", **options)

    assert response.status_code == 404
    assert response.json() == {"detail": "Task not found."}
    assert ada.tasks() == [task]
    assert ben.tasks() == []


@pytest.mark.spec("FR-019", "FR-031", "SC-003", "SC-018")
@pytest.mark.parametrize(("method", "suffix", "options"), CASES.values(), ids=CASES)
def test_another_users_task_is_answered_like_an_unknown_one(
    ada: Person, ben: Person, method: str, suffix: str, options: dict[str, Any]
) -> None:
    task = ada.create_task()

    foreign = ben.request(method, f"/api/tasks/{task['id']}{suffix}", **options)
    unknown = ben.request(method, f"/api/tasks/{uuid4()}{suffix}", **options)

    assert comparable(foreign) == comparable(unknown)


@pytest.mark.spec("FR-014", "FR-023", "SC-003")
def test_two_people_on_one_connection_never_see_each_other(ada: Person, ben: Person) -> None:
    of_ada, of_ben = ada.create_task("Ada's"), ben.create_task("Ben's")

    for _ in range(10):
        assert ada.tasks() == [of_ada]
        assert ben.tasks() == [of_ben]


@pytest.mark.spec("FR-019", "FR-023", "SC-003")
def test_the_queries_separate_people_without_row_level_security(
    make_client: MakeClient, fresh_database: DatabaseCopy
) -> None:
    """Row level security would hide a query that lacks its condition on the user, so it is off here."""
    fresh_database.query("alter table tasks disable row level security")
    client = make_client(database_url=fresh_database.url)
    ada, ben = Person.sign_up(client), Person.sign_up(client)
    task = ada.create_task("Ada's", description="private")

    for method, suffix, options in CASES.values():
        assert ben.request(method, f"/api/tasks/{task['id']}{suffix}", **options).status_code == 404

    assert ben.tasks() == []
    assert ada.tasks() == [task]
