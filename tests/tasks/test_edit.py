"""PUT /api/tasks/{id}."""

from typing import Any

import pytest

from tests.support.people import Person


@pytest.fixture
def task(ada: Person) -> dict[str, Any]:
    """A task of Ada's that is completed and has a description, so that a test notices a lost member."""
    created = ada.create_task("Buy milk", description="Oat")
    toggled: dict[str, Any] = ada.patch(f"/api/tasks/{created['id']}/toggle").json()
    return toggled


@pytest.mark.spec("FR-020", "FR-042", "US2-5")
def test_changes_title_and_description(ada: Person, task: dict[str, Any]) -> None:
    response = ada.put(f"/api/tasks/{task['id']}", json={"title": " Buy bread ", "description": "Rye"})

    changed = response.json()
    assert response.status_code == 200
    assert changed == task | {"title": "Buy bread", "description": "Rye", "updated_at": changed["updated_at"]}
    assert ada.get(f"/api/tasks/{task['id']}").json() == changed


@pytest.mark.spec("FR-020", "US2-5")
@pytest.mark.parametrize(
    "change",
    [{"title": "Buy bread"}, {"description": "Rye"}, {"completed": False}],
    ids=["title", "description", "completed"],
)
def test_keeps_what_is_left_out(ada: Person, task: dict[str, Any], change: dict[str, Any]) -> None:
    response = ada.put(f"/api/tasks/{task['id']}", json=change)

    changed = response.json()
    assert response.status_code == 200
    assert changed == task | change | {"updated_at": changed["updated_at"]}


@pytest.mark.spec("FR-020", "FR-025")
@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_clear_the_description(ada: Person, task: dict[str, Any], nothing: str | None) -> None:
    response = ada.put(f"/api/tasks/{task['id']}", json={"description": nothing})

    assert response.status_code == 200
    assert response.json()["description"] is None
    assert ada.tasks()[0]["description"] is None


@pytest.mark.spec("FR-020")
def test_sets_completed_to_the_given_value(ada: Person, task: dict[str, Any]) -> None:
    path = f"/api/tasks/{task['id']}"

    answers = [ada.put(path, json={"completed": completed}).json() for completed in (True, False, False, True)]

    assert [answer["completed"] for answer in answers] == [True, False, False, True]


@pytest.mark.spec("FR-028", "FR-027")
def test_moves_updated_at_and_leaves_created_at(ada: Person, task: dict[str, Any]) -> None:
    changed = ada.put(f"/api/tasks/{task['id']}", json={"title": task["title"]}).json()

    assert changed["updated_at"] > task["updated_at"]
    assert changed["created_at"] == task["created_at"]


@pytest.mark.spec("FR-024", "FR-025", "FR-029", "FR-036", "SC-005")
@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({}, "body", "must have at least one of title, description, completed"),
        ({"user_id": "x", "name": "y"}, "body", "must have at least one of title, description, completed"),
        ({"title": None}, "title", "must be text"),
        ({"title": ""}, "title", "must not be empty"),
        ({"title": "\u3000"}, "title", "must not be empty"),
        ({"title": "t" * 201}, "title", "must be at most 200 characters"),
        ({"title": "a\0"}, "title", "must be one line of text; please remove the character U+0000"),
        ({"title": "\u3164"}, "title", "must have a visible character; please write a word or a symbol"),
        ({"description": "d" * 2001}, "description", "must be at most 2000 characters"),
        ({"description": "\0"}, "description", "must not contain the character U+0000"),
        ({"description": 7}, "description", "must be text"),
        ({"completed": None}, "completed", "must be true or false"),
        ({"completed": "true"}, "completed", "must be true or false"),
        ({"completed": 1}, "completed", "must be true or false"),
    ],
)
def test_refuses_invalid_changes(
    ada: Person, task: dict[str, Any], change: dict[str, object], field: str, message: str
) -> None:
    response = ada.put(f"/api/tasks/{task['id']}", json=change)

    assert response.status_code == 422
    assert response.json() == {"detail": f"{field}: {message}", "errors": [{"field": field, "message": message}]}
    assert ada.tasks() == [task]


@pytest.mark.spec("FR-029", "SC-010")
def test_changes_nothing_when_a_part_is_invalid(ada: Person, task: dict[str, Any]) -> None:
    response = ada.put(f"/api/tasks/{task['id']}", json={"title": "Buy bread", "completed": "yes"})

    assert response.status_code == 422
    assert ada.tasks() == [task]


@pytest.mark.spec("FR-016", "SC-003", "NFR-004")
def test_ignores_members_that_cannot_be_changed(ada: Person, ben: Person, task: dict[str, Any]) -> None:
    others = {"id": ben.id, "user_id": ben.id, "created_at": "2000-01-01T00:00:00Z", "version": 99}

    changed = ada.put(f"/api/tasks/{task['id']}", json={"title": "Buy bread", **others}).json()

    assert changed == task | {"title": "Buy bread", "updated_at": changed["updated_at"]}
    assert ben.tasks() == []
