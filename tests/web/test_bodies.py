"""What a request's body may be, before its members are validated."""

import asyncio
import json
from collections.abc import Iterator
from uuid import uuid4

import httpx2
import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from backend.app import create_app
from backend.web.middleware import BodyLimit
from tests.conftest import MakeSettings
from tests.support.contract import OPERATIONS, REQUIRING_BODY, WITH_BODY
from tests.support.people import PASSWORD, Person
from tests.support.serving import serving

JSON = {"Content-Type": "application/json"}
NOT_JSON = {"detail": "The request body must be a JSON document, sent with 'Content-Type: application/json'."}
TOO_LARGE = {"detail": "The request body is too large: at most 64 KiB are accepted."}


def send(person: Person, method: str, path: str, content: bytes, headers: dict[str, str] = JSON) -> httpx2.Response:
    if "{task_id}" in path:
        path = path.replace("{task_id}", person.create_task()["id"])
    return person.request(method, path, content=content, headers=headers)


@pytest.mark.spec("FR-033", "FR-035", "US3-8", "SC-004", "NFR-027")
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b'{"title": "Buy milk"',
        b'{"title": "Buy milk",}',
        b"{'title': 'Buy milk'}",
        b"title=Buy+milk",
        b'{"title": "Buy\nmilk"}',
        b'{"title": "Buy milk"} and more',
        b'{"title": "\xff\xfe"}',
        b'{"title": "\\ud8"}',
        b'{"title": ' + b"9" * 5000 + b"}",
        b"[" * 60_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"title": "Buy milk", "more": NaN}',
        b'{"title": "Buy milk", "more": -Infinity}',
        '{"title": "Buy milk"}'.encode("utf-16"),
        '{"title": "Buy milk"}'.encode("utf-32-le"),
    ],
    ids=[
        *("empty", "blank", "open", "cut short", "trailing comma", "single quotes", "form", "line break", "more"),
        *("not UTF-8", "bad escape", "endless number", "deep array", "deep object"),
        *("NaN", "infinity", "UTF-16", "UTF-32"),
    ],
)
def test_what_is_not_json_is_400(ada: Person, content: bytes) -> None:
    for method, path in WITH_BODY if content else REQUIRING_BODY:
        response = send(ada, method, path, content)

        assert response.status_code == 400, path
        assert response.json() == NOT_JSON


@pytest.mark.spec("FR-033", "FR-036")
@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_json_that_is_not_declared_is_400(ada: Person, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    for method, path in WITH_BODY:
        response = send(ada, method, path, b'{"title": "Buy milk"}', headers)

        assert response.status_code == 400, path
        assert response.json() == NOT_JSON


@pytest.mark.spec("FR-033")
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_declared_in_several_ways(ada: Person, content_type: str) -> None:
    response = send(ada, "POST", "/api/tasks", b'{"title": "Buy milk"}', {"Content-Type": content_type})

    assert response.status_code == 201


@pytest.mark.spec("FR-029", "FR-036", "SC-005")
@pytest.mark.parametrize("content", [b"[]", b"[{}]", b'"text"', b"1", b"1.5e3", b"true", b"null"])
def test_json_that_is_no_object_is_422(ada: Person, content: bytes) -> None:
    for method, path in WITH_BODY:
        response = send(ada, method, path, content)

        assert response.status_code == 422, path
        assert response.json() == {
            "detail": "body: must be a JSON object",
            "errors": [{"field": "body", "message": "must be a JSON object"}],
        }


@pytest.mark.spec("FR-029", "FR-036")
@pytest.mark.parametrize("number", [b"1e400", b"9" * 4000, b"-0.0"])
def test_a_number_is_not_accepted_as_text(ada: Person, number: bytes) -> None:
    response = send(ada, "POST", "/api/tasks", b'{"title": %b}' % number)

    assert response.status_code == 422
    assert response.json()["detail"] == "title: must be text"


@pytest.mark.spec("FR-033")
def test_a_byte_order_mark_before_the_json_is_ignored(ada: Person) -> None:
    """RFC 8259, 8.1: a sender must not add one, a reader may ignore it."""
    response = send(ada, "POST", "/api/tasks", b'\xef\xbb\xbf{"title": "Buy milk"}')

    assert response.status_code == 201


@pytest.mark.spec("FR-036")
def test_the_last_of_duplicate_members_counts(ada: Person) -> None:
    response = send(ada, "POST", "/api/tasks", b'{"title": "", "title": "Buy milk"}')

    assert response.status_code == 201
    assert response.json()["title"] == "Buy milk"


@pytest.mark.spec("FR-029", "NFR-027")
def test_an_empty_member_is_reported_in_plain_words(client: TestClient) -> None:
    response = client.post("/api/auth/signin", json={"email": "ada@example.com", "password": ""})

    assert response.status_code == 422
    assert response.json()["detail"] == "password: must not be empty"


TEXT_MEMBERS = [
    ("POST", "/api/auth/signup", "email"),
    ("POST", "/api/auth/signup", "password"),
    ("POST", "/api/auth/signup", "name"),
    ("POST", "/api/auth/signin", "email"),
    ("POST", "/api/auth/signin", "password"),
    ("POST", "/api/auth/refresh", "refresh_token"),
    ("POST", "/api/tasks", "title"),
    ("POST", "/api/tasks", "description"),
    ("PUT", "/api/tasks/{task_id}", "title"),
    ("PUT", "/api/tasks/{task_id}", "description"),
]


def valid_body(path: str) -> dict[str, str]:
    account = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    return {"/api/auth/signup": account, "/api/auth/signin": account, "/api/auth/refresh": {}}.get(path, {"title": "x"})


@pytest.mark.spec("FR-029", "EDGE-special-characters-in-task-data", "SC-005")
@pytest.mark.parametrize(("method", "path", "member"), TEXT_MEMBERS)
def test_half_a_surrogate_pair_is_422_in_every_text(ada: Person, method: str, path: str, member: str) -> None:
    for half in ("\ud800", "\udfff", "\ude00\ud83d"):
        content = json.dumps(valid_body(path) | {member: f"12345678{half}@example.com"}).encode()

        response = send(ada, method, path, content)

        assert response.status_code == 422
        assert response.json() == {
            "detail": f"{member}: must be valid Unicode text",
            "errors": [{"field": member, "message": "must be valid Unicode text"}],
        }


@pytest.mark.spec("FR-029", "EDGE-special-characters-in-task-data", "SC-005")
@pytest.mark.parametrize(("method", "path", "member"), [case for case in TEXT_MEMBERS if case[2] != "password"])
def test_nul_is_422_in_every_text_but_a_password(ada: Person, method: str, path: str, member: str) -> None:
    """PostgreSQL cannot store it. A password is not stored, so it is used exactly as it was sent."""
    content = json.dumps(valid_body(path) | {member: "before\0after@example.com"}).encode()

    response = send(ada, method, path, content)

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [member]


def padded(size: int) -> bytes:
    """The body of a valid task, of so many bytes."""
    start, end = b'{"title": "Buy milk", "padding": "', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


def in_chunks(content: bytes) -> Iterator[bytes]:
    """A body that is sent without its length."""
    for start in range(0, len(content), 10_000):
        yield content[start : start + 10_000]


@pytest.mark.spec("FR-033", "NFR-004")
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
def test_a_body_of_64_kib_is_read_and_a_larger_one_is_413(ada: Person, chunked: bool) -> None:
    for size, status in ((64 * 1024, 201), (64 * 1024 + 1, 413), (1024 * 1024, 413)):
        content = padded(size)

        response = ada.post("/api/tasks", content=in_chunks(content) if chunked else content, headers=JSON)

        assert response.status_code == status
        if status == 413:
            assert response.json() == TOO_LARGE


@pytest.mark.spec("NFR-004", "SC-004")
def test_a_body_that_is_too_large_is_413_on_every_path(client: TestClient) -> None:
    for method, path, _ in OPERATIONS:
        response = client.request(method, path, content=padded(70_000), headers=JSON)

        assert response.status_code == 413, path
        assert response.json() == TOO_LARGE


@pytest.fixture
def server(make_settings: MakeSettings) -> Iterator[str]:
    """The URL of a real server."""
    with serving(create_app(make_settings())) as url:
        yield url


@pytest.mark.spec("NFR-004")
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
def test_a_megabyte_is_413_and_the_connection_can_be_used_again(server: str, chunked: bool) -> None:
    content = padded(1024 * 1024)
    with httpx2.Client(base_url=server) as http:
        for _ in range(3):
            refused = http.post("/api/tasks", content=in_chunks(content) if chunked else content, headers=JSON)
            welcome = http.get("/")

            assert (refused.status_code, refused.json()) == (413, TOO_LARGE)
            assert welcome.status_code == 200


@pytest.mark.spec("NFR-004")
def test_a_body_that_its_client_breaks_off_reaches_no_endpoint() -> None:
    """What has arrived may be valid JSON by itself."""
    arriving: list[Message] = [
        {"type": "http.request", "body": b'{"title": "Buy milk"}', "more_body": True},
        {"type": "http.disconnect"},
    ]
    reached: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append("the endpoint")

    async def receive() -> Message:
        return arriving.pop(0)

    async def send(message: Message) -> None:
        reached.append("the client, who has left")

    asyncio.run(BodyLimit(app)({"type": "http"}, receive, send))

    assert (reached, arriving) == ([], [])
