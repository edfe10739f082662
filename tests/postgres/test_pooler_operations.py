"""Every operation of the API, by many users at once on few server connections: none sees or changes what is another's.

A fifth of the sign-ins has ended. Each client knows what it has stored, and compares every answer with it.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from backend.auth.current_user import CurrentUser
from backend.auth.schemas import AuthResponse
from backend.auth.service import AuthService, WrongCredentials
from backend.auth.tokens import Kind, Tokens
from backend.database.transactions import Database
from backend.errors import NotAuthenticated
from backend.settings import Settings
from backend.tasks import service
from backend.tasks.service import TaskNotFound
from tests.conftest import NO_LIMITS, SECRET, MakeSettings
from tests.support.checked_users import LIMITS
from tests.support.concurrency import at_once
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import StartPooler

CLIENTS = 60
ENDED_EVERY = 5
SERVER_CONNECTIONS = 5
PASSWORD, OTHER_PASSWORD = "correct horse battery staple", "correct horse battery stable"
TOKENS = Tokens(SECRET)

pytestmark = pytest.mark.spec("SC-003", "SC-006", "SC-010", "NFR-012", "FR-019", "FR-023")


@dataclass
class StoredTask:
    """What the database must have of a task."""

    title: str
    description: str | None = None
    completed: bool = False
    version: int = 1


@dataclass
class Client:
    """One user, and what the API must answer.

    :ivar foreign: a task of another user
    :ivar flights: how many it has sent
    """

    number: int
    auth: AuthService
    email: str
    address: str
    signed_in: AuthResponse
    random: random.Random
    tasks: dict[UUID, StoredTask] = field(default_factory=dict)
    has_ended: bool = False
    foreign: UUID | None = None
    flights: int = 0

    @classmethod
    def sign_up(cls, number: int, settings: Settings, database: Database) -> "Client":
        """A new user. Its tasks have titles and descriptions that no other user's have."""
        auth = AuthService(settings, TOKENS, database)
        email, address = f"client.{number}@example.com", f"10.0.0.{number}"
        signed_in = auth.sign_up(email=email, password=PASSWORD, name=f"Client {number}", address=address)
        return cls(number, auth, email, address, signed_in, random.Random(number), flights=2)

    @property
    def user(self) -> CurrentUser:
        """As whom the tasks' statements are run."""
        claims = TOKENS.verify(self.signed_in.access_token, Kind.ACCESS)
        return CurrentUser(claims.user_id, claims.sid, self.auth.database)

    def act(self) -> None:
        """One operation, chosen at random."""
        change = [self.create, self.edit, self.toggle, self.remove]
        look = [self.list_tasks, self.get, self.look_at_foreign]
        account = [self.refresh, self.sign_in_and_out, self.sign_in_wrongly]
        self.random.choice(change * 3 + look * 3 + account)()

    def list_tasks(self) -> None:
        listed = self._run(lambda: json.loads(service.list_as_json(self.user)))
        if listed is not None:
            assert [UUID(task["id"]) for task in listed] == list(self.tasks)
            for task in listed:
                self._check(task, self.tasks[UUID(task["id"])])

    def get(self) -> None:
        task_id = self._any_task()
        task = self._run(lambda: service.get(self.user, task_id))
        if task is not None:
            self._check(task._mapping, self.tasks[task_id])

    def create(self) -> None:
        stored = StoredTask(self._text(), self.random.choice([None, self._text()]))
        created = self._run(
            lambda: service.create(self.user, title=stored.title, description=stored.description, limits=LIMITS)
        )
        if created is not None:
            self.tasks[created.id] = stored
            self._check(created._mapping, stored)

    def edit(self) -> None:
        task_id, changes = self._any_task(), {"title": self._text(), "description": self._text()}
        edited = self._run(lambda: service.edit(self.user, task_id, changes, allowed=None, limits=LIMITS))
        if edited is not None:
            stored = self.tasks[task_id]
            stored.title, stored.description = changes["title"], changes["description"]
            stored.version += 1
            self._check(edited._mapping, stored)

    def toggle(self) -> None:
        task_id = self._any_task()
        toggled = self._run(lambda: service.toggle(self.user, task_id, allowed=None))
        if toggled is not None:
            stored = self.tasks[task_id]
            stored.completed, stored.version = not stored.completed, stored.version + 1
            self._check(toggled._mapping, stored)

    def remove(self) -> None:
        """Remove a task, but never the first one, which others look for."""
        task_id = self._any_task()
        if task_id != next(iter(self.tasks)):
            self._run(lambda: service.remove(self.user, task_id, allowed=None))
            if not self.has_ended:
                del self.tasks[task_id]

    def look_at_foreign(self) -> None:
        """Read and change a task of another user, which must not be found."""
        assert self.foreign is not None
        foreign, refused = self.foreign, NotAuthenticated if self.has_ended else TaskNotFound
        operations: list[Callable[[], object]] = [
            lambda: service.get(self.user, foreign),
            lambda: service.edit(self.user, foreign, {"title": "stolen"}, allowed=None, limits=LIMITS),
            lambda: service.toggle(self.user, foreign, allowed=None),
            lambda: service.remove(self.user, foreign, allowed=None),
        ]
        self.flights += 1
        with pytest.raises(refused):
            self.random.choice(operations)()

    def refresh(self) -> None:
        refreshed = self._run(lambda: self.auth.refresh(refresh_token=self.signed_in.refresh_token))
        if refreshed is not None:
            self._check_user(refreshed)
            self.signed_in = refreshed

    def sign_in_and_out(self) -> None:
        """Sign in on another device, sign out there, and find that sign-in ended."""
        other = self.auth.sign_in(email=self.email, password=PASSWORD, address=self.address)
        self._check_user(other)
        claims = TOKENS.verify(other.access_token, Kind.ACCESS)
        self.auth.sign_out(other.refresh_token, Kind.REFRESH)
        with pytest.raises(NotAuthenticated):
            self.auth.sign_out(other.access_token, Kind.ACCESS)
        with pytest.raises(NotAuthenticated):
            service.list_as_json(CurrentUser(claims.user_id, claims.sid, self.auth.database))
        self.flights += 5

    def sign_in_wrongly(self) -> None:
        self.flights += 2
        with pytest.raises(WrongCredentials):
            self.auth.sign_in(email=self.email, password=OTHER_PASSWORD, address=self.address)

    def end_sign_in(self) -> None:
        """Sign out. From here on every operation must be refused, and change nothing."""
        self.auth.sign_out(self.signed_in.access_token, Kind.ACCESS)
        self.flights += 1
        self.has_ended = True

    def _run(self, operation: Callable[[], Any]) -> Any:
        """What the operation gives. None where it must be refused, and is."""
        self.flights += 1
        if not self.has_ended:
            return operation()
        with pytest.raises(NotAuthenticated):
            operation()
        return None

    def _any_task(self) -> UUID:
        return self.random.choice(list(self.tasks))

    def _text(self) -> str:
        return f"Text {self.random.getrandbits(64)} of {self.number}"

    def _check(self, task: Any, stored: StoredTask) -> None:
        names = ("title", "description", "completed")
        assert {name: task[name] for name in names} == {name: getattr(stored, name) for name in names}
        assert task.get("version", stored.version) == stored.version
        assert UUID(str(task["user_id"])) == self.signed_in.user.id

    def _check_user(self, answer: AuthResponse) -> None:
        assert answer.user == self.signed_in.user
        for token, kind in ((answer.access_token, Kind.ACCESS), (answer.refresh_token, Kind.REFRESH)):
            assert TOKENS.verify(token, kind).user_id == self.signed_in.user.id


@pytest.mark.parametrize("flights", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
@pytest.mark.timeout(900)
def test_every_operation_of_sixty_users_on_five_connections_is_right(
    flights: int, start_pooler: StartPooler, fresh_database: DatabaseCopy, make_settings: MakeSettings
) -> None:
    pooler = start_pooler(pool_size=SERVER_CONNECTIONS)
    settings = make_settings(database_url=pooler.url(fresh_database), database_ca_file=str(pooler.ca_file), **NO_LIMITS)

    def sign_up(number: int) -> Client:
        database = Database(settings.database(), pool_size=number % 2)  # every other one connects for each request
        client = Client.sign_up(number, settings, database)
        client.create()
        client.create()
        if number % ENDED_EVERY == 0:
            client.end_sign_in()
        return client

    def act(number: int) -> None:
        client = clients[number]
        client.foreign = next(iter(clients[number - 1].tasks))
        while client.flights < flights / CLIENTS:
            client.act()

    clients = at_once(sign_up, CLIENTS)
    at_once(act, CLIENTS)
    for client in clients:
        client.auth.database.close()

    assert sum(client.flights for client in clients) >= flights
    assert sum(client.has_ended for client in clients) == CLIENTS / ENDED_EVERY
    [rows] = fresh_database.query("select id, user_id, title, description, completed, version from tasks")
    assert {row[0]: row[1:] for row in rows} == {
        task_id: [client.signed_in.user.id, task.title, task.description, task.completed, task.version]
        for client in clients
        for task_id, task in client.tasks.items()
    }
