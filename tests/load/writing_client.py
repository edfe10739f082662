"""A user who works on tasks while the database comes and goes, and knows what must be stored in the end.

Every write is done (2xx), refused (503 with Retry-After: certainly nothing was written) or unknown (503 without it). A
task whose last write is unknown may be as before or as after it, and is not changed any more.
"""

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2

from tests.support.people import Person

PAUSE_SECONDS = 0.1
"""Shorter than the Retry-After, so that there are more requests while the database is away."""
REFRESHES = 0.25
"""How many operations are followed by a refresh."""
REFRESH_SECONDS = 25
"""Less than the leeway in which a spent refresh token still works."""


class State(NamedTuple):
    """What is stored of a task."""

    title: str
    completed: bool = False
    version: int = 1


@dataclass
class WritingClient:
    """One user on one device.

    :ivar tasks: for each task the states that it may have: one, unless its last write is unknown. None: it is deleted
    :ivar unknown_creations: the titles of tasks that may exist, each at most once
    :ivar outcomes: how many requests were done, refused and unknown
    """

    person: Person
    random: random.Random
    tasks: dict[str, set[State | None]] = field(default_factory=dict)
    unknown_creations: set[str] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def failures(self) -> int:
        """How many requests were not done, or may not have been."""
        return self.outcomes["refused"] + self.outcomes["unknown"]

    def act(self) -> None:
        """One operation, chosen at random. After a failure, pause like a client that waits for recovery."""
        done = self.outcomes["done"]
        self.random.choice([self.create] * 3 + [self.toggle] * 3 + [self.edit] * 3 + [self.delete, self.look])()
        if self.random.random() < REFRESHES:
            self.refresh()
        if self.outcomes["done"] == done:
            time.sleep(PAUSE_SECONDS)

    def create(self) -> None:
        title = uuid4().hex
        response = self._send("POST", "/api/tasks", json={"title": title})
        if response is None:
            self.unknown_creations.add(title)
        elif response.status_code != 503:
            assert response.status_code == 201, response.text
            assert response.json()["title"] == title
            self.tasks[response.json()["id"]] = {State(title)}

    def toggle(self) -> None:
        if task_id := self._any_task():
            [before] = self.tasks[task_id]
            assert before
            after = State(before.title, not before.completed, before.version + 1)
            self._change(task_id, after, self._send("PATCH", f"/api/tasks/{task_id}/toggle"))

    def edit(self) -> None:
        if task_id := self._any_task():
            [before] = self.tasks[task_id]
            assert before
            after = State(uuid4().hex, before.completed, before.version + 1)
            self._change(task_id, after, self._send("PUT", f"/api/tasks/{task_id}", json={"title": after.title}))

    def delete(self) -> None:
        if task_id := self._any_task():
            self._change(task_id, None, self._send("DELETE", f"/api/tasks/{task_id}"))

    def look(self) -> None:
        """Compare the list with what may be stored, which has no version there."""
        response = self._send("GET", "/api/tasks")
        assert response is not None, "a read that fails has written nothing"
        if response.status_code != 503:
            assert response.status_code == 200, response.text
            stored = [(task["id"], State(task["title"], task["completed"])) for task in response.json()]
            self.check(stored, has_versions=False)

    def refresh(self) -> None:
        """Exchange the refresh token, and try again with the same one until there is an answer."""
        deadline = time.monotonic() + REFRESH_SECONDS
        while (response := self.person.refresh()).status_code != 200:
            assert response.status_code == 503, response.text
            self._count(response)
            assert time.monotonic() < deadline, "the refresh token would be too old soon"
            time.sleep(PAUSE_SECONDS)
        self._count(response)

    def check(self, stored: list[tuple[str, State]], *, has_versions: bool = True) -> None:
        """Fail unless these tasks are a state that this user's writes may have left."""
        found = dict(stored)
        assert len(found) == len(stored)
        for task_id, states in self.tasks.items():
            allowed = {state if has_versions or state is None else state._replace(version=1) for state in states}
            assert found.pop(task_id, None) in allowed
        titles = [state.title for state in found.values()]
        assert len(set(titles)) == len(titles), "a task was created twice"
        assert set(titles) <= self.unknown_creations, "there is a task that was refused"
        assert set(found.values()) == {State(title) for title in titles}

    def _any_task(self) -> str | None:
        """A task whose state is known."""
        known = [task_id for task_id, states in self.tasks.items() if len(states) == 1 and None not in states]
        return self.random.choice(known) if known else None

    def _change(self, task_id: str, after: State | None, response: httpx2.Response | None) -> None:
        if response is None:
            self.tasks[task_id].add(after)
        elif response.status_code != 503:
            assert response.status_code == (200 if after else 204), response.text
            self.tasks[task_id] = {after}
            assert after is None or response.headers["ETag"] == f'"{after.version}"'

    def _send(self, method: str, path: str, **options: Any) -> httpx2.Response | None:
        """The answer; None if it says that the outcome is unknown."""
        response = self.person.request(method, path, **options)
        return None if self._count(response) == "unknown" else response

    def _count(self, response: httpx2.Response) -> str:
        outcome = "done"
        if response.status_code == 503:
            outcome = "refused" if "Retry-After" in response.headers else "unknown"
        self.outcomes[outcome] += 1
        return outcome
