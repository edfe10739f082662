"""POST /api/tasks."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.native import Connection as OwnerConnection

from tests.support.people import Person

MEMBERS = {"id", "title", "description", "completed", "created_at", "updated_at", "user_id"}
UNUSUAL_TEXTS = [
    "Grüße, 世界, Привет, مرحبا, שלום",
    "👩‍👩‍👧‍👦 family 🏳️‍🌈 🧑🏽‍🚀",
    "e\u0301 is not \u00e9",
    "\u202eright to left\u202c",
    "zero\u200bwidth",
    "\U0010ffff\ue000",
    "a\u2028b\u2029c",
    "'; drop table tasks; --",
    '"quoted" \\ back\\slash \\u0000 %s %(x)s :name $1 {braces}',
    "<script>alert('x')</script> &amp;",
    "null",
]


def refusal_of(person: Person, **body: object) -> dict[str, Any]:
    response = person.post("/api/tasks", json=body)
    assert response.status_code == 422
    refusal: dict[str, Any] = response.json()
    return refusal


@pytest.mark.spec("FR-015", "FR-026", "FR-042", "US2-1", "NFR-026")
def test_gives_the_whole_task(ada: Person) -> None:
    response = ada.post("/api/tasks", json={"title": "Buy milk", "description": "Oat, 2 l"})

    task = response.json()
    assert response.status_code == 201
    assert set(task) == MEMBERS
    assert task["title"] == "Buy milk"
    assert task["description"] == "Oat, 2 l"
    assert task["completed"] is False
    assert UUID(task["id"]).version == 7


@pytest.mark.spec("FR-016", "US2-1", "SC-003")
def test_belongs_to_its_creator_whatever_the_body_says(ada: Person, ben: Person) -> None:
    task = ada.create_task(
        user_id=ben.id, id=str(uuid4()), completed=True, version=9, created_at="2000-01-01T00:00:00Z"
    )

    assert task["user_id"] == ada.id
    assert task["completed"] is False
    assert not task["created_at"].startswith("2000")
    assert ada.tasks() == [task]
    assert ben.tasks() == []


@pytest.mark.spec("FR-027", "NFR-026")
def test_is_dated_now_in_utc_with_microseconds(ada: Person) -> None:
    task = ada.create_task()

    born = datetime.fromisoformat(task["created_at"])
    assert born.strftime("%Y-%m-%dT%H:%M:%S.%fZ") == task["created_at"]
    assert task["updated_at"] == task["created_at"]
    assert abs(born - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.spec("FR-015", "FR-025")
@pytest.mark.parametrize("description", [{}, {"description": None}, {"description": ""}], ids=["none", "null", "empty"])
def test_may_have_no_description(ada: Person, description: dict[str, Any]) -> None:
    assert ada.create_task(**description)["description"] is None


@pytest.mark.spec("FR-024")
@pytest.mark.parametrize("space", [" ", "\t\r\n", "\u3000\u2003\xa0", "\x1c\x1f\x85\u2028"])
def test_white_space_around_the_title_does_not_count(ada: Person, space: str) -> None:
    title = "t" * 200

    assert ada.create_task(f"{space * 50}{title}{space}")["title"] == title


@pytest.mark.spec("FR-024", "EDGE-special-characters-in-task-data")
@pytest.mark.parametrize("title", ["x", "t" * 200, "👩" * 200, "Buy  milk"])
def test_a_title_has_1_to_200_characters(ada: Person, title: str) -> None:
    assert ada.create_task(title)["title"] == title


@pytest.mark.spec("FR-024", "FR-029", "US3-5", "US3-6", "SC-005")
@pytest.mark.parametrize(
    ("title", "message"),
    [
        ("", "must not be empty"),
        (" \t\n\u3000", "must not be empty"),
        ("\u200b" * 201, "must be at most 200 characters"),
        ("t" * 201, "must be at most 200 characters"),
        ("👩" * 201, "must be at most 200 characters"),
        ("Buy\0milk", "must be one line of text; please remove the character U+0000"),
        ("Buy\r\nmilk", "must be one line of text; please remove the line break"),
        ("\u200b", "must have a visible character; please write a word or a symbol"),
        (None, "must be text"),
        (7, "must be text"),
        (True, "must be text"),
        (["Buy milk"], "must be text"),
        ({"text": "Buy milk"}, "must be text"),
    ],
)
def test_refuses_invalid_titles(ada: Person, title: object, message: str) -> None:
    refusal = refusal_of(ada, title=title)

    assert refusal == {"detail": f"title: {message}", "errors": [{"field": "title", "message": message}]}
    assert ada.tasks() == []


@pytest.mark.spec("FR-015", "FR-029", "US3-5", "SC-005")
def test_a_title_is_required(ada: Person) -> None:
    refusal = refusal_of(ada, description="Oat, 2 l")

    assert refusal == {"detail": "title: is required", "errors": [{"field": "title", "message": "is required"}]}


@pytest.mark.spec("FR-025", "EDGE-very-long-task-descriptions", "EDGE-special-characters-in-task-data")
@pytest.mark.parametrize("description", ["d" * 2000, "👩" * 2000, "  kept as it is \n\n", " "])
def test_a_description_has_up_to_2000_characters_and_is_kept_as_it_is(ada: Person, description: str) -> None:
    assert ada.create_task(description=description)["description"] == description


@pytest.mark.spec("FR-025", "FR-029", "SC-005", "EDGE-very-long-task-descriptions")
@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("d" * 2001, "must be at most 2000 characters"),
        ("👩" * 2001, "must be at most 2000 characters"),
        (" " * 2001, "must be at most 2000 characters"),
        ("a\0b", "must not contain the character U+0000"),
        (7, "must be text"),
        (False, "must be text"),
    ],
)
def test_refuses_invalid_descriptions(ada: Person, description: object, message: str) -> None:
    refusal = refusal_of(ada, title="Buy milk", description=description)

    assert refusal == {"detail": f"description: {message}", "errors": [{"field": "description", "message": message}]}


@pytest.mark.spec("EDGE-special-characters-in-task-data", "NFR-004", "FR-038")
@pytest.mark.parametrize("text", UNUSUAL_TEXTS)
def test_text_comes_back_from_every_endpoint_just_as_it_was_given(ada: Person, text: str) -> None:
    task = ada.create_task(text, description=text)
    path = f"/api/tasks/{task['id']}"

    answers = [task, ada.get(path).json(), *ada.tasks(), ada.put(path, json={"title": text}).json()]

    assert {(answer["title"], answer["description"]) for answer in answers} == {(text.strip(), text)}


@pytest.mark.spec("EDGE-special-characters-in-task-data")
def test_is_stored_as_the_text_itself(ada: Person, owner: OwnerConnection) -> None:
    task = ada.create_task("👩‍👩‍👧‍👦 <b>", description="世界")

    stored = owner.run("select title, description from tasks where id = :id", id=task["id"])

    assert stored == [["👩‍👩‍👧‍👦 <b>", "世界"]]


@pytest.mark.spec("FR-015", "FR-018")
@pytest.mark.parametrize("path", ["/api/tasks", "/api/tasks/"])
def test_the_answer_names_the_path_of_the_new_task(ada: Person, path: str) -> None:
    created = ada.post(path, json={"title": "Buy milk"})

    assert created.headers["Location"] == f"/api/tasks/{created.json()['id']}"
    assert ada.get(created.headers["Location"]).json() == created.json()
