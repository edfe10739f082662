"""PATCH /api/tasks/{id}/toggle."""

from uuid import uuid4

import pytest

from tests.support.people import Person


@pytest.mark.spec("FR-021", "FR-042", "US2-6")
def test_inverts_completed_each_time(ada: Person) -> None:
    task = ada.create_task("Buy milk", description="Oat")
    path = f"/api/tasks/{task['id']}"

    done = ada.patch(f"{path}/toggle")
    undone = ada.patch(f"{path}/toggle")

    assert done.status_code == undone.status_code == 200
    assert done.json() == task | {"completed": True, "updated_at": done.json()["updated_at"]}
    assert undone.json() == task | {"completed": False, "updated_at": undone.json()["updated_at"]}
    assert ada.get(path).json() == undone.json()


@pytest.mark.spec("FR-028")
def test_moves_updated_at(ada: Person) -> None:
    task = ada.create_task()

    done = ada.patch(f"/api/tasks/{task['id']}/toggle").json()

    assert done["updated_at"] > task["updated_at"]
    assert done["created_at"] == task["created_at"]


@pytest.mark.spec("FR-021")
@pytest.mark.parametrize("body", [b"", b"{}", b"not JSON"])
def test_needs_no_body_and_reads_none(ada: Person, body: bytes) -> None:
    task = ada.create_task()

    response = ada.patch(f"/api/tasks/{task['id']}/toggle", content=body)

    assert response.status_code == 200
    assert response.json()["completed"] is True


@pytest.mark.spec("FR-031", "US3-7")
def test_an_unknown_id_is_404(ada: Person) -> None:
    response = ada.patch(f"/api/tasks/{uuid4()}/toggle")

    assert response.status_code == 404
    assert response.json() == {"detail": "Task not found."}
