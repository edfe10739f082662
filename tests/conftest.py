"""Fixtures for all tests: a real PostgreSQL, a migrated template to copy databases from, and users of the API."""

import tests.support.own_environment  # noqa: F401  # the first import, because others read the environment

# isort: split
import io
import ipaddress
import itertools
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from backend import telemetry
from backend.app import create_app
from backend.migrations.apply import migrate
from backend.settings import Settings
from dev.embedded_postgres.server import EmbeddedPostgres
from dev.make_process import interrupt_on_sigterm, stop_with_make
from tests.support.applications import close
from tests.support.cheap_passwords import hash_cheaply
from tests.support.contract import check_documented
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person

FAST_POSTGRES = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
SECRET = "a secret for the tests, long enough to be one"
ORIGIN = "http://localhost:3000"
NO_LIMITS: dict[str, Any] = {
    name: 10_000
    for name in Settings.model_fields
    if name.startswith("signin_failures_")
    or name in ("signups_per_address", "refreshes_per_sign_in", "sign_ins_per_account")
}
"""Settings for tests that are not about rate limits: the largest values that they accept."""

unique_numbers = itertools.count(1)
pytest_plugins = ["tests.support.database_fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    """End the tests, and what they have started, when the `make` that started them has been killed."""
    if not hasattr(config, "workerinput"):  # the workers end with the process that started them
        interrupt_on_sigterm()
        stop_with_make(also_when_interrupted=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The PostgreSQL of this test process. DATABASE_URL is not used."""
    directory = Path(tempfile.mkdtemp(prefix="todo-api-tests-"))
    directory.chmod(0o711)  # root's PostgreSQL runs as the account `nobody`, which has to enter
    try:
        with EmbeddedPostgres(directory / "postgres", FAST_POSTGRES) as server:
            yield server
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> DatabaseCopy:
    """The migrated database from which all others are copied. No test connects to it: PostgreSQL could not copy it."""
    template = DatabaseCopy(postgres, "template_todo")
    template.create(source="template1")
    migrate(template.owner_url, template.url, lambda _: None)
    return template


@pytest.fixture(scope="session")
def shared_database(postgres: EmbeddedPostgres, template: DatabaseCopy) -> DatabaseCopy:
    """One database for all tests that create their own users and look at no others."""
    shared = DatabaseCopy(postgres, "todo_shared")
    shared.create(source=template.name)
    return shared


@pytest.fixture
def fresh_database(postgres: EmbeddedPostgres, template: DatabaseCopy) -> Iterator[DatabaseCopy]:
    """A migrated, empty database for one test."""
    fresh = DatabaseCopy(postgres, f"todo_{next(unique_numbers)}")
    fresh.create(source=template.name)
    yield fresh
    fresh.drop()


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[DatabaseCopy]:
    """A database without any schema."""
    empty = DatabaseCopy(postgres, f"empty_{next(unique_numbers)}")
    empty.create(source="template1")
    yield empty
    empty.drop()


@pytest.fixture
def owner(shared_database: DatabaseCopy) -> Iterator[OwnerConnection]:
    """A connection of the owner's to the shared database, to read and change rows without the API."""
    with shared_database.connect_as_owner() as connection:
        yield connection


@pytest.fixture(autouse=True)
def cheap_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make hashing a hundred times faster, except in tests marked `real_passwords`."""
    if "real_passwords" not in request.keywords:
        hash_cheaply(monkeypatch.setattr)


@pytest.fixture
def no_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the checkout, whose `.env` is a person's, for tests that read the environment as the application does."""
    monkeypatch.chdir(tmp_path)


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
    """Makes clients of applications with these settings. Each client has another address."""
    with ExitStack() as running:

        def make(*, address: str | None = None, app: FastAPI | None = None, **overrides: Any) -> TestClient:
            app = app or create_app(make_settings(**overrides))
            running.callback(close, app)
            address = address or str(ipaddress.IPv4Address("10.0.0.0") + next(unique_numbers))
            client = TestClient(app, raise_server_exceptions=False, client=(address, 50000), follow_redirects=False)
            client.event_hooks["response"] = [check_documented]
            return running.enter_context(client)

        yield make


@pytest.fixture(scope="session")
def cached_apps() -> list[FastAPI]:
    """Keeps the application with the usual settings between tests, because its first request takes long."""
    return []


@pytest.fixture
def client(make_client: MakeClient, make_settings: MakeSettings, cached_apps: list[FastAPI]) -> TestClient:
    """A client of the application, not signed in. A test that changes the application needs one of `make_client`."""
    if not cached_apps:
        cached_apps.append(create_app(make_settings()))
    return make_client(app=cached_apps[0])


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Gives the lines that the application has logged during this test."""
    stream = io.StringIO()
    handler = telemetry.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    usual = handler.setStream(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    handler.setStream(usual)


@pytest.fixture
def sign_up(client: TestClient) -> Callable[..., Person]:
    """Creates users, each signed in."""

    def create(**details: str) -> Person:
        return Person.sign_up(client, **details)

    return create


@pytest.fixture
def ada(sign_up: Callable[..., Person]) -> Person:
    """A user."""
    return sign_up(name="Ada")


@pytest.fixture
def ben(sign_up: Callable[..., Person]) -> Person:
    """Another user."""
    return sign_up(name="Ben")
