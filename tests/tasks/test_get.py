"""GET /api/tasks/{id}."""

from uuid import uuid4

import pytest

from tests.support.people import Person

NOT_FOUND = {"detail": "Task not found."}
MALFORMED = [
    *("1", "-1", "invalid_id", "null", "undefined", "%00", "%20", "'%20or%201=1", "%F0%9F%91%A9", "%FF", "x" * 3000),
    *("00000000-0000-0000-0000-00000000000", "g0000000-0000-0000-0000-000000000000"),
]


@pytest.mark.spec("FR-018", "FR-042", "US2-3")
def test_gives_the_task(ada: Person) -> None:
    task = ada.create_task("Buy milk", description="Oat")

    response = ada.get(f"/api/tasks/{task['id']}")

    assert response.status_code == 200
    assert response.json() == task


@pytest.mark.spec("FR-031", "US3-7", "SC-004")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_id_is_404(ada: Person, method: str) -> None:
    body = {"json": {"title": "Buy milk"}} if method == "PUT" else {}

    response = ada.request(method, f"/api/tasks/{uuid4()}", **body)

    assert response.status_code == 404
    assert response.json() == NOT_FOUND


@pytest.mark.spec("FR-018", "FR-031")
def test_a_task_has_one_address(ada: Person) -> None:
    task_id = ada.create_task()["id"]
    others = [task_id.replace("-", ""), f"{{{task_id}}}", f"urn:uuid:{task_id}", f"%20{task_id}", f"{task_id}%0A"]

    assert [ada.get(f"/api/tasks/{other}").status_code for other in others] == [404] * len(others)
    assert ada.get(f"/api/tasks/{task_id.upper()}").status_code == 200  # RFC 9562, 4: read in either case


@pytest.mark.spec("FR-031", "US3-7", "SC-004")
@pytest.mark.parametrize("task_id", MALFORMED)
def test_a_malformed_id_is_404_like_an_unknown_one(ada: Person, task_id: str) -> None:
    answers = [
        ada.get(f"/api/tasks/{task_id}"),
        ada.put(f"/api/tasks/{task_id}", json={"title": "Buy milk"}),
        ada.put(f"/api/tasks/{task_id}", json={"title": ""}),
        ada.patch(f"/api/tasks/{task_id}/toggle"),
        ada.delete(f"/api/tasks/{task_id}"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 5
    assert all(isinstance(answer.json()["detail"], str) for answer in answers)
