"""Users of the API, who send requests like the frontend."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2

PASSWORD = "correct horse battery staple"


@dataclass
class Person:
    """A user with an account, and the answer to their last sign-up, sign-in or refresh."""

    http: httpx2.Client
    password: str
    auth: dict[str, Any]

    @classmethod
    def sign_up(cls, http: httpx2.Client, *, password: str = PASSWORD, **details: str) -> "Person":
        """Create an account with a new e-mail."""
        body = {"email": f"{uuid4().hex}@example.com", "password": password, **details}
        response = http.post("/api/auth/signup", json=body)
        assert response.status_code == 201, response.text
        return cls(http, password, response.json())

    @property
    def id(self) -> str:
        return str(self.auth["user"]["id"])

    @property
    def email(self) -> str:
        return str(self.auth["user"]["email"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.auth['access_token']}"}

    def sign_in_again(self) -> "Person":
        """Sign in on another device. Gives the same user with new tokens; the old ones keep working."""
        response = self.http.post("/api/auth/signin", json={"email": self.email, "password": self.password})
        assert response.status_code == 200, response.text
        return Person(self.http, self.password, response.json())

    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """A request with this person's access token."""
        headers = {**self.headers, **options.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("DELETE", path, **options)

    def create_task(self, title: str = "Buy milk", **members: Any) -> dict[str, Any]:
        """Create a task. Gives the created task."""
        response = self.post("/api/tasks", json={"title": title, **members})
        assert response.status_code == 201, response.text
        task: dict[str, Any] = response.json()
        return task

    def tasks(self) -> list[dict[str, Any]]:
        """The list of tasks that the API gives."""
        response = self.get("/api/tasks")
        assert response.status_code == 200, response.text
        tasks: list[dict[str, Any]] = response.json()
        return tasks

    def refresh(self) -> httpx2.Response:
        """Exchange the refresh token. If that succeeds, the person has the new tokens."""
        response = self.http.post("/api/auth/refresh", json={"refresh_token": self.auth["refresh_token"]})
        if response.status_code == 200:
            self.auth = response.json()
        return response
