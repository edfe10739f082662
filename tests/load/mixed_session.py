"""What one person does from sign-up to sign-out, on two devices, and what they must see at every step."""

from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.support.people import Person

TASK_OPERATIONS = 20
AUTH_MEMBERS = {"user", "access_token", "refresh_token", "token_type", "expires_in"}


@dataclass
class Notebook:
    """A model of one person's list: it does something through the API, and expects what a single user would."""

    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    operations: int = 0

    def create(self, device: Person, title: str, description: str | None = None) -> str:
        task = self._did(device.adds_task(title, description=description))
        task_id = str(task["id"])
        given = {"title": title, "description": description, "completed": False, "user_id": device.id}
        made = {"id": task_id, "created_at": task["created_at"], "updated_at": task["created_at"]}
        assert task == given | made
        assert task_id not in self.versions
        self.tasks[task_id], self.versions[task_id] = task, 1
        return task_id

    def get(self, device: Person, task_id: str) -> None:
        response = self._did(device.get(f"/api/tasks/{task_id}"))
        assert (response.status_code, response.json()) == (200, self.tasks[task_id])
        assert response.headers["ETag"] == self.etag(task_id)

    def edit(self, device: Person, task_id: str, *, if_match: str | None = None, **changes: Any) -> None:
        headers = {"If-Match": if_match} if if_match else {}
        response = device.put(f"/api/tasks/{task_id}", json=changes, headers=headers)
        self._changed(task_id, self._did(response), changes)

    def toggle(self, device: Person, task_id: str) -> None:
        response = device.patch(f"/api/tasks/{task_id}/toggle")
        self._changed(task_id, self._did(response), {"completed": not self.tasks[task_id]["completed"]})

    def delete(self, device: Person, task_id: str, *, if_match: str | None = None) -> None:
        headers = {"If-Match": if_match} if if_match else {}
        response = self._did(device.delete(f"/api/tasks/{task_id}", headers=headers))
        assert (response.status_code, response.content) == (204, b"")
        del self.tasks[task_id]

    def list(self, device: Person) -> None:
        assert self._did(device.tasks()) == list(self.tasks.values())

    def refused(self, response: httpx2.Response, status: int) -> None:
        """An operation that must fail, and change nothing."""
        self._did(response)
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

    def _did(self, result: Any) -> Any:
        self.operations += 1
        return result


def mixed_session(http: httpx2.Client) -> Notebook:
    """Sign up, sign in on a second device, work on tasks, refresh, sign out. Gives what is left in the list."""
    phone = Person.sign_up(http, name="Ada")
    laptop = phone.signs_in()
    assert set(phone.auth) == set(laptop.auth) == AUTH_MEMBERS
    assert phone.auth["user"] == laptop.auth["user"]

    mine = Notebook()
    work(mine, phone, laptop)
    assert mine.operations == TASK_OPERATIONS

    before = Person(http, phone.password, phone.auth)
    assert phone.refreshes().status_code == 200
    assert phone.auth["refresh_token"] != before.auth["refresh_token"]
    mine.list(phone)
    mine.list(before)  # a refresh replaces the refresh token; the access token lasts until it expires

    assert laptop.post("/api/auth/signout").json() == {"detail": "Signed out"}
    _is_signed_out(laptop)
    mine.list(phone)  # the other sign-in stays

    assert phone.post("/api/auth/signout").json() == {"detail": "Signed out"}
    _is_signed_out(phone)
    _is_signed_out(before)
    return mine


def work(mine: Notebook, phone: Person, laptop: Person) -> None:
    """Twenty operations, three of which have to fail."""
    plants = mine.create(phone, "Water the plants")
    milk = mine.create(laptop, "Buy milk", "two litres")
    mine.list(phone)
    letter = mine.create(phone, "Write to grandmother")
    mine.get(laptop, letter)
    mine.toggle(laptop, plants)
    read = mine.etag(milk)
    mine.edit(phone, milk, title="Buy oat milk")
    mine.refused(laptop.put(f"/api/tasks/{milk}", json={"title": "Buy bread"}, headers={"If-Match": read}), 412)
    mine.edit(laptop, milk, if_match=mine.etag(milk), description=None, completed=True)
    mine.list(laptop)
    mine.refused(phone.post("/api/tasks", json={"title": "  "}), 422)
    mine.toggle(phone, plants)
    mine.delete(phone, letter)
    mine.refused(laptop.get(f"/api/tasks/{letter}"), 404)
    mine.list(laptop)
    bread = mine.create(laptop, "Buy bread", "the bakery closes at six")
    mine.edit(phone, bread, description="the bakery closes at five")
    mine.get(phone, milk)
    mine.delete(laptop, milk, if_match=mine.etag(milk))
    mine.list(phone)


def _is_signed_out(device: Person) -> None:
    assert device.get("/api/tasks").status_code == 401
    assert device.post("/api/tasks", json={"title": "Too late"}).status_code == 401
    assert Person(device.http, device.password, device.auth).refreshes().status_code == 401
