"""HEAD is answered wherever GET is: the same status and headers, and no body (RFC 9110, 9.3.2)."""

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from backend.app import create_app
from dev.local_lambda.events import http_event
from tests.aws.conftest import Handle, event_loop, handle  # noqa: F401  # pytest finds them here
from tests.conftest import ORIGIN, MakeSettings
from tests.support.contract import OPERATIONS
from tests.support.people import Person
from tests.support.serving import serving

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"
PATHS = {
    "/": 200,
    "/docs": 200,
    "/redoc": 200,
    "/openapi.json": 200,
    "/docs/swagger-ui-bundle.js": 200,
    "/api/health": 200,
    "/api/health/": 200,
    "/api/tasks": 401,
    "/nothing": 404,
    "/api/auth/signin": 405,
}
CHANGING = {"x-request-id"}
"""Headers that differ between two requests."""


def headers_of(answer: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items() if name.lower() not in CHANGING}


@pytest.mark.spec("SC-011", "SC-017", "NFR-023")
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize(("path", "status"), PATHS.items())
def test_it_has_the_status_and_headers_of_get_and_no_body(
    client: TestClient, path: str, status: int, encoding: str
) -> None:
    asked = {"Origin": ORIGIN, "Accept-Encoding": encoding}

    got, head = client.get(path, headers=asked), client.head(path, headers=asked)

    assert head.status_code == got.status_code == status
    assert headers_of(head) == headers_of(got)
    assert head.content == b""


@pytest.mark.spec("FR-017", "FR-018", "FR-019")
def test_tasks_are_answered_too(ada: Person, ben: Person) -> None:
    ada.create_task(description="x" * 2000)
    path = f"/api/tasks/{ada.create_task()['id']}"

    for asked, who in ((path, ada), ("/api/tasks", ada), (path, ben), (f"/api/tasks/{UNKNOWN_ID}", ada)):
        got, head = who.get(asked), who.request("HEAD", asked)

        assert head.status_code == got.status_code
        assert headers_of(head) == headers_of(got)
        assert head.content == b""


@pytest.mark.spec("FR-034", "FR-035")
def test_an_unexpected_error_has_no_body_either(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.tasks.service.list_as_json", lambda _: 1 / 0)

    head = ada.request("HEAD", "/api/tasks", headers={"Origin": ORIGIN})

    assert (head.status_code, head.content) == (500, b"")
    assert head.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.spec("NFR-004")
def test_nothing_is_changed_by_it(ada: Person) -> None:
    task = ada.create_task()

    for _, path, _ in OPERATIONS:
        ada.request("HEAD", path.replace("{task_id}", task["id"]))

    assert ada.tasks() == [task]


@pytest.mark.spec("NFR-015")
def test_the_access_log_says_head_and_names_the_route(
    client: TestClient, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    client.head("/api/health")
    client.head("/nothing")

    lines = [line for line in logged() if line.get("message") == "Request"]
    assert [(line["method"], line.get("route"), line["status"]) for line in lines] == [
        ("HEAD", "/api/health", 200),
        ("HEAD", None, 404),
    ]


@pytest.fixture
def server(make_settings: MakeSettings) -> Iterator[str]:
    """The URL of a real server."""
    with serving(create_app(make_settings())) as url:
        yield url


@pytest.mark.spec("SC-011")
def test_a_server_keeps_the_length_of_get_and_the_connection(server: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(server).netloc)

    for path in ("/", "/openapi.json", "/api/tasks"):
        connection.request("GET", path)
        got = connection.getresponse()
        length = len(got.read())
        connection.request("HEAD", path)
        head = connection.getresponse()

        assert (head.status, head.headers["Content-Length"], head.read()) == (got.status, str(length), b"")
    connection.close()


@pytest.mark.spec("SC-011", "FR-038")
def test_the_function_answers_it_like_get(handle: Handle) -> None:  # noqa: F811
    for path in ("/", "/openapi.json", "/api/tasks"):
        for headers in ({}, {"accept-encoding": "gzip"}):
            got = handle(http_event("GET", path, headers=headers))
            head = handle(http_event("HEAD", path, headers=headers))
            for answer in (got, head):
                del answer["headers"]["x-request-id"]

            assert got["body"]
            assert head == got | {"body": "", "isBase64Encoded": False}
            json.dumps(head)
