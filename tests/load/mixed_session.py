"""One user's session from sign-up to sign-out, on two devices, with the expected answer at every step."""

from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.support.people import Person

TASK_OPERATIONS = 20
AUTH_MEMBERS = {"user", "access_token", "refresh_token", "token_type", "expires_in"}


@dataclass
class TaskListModel:
    """A model of one user's list. Each method calls the API, and checks the answer against the model."""

    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    operations: int = 0

    def create(self, device: Person, title: str, description: str | None = None) -> str:
        task = self._count(device.create_task(title, description=description))
        task_id = str(task["id"])
        given = {"title": title, "description": description, "completed": False, "user_id": device.id}
        made = {"id": task_id, "created_at": task["created_at"], "updated_at": task["created_at"]}
        assert task == task | given | made
        assert task_id not in self.versions
        self.tasks[task_id], self.versions[task_id] = task, 1
        return task_id

    def get(self, device: Person, task_id: str) -> None:
        response = self._count(device.get(f"/api/tasks/{task_id}"))
        assert (response.status_code, response.json()) == (200, self.tasks[task_id])
        assert response.headers["ETag"] == self.etag(task_id)

    def edit(self, device: Person, task_id: str, *, if_match: str | None = None, **changes: Any) -> None:
        headers = {"If-Match": if_match} if if_match else {}
        response = device.put(f"/api/tasks/{task_id}", json=changes, headers=headers)
        self._changed(task_id, self._count(response), changes)

    def toggle(self, device: Person, task_id: str) -> None:
        response = device.patch(f"/api/tasks/{task_id}/toggle")
        self._changed(task_id, self._count(response), {"completed": not self.tasks[task_id]["completed"]})

    def delete(self, device: Person, task_id: str, *, if_match: str | None = None) -> None:
        headers = {"If-Match": if_match} if if_match else {}
        response = self._count(device.delete(f"/api/tasks/{task_id}", headers=headers))
        assert (response.status_code, response.content) == (204, b"")
        del self.tasks[task_id]

    def list(self, device: Person) -> None:
        assert self._count(device.tasks()) == list(self.tasks.values())

    def refused(self, response: httpx2.Response, status: int) -> None:
        """Check an operation that must fail and change nothing."""
        self._count(response)
        assert response.status_code == status, response.text
        assert isinstance(response.json()["detail"], str)
        assert ("errors" in response.json()) is (status == 422)

    def etag(self, task_id: str) -> str:
        return f'"{self.versions[task_id]}"'

    def _changed(self, task_id: str, response: httpx2.Response, changes: dict[str, Any]) -> None:
        assert response.status_code == 200, response.text
        before, after = self.tasks[task_id], response.json()
        assert after["updated_at"] > before["updated_at"]
        assert after == before | changes | {"updated_at": after["updated_at"]}
        self.tasks[task_id] = after
        self.versions[task_id] += 1
        assert response.headers["ETag"] == self.etag(task_id)

    def _count(self, result: Any) -> Any:
        self.operations += 1
        return result


def mixed_session(http: httpx2.Client) -> TaskListModel:
    """Sign up, sign in on a second device, work on tasks, refresh, sign out. Gives the model of the list."""
    phone = Person.sign_up(http, name="Ada")
    laptop = phone.sign_in_again()
    assert set(phone.auth) == set(laptop.auth) == AUTH_MEMBERS
    assert phone.auth["user"] == laptop.auth["user"]

    model = TaskListModel()
    work(model, phone, laptop)
    assert model.operations == TASK_OPERATIONS

    before = Person(http, phone.password, phone.auth)
    assert phone.refresh().status_code == 200
    assert phone.auth["refresh_token"] != before.auth["refresh_token"]
    model.list(phone)
    model.list(before)  # a refresh replaces the refresh token; the old access token works until it expires

    assert laptop.post("/api/auth/signout").json() == {"detail": "Signed out"}
    _is_signed_out(laptop)
    model.list(phone)  # the other sign-in still works

    assert phone.post("/api/auth/signout").json() == {"detail": "Signed out"}
    _is_signed_out(phone)
    _is_signed_out(before)
    return model


def work(model: TaskListModel, phone: Person, laptop: Person) -> None:
    """Twenty operations, three of which must fail."""
    plants = model.create(phone, "Water the plants")
    milk = model.create(laptop, "Buy milk", "two litres")
    model.list(phone)
    letter = model.create(phone, "Write to grandmother")
    model.get(laptop, letter)
    model.toggle(laptop, plants)
    read = model.etag(milk)
    model.edit(phone, milk, title="Buy oat milk")
    model.refused(laptop.put(f"/api/tasks/{milk}", json={"title": "Buy bread"}, headers={"If-Match": read}), 412)
    model.edit(laptop, milk, if_match=model.etag(milk), description=None, completed=True)
    model.list(laptop)
    model.refused(phone.post("/api/tasks", json={"title": "  "}), 422)
    model.toggle(phone, plants)
    model.delete(phone, letter)
    model.refused(laptop.get(f"/api/tasks/{letter}"), 404)
    model.list(laptop)
    bread = model.create(laptop, "Buy bread", "the bakery closes at six")
    model.edit(phone, bread, description="the bakery closes at five")
    model.get(phone, milk)
    model.delete(laptop, milk, if_match=model.etag(milk))
    model.list(phone)


def _is_signed_out(device: Person) -> None:
    assert device.get("/api/tasks").status_code == 401
    assert device.post("/api/tasks", json={"title": "Too late"}).status_code == 401
    assert Person(device.http, device.password, device.auth).refresh().status_code == 401
