"""PostgreSQL writes the JSON of the list. A task's text must be the same there as in every other endpoint."""

import asyncio
import base64
import gzip
import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mangum import Mangum
from pg8000.native import Connection as OwnerConnection

from backend.app import GZIP_MINIMUM_BYTES
from backend.tasks import statements
from backend.tasks.schemas import TaskPublic
from tests.conftest import MakeClient
from tests.support.people import Person

LAMBDA_LIMIT_BYTES = 6 * 1024 * 1024

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
difficult = st.sampled_from(
    [*map(chr, range(1, 32)), "\x7f", "\u2028", "\u2029", "\ufeff", "🐘", '"', "\\", "/", "<", "&"]
)
texts = st.text(st.one_of(characters, difficult), max_size=200)
moments = st.integers(0, 250_000_000_000_000_000).map(
    lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
)

INSERT = """
    insert into tasks (title, description, completed, user_id, created_at, updated_at)
    values (:title, :description, :completed, :user_id, :created_at, :updated_at) returning id::text
"""


@pytest.mark.spec("FR-017", "FR-038", "FR-042", "NFR-026", "EDGE-special-characters-in-task-data")
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    title=texts.filter(str.strip),
    description=st.none() | st.text(st.one_of(characters, difficult), min_size=1, max_size=2000),
    completed=st.booleans(),
    created_at=moments,
    updated_at=moments,
)
@example("Buy milk", None, False, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 100, UTC))
@example(
    "".join(map(chr, range(1, 128))), "\u2028\u2029\ufeff🐘\U0010ffff", True, *[datetime(2026, 1, 1, tzinfo=UTC)] * 2
)
def test_a_task_reads_the_same_in_the_list_and_by_itself(
    ada: Person,
    owner: OwnerConnection,
    title: str,
    description: str | None,
    completed: bool,
    created_at: datetime,
    updated_at: datetime,
) -> None:
    owner.run("delete from tasks where user_id = :user_id", user_id=ada.id)
    [[task_id]] = owner.run(
        INSERT,
        user_id=ada.id,
        title=title,
        description=description,
        completed=completed,
        created_at=created_at,
        updated_at=updated_at,
    )

    alone, listed = ada.get(f"/api/tasks/{task_id}"), ada.get("/api/tasks")

    assert alone.status_code == listed.status_code == 200
    assert listed.content == b"[" + alone.content + b"]"
    assert alone.content.decode() == TaskPublic.model_validate_json(alone.content).model_dump_json()
    assert json.loads(alone.content)["created_at"] == created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert listed.headers["Content-Type"] == alone.headers["Content-Type"] == "application/json"


@pytest.mark.spec("FR-042", "NFR-026")
def test_every_endpoint_gives_the_text_of_the_list(ada: Person) -> None:
    created = ada.post("/api/tasks", json={"title": 'A "quoted" \\ line', "description": "a\tb\r\nc\u2028🐘\x7f\x01"})
    assert ada.get("/api/tasks").content == b"[" + created.content + b"]"
    path = f"/api/tasks/{created.json()['id']}"
    edited = ada.put(path, json={"description": "é"})
    assert ada.get("/api/tasks").content == b"[" + edited.content + b"]"
    toggled = ada.patch(f"{path}/toggle")
    assert ada.get("/api/tasks").content == b"[" + toggled.content + b"]"
    second = ada.post("/api/tasks", json={"title": "Second"})
    assert ada.get("/api/tasks").content == b"[" + toggled.content + b"," + second.content + b"]"


@pytest.mark.spec("FR-042")
def test_the_list_has_the_members_of_the_model_in_its_order(ada: Person) -> None:
    ada.create_task()
    assert list(ada.tasks()[0]) == list(TaskPublic.model_fields)


def test_a_new_member_of_the_model_is_in_the_list_by_itself(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    class WithVersion(TaskPublic):
        version: int

    ada.create_task()
    monkeypatch.setattr(statements, "LIST", statements.select_json_list(WithVersion))
    assert list(ada.tasks()[0]) == [*TaskPublic.model_fields, "version"]


@pytest.mark.spec("EDGE-empty-task-list")
def test_an_empty_list_is_json_too(ada: Person) -> None:
    answer = ada.get("/api/tasks")
    assert (answer.content, answer.headers["Content-Type"]) == (b"[]", "application/json")


AddMany = Callable[[Person, int, int], None]


@pytest.fixture
def add_many(owner: OwnerConnection) -> AddMany:
    """Inserts many tasks of this length for a person."""

    def add(person: Person, tasks: int, length: int) -> None:
        owner.run(
            "insert into tasks (title, description, user_id) "
            "select 'Task ' || n, rpad('', :length, 'Some words about task ' || n || '. '), :user_id "
            "from generate_series(1, :tasks) n",
            user_id=person.id,
            tasks=tasks,
            length=length,
        )

    return add


@pytest.mark.spec("NFR-010")
class TestCompression:
    """A large list is compressed, because Lambda's answers are limited to 6 MB."""

    def test_a_large_list_is_compressed_when_the_client_accepts_it(self, ada: Person, add_many: AddMany) -> None:
        add_many(ada, 200, 400)
        plain = ada.get("/api/tasks", headers={"Accept-Encoding": "identity"})
        packed = ada.get("/api/tasks", headers={"Accept-Encoding": "gzip"})
        assert len(plain.content) > GZIP_MINIMUM_BYTES
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == "gzip"
        assert int(packed.headers["Content-Length"]) < len(plain.content) / 4
        assert packed.content == plain.content
        for answer in (plain, packed):
            assert "accept-encoding" in answer.headers["Vary"].lower()

    def test_a_small_list_is_not(self, ada: Person, add_many: AddMany) -> None:
        add_many(ada, 3, 200)
        answer = ada.get("/api/tasks", headers={"Accept-Encoding": "gzip"})
        assert 1_000 < len(answer.content) < GZIP_MINIMUM_BYTES
        assert "Content-Encoding" not in answer.headers

    @pytest.mark.spec("SC-007")
    def test_ten_thousand_tasks_pass_through_lambda(
        self, ada: Person, add_many: AddMany, make_client: MakeClient
    ) -> None:
        add_many(ada, 10_000, 400)
        answer = invoke(make_client, ada, "gzip, deflate, br")
        assert answer["statusCode"] == 200
        assert (answer["isBase64Encoded"], answer["headers"]["content-encoding"]) == (True, "gzip")
        assert len(json.dumps(answer).encode()) < LAMBDA_LIMIT_BYTES
        body = gzip.decompress(base64.b64decode(answer["body"]))
        assert len(body) > LAMBDA_LIMIT_BYTES
        assert len(json.loads(body)) == 10_000

    def test_lambda_gives_a_small_list_as_text(self, ada: Person, make_client: MakeClient) -> None:
        task = ada.create_task("Zürich 🐘")
        answer = invoke(make_client, ada, "gzip")
        assert (answer["isBase64Encoded"], json.loads(answer["body"])) == (False, [task])


def invoke(make_client: MakeClient, person: Person, accept_encoding: str) -> dict[str, Any]:
    """The Lambda handler's answer to API Gateway's request for the list (payload format 2.0)."""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/api/tasks",
        "rawQueryString": "",
        "headers": {
            **{name.lower(): text for name, text in person.headers.items()},
            "accept-encoding": accept_encoding,
        },
        "requestContext": {
            "http": {"method": "GET", "path": "/api/tasks", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9"},
            "requestId": "an-id",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    app: Any = make_client().app
    with closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)  # Mangum uses the current event loop
        try:
            return Mangum(app, lifespan="off")(event, None)  # type: ignore[arg-type]  # the context is not used
        finally:
            asyncio.set_event_loop(None)
