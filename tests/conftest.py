"""What the tests stand on: a real PostgreSQL, a migrated template to copy databases from, people who use the API."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from backend.app import create_app
from backend.auth import passwords
from backend.database.migrations.apply import migrate
from backend.settings import Settings
from dev.postgres import EmbeddedPostgres
from tests.database_copy import DatabaseCopy
from tests.people import Person

FAST_POSTGRES = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
SECRET = "a secret for the tests, long enough to be one"
ORIGIN = "http://localhost:3000"

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of this test process's own, whatever DATABASE_URL says."""
    directory = Path(tempfile.mkdtemp(prefix="todo-api-tests-"))
    directory.chmod(0o711)  # root's PostgreSQL runs as `nobody`, who has to get through
    try:
        with EmbeddedPostgres(directory / "postgres", FAST_POSTGRES) as server:
            yield server
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> DatabaseCopy:
    """The migrated database that all others are copied from; nobody connects to it."""
    template = DatabaseCopy(postgres, "template_todo")
    template.create(source="template1")
    migrate(template.owner_url, template.url, lambda _: None)
    return template


@pytest.fixture(scope="session")
def shared_database(postgres: EmbeddedPostgres, template: DatabaseCopy) -> DatabaseCopy:
    """One database for all tests that keep to people of their own."""
    shared = DatabaseCopy(postgres, "todo_shared")
    shared.create(source=template.name)
    return shared


@pytest.fixture
def fresh_database(postgres: EmbeddedPostgres, template: DatabaseCopy) -> Iterator[DatabaseCopy]:
    """A migrated, empty database that this test has for itself."""
    fresh = DatabaseCopy(postgres, f"todo_{next(numbers)}")
    fresh.create(source=template.name)
    yield fresh
    fresh.drop()


@pytest.fixture
def owner(shared_database: DatabaseCopy) -> Iterator[OwnerConnection]:
    """The owner's own connection to the shared database, to look behind the API."""
    with shared_database.connect_as_owner() as connection:
        yield connection


@pytest.fixture(autouse=True)
def cheap_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash a hundred times faster, except in tests that are about hashing (marked `real_passwords`)."""
    if "real_passwords" in request.keywords:
        return
    cheap = passwords.context.copy(argon2__rounds=1, argon2__memory_cost=8)
    monkeypatch.setattr(passwords, "context", cheap)
    monkeypatch.setattr(passwords, "HASH_OF_NOBODY", cheap.hash("nobody's password"))


MakeSettings = Callable[..., Settings]


@pytest.fixture
def make_settings(shared_database: DatabaseCopy, monkeypatch: pytest.MonkeyPatch) -> MakeSettings:
    """Settings for the shared database, independent of the environment and of `.env`; arguments override."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def make(**overrides: Any) -> Settings:
        values: dict[str, Any] = {
            "database_url": shared_database.url,
            "database_pool_size": 5,
            "better_auth_secret": SECRET,
            "frontend_url": ORIGIN,
        }
        return Settings(_env_file=None, **(values | overrides))

    return make


MakeClient = Callable[..., TestClient]


@pytest.fixture
def make_client(make_settings: MakeSettings) -> Iterator[MakeClient]:
    """Clients of applications with settings of their own, each from another address."""
    with ExitStack() as running:

        def make(*, address: str | None = None, **overrides: Any) -> TestClient:
            app = create_app(make_settings(**overrides))
            running.callback(app.state.database.close)
            address = address or f"10.{next(numbers) % 250}.{next(numbers) % 250}.{next(numbers) % 250}"
            return running.enter_context(
                TestClient(app, raise_server_exceptions=False, client=(address, 50000), follow_redirects=False)
            )

        yield make


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    """A client of the application, signed in as nobody."""
    return make_client()


@pytest.fixture
def sign_up(client: TestClient) -> Callable[..., Person]:
    """Creates people with an account, each signed in."""

    def create(**details: str) -> Person:
        return Person.sign_up(client, **details)

    return create


@pytest.fixture
def ada(sign_up: Callable[..., Person]) -> Person:
    """Somebody with an account."""
    return sign_up(name="Ada")


@pytest.fixture
def ben(sign_up: Callable[..., Person]) -> Person:
    """Somebody else."""
    return sign_up(name="Ben")
