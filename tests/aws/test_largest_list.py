"""No list that can be stored through the API is larger than Lambda delivers, whatever its text is."""

import base64
import gzip
import json
import random

import pytest
from pg8000.native import Connection as OwnerConnection

from backend.app import create_app
from dev.local_lambda.events import http_event
from tests.aws.conftest import Handle
from tests.aws.runtime_json import LIMIT_BYTES, runtime_json_bytes
from tests.conftest import MakeClient, MakeSettings
from tests.support.people import Person
from tests.support.task_totals import totals

LIMIT = 3_100_000
"""The largest TASK_BYTES_PER_USER."""
ADD_TASKS = """
    insert into tasks (title, description, user_id)
    select :title, :description, :user_id
    from generate_series(1, least(:most, :limit / task_bytes(:title, :description)))
"""
CHARACTERS = random.Random(1)
KINDS: dict[str, tuple[str, str | None]] = {
    "words": ("Call the plumber", "The tap in the kitchen drips since Tuesday. " * 45),
    "quotes": ('"' * 200, '"' * 2000),
    "backslashes": ("\\" * 200, "\\" * 2000),
    "control characters": ("t", "\x01" * 2000),
    "line feeds": ("t", "\n" * 2000),
    "DEL": ("t", "\x7f" * 2000),
    "emoji": ("🐘" * 200, "🐘" * 2000),
    "line separators": ("t" + "\u2028" * 198 + "t", "\u2028" * 2000),
    "paragraph separators": ("t" + "\u2029" * 198 + "t", "\u2029" * 2000),
    "two bytes": ("é" * 200, "é" * 2000),
    "three bytes": ("木" * 200, "木" * 2000),
    "the last characters": ("\U0010ffff" * 200, "\uffff" * 2000),
    "nothing that repeats": ("t", "".join(chr(CHARACTERS.randrange(0x20000, 0x2A6DF)) for _ in range(2000))),
    "short titles": ("t", None),
    "short titles of quotes": ('"', ""),
}

pytestmark = pytest.mark.spec("NFR-010", "FR-017", "FR-038", "EDGE-special-characters-in-task-data")


@pytest.fixture
def ada(make_client: MakeClient, make_settings: MakeSettings) -> Person:
    """A user whose limits are the usual ones, which are also the largest."""
    settings = make_settings()
    assert settings.task_bytes_per_user == LIMIT
    return Person.sign_up(make_client(app=create_app(settings)))


def store_as_much_as_possible(person: Person, owner: OwnerConnection, title: str, description: str | None) -> None:
    """Add tasks with this text until the API refuses one more, however short."""
    owner.run(ADD_TASKS, title=title, description=description, user_id=person.id, limit=LIMIT, most=9_999)
    for length in (2000, 1000, 500, 250, 125, 60, 30, 15, 8, 4, 2, 1):
        task = {"title": title[:length].strip() or "t", "description": (description or "")[:length]}
        while person.post("/api/tasks", json=task).status_code == 201:
            pass


@pytest.mark.parametrize(("title", "description"), KINDS.values(), ids=KINDS)
def test_the_longest_list_of_each_text_passes_through_lambda(
    title: str,
    description: str | None,
    ada: Person,
    owner: OwnerConnection,
    handle: Handle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store_as_much_as_possible(ada, owner, title, description)
    headers = {name.lower(): value for name, value in ada.headers.items()}

    plain = handle(http_event("GET", "/api/tasks", headers=headers))
    packed = handle(http_event("GET", "/api/tasks", headers={**headers, "accept-encoding": "gzip, deflate, br"}))

    tasks, size = totals(owner, ada.id)
    assert tasks == 10_000 or LIMIT - 600 < size <= LIMIT
    assert (plain["statusCode"], packed["statusCode"]) == (200, 200)
    assert len(plain["body"].encode()) == size + 1
    assert (packed["headers"]["content-encoding"], packed["isBase64Encoded"]) == ("gzip", True)
    assert gzip.decompress(base64.b64decode(packed["body"])).decode() == plain["body"]
    assert len(json.loads(plain["body"])) == tasks
    assert runtime_json_bytes(plain, monkeypatch) <= LIMIT_BYTES
    assert runtime_json_bytes(packed, monkeypatch) <= LIMIT_BYTES
