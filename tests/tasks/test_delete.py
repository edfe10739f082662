"""DELETE /api/tasks/{id}."""

import pytest

from tests.support.people import Person


@pytest.mark.spec("FR-022", "US2-7")
def test_is_204_without_a_body(ada: Person) -> None:
    task = ada.create_task()

    response = ada.delete(f"/api/tasks/{task['id']}")

    assert response.status_code == 204
    assert response.content == b""
    assert "Content-Type" not in response.headers


@pytest.mark.spec("FR-022", "US2-7")
def test_removes_this_task_and_no_other(ada: Person, ben: Person) -> None:
    kept, gone, of_ben = ada.create_task("kept"), ada.create_task("gone"), ben.create_task()

    ada.delete(f"/api/tasks/{gone['id']}")

    assert ada.tasks() == [kept]
    assert ben.tasks() == [of_ben]


@pytest.mark.spec("FR-022", "FR-031", "US3-7")
def test_a_deleted_task_is_404_from_then_on(ada: Person) -> None:
    path = f"/api/tasks/{ada.create_task()['id']}"
    ada.delete(path)

    answers = [
        ada.get(path),
        ada.put(path, json={"title": "Buy bread"}),
        ada.patch(f"{path}/toggle"),
        ada.delete(path),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert [answer.json() for answer in answers] == [{"detail": "Task not found."}] * 4
