"""The headers of every answer."""

import asyncio
import re
import time

import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from backend.app import GZIP_MINIMUM_BYTES
from backend.web.middleware import CombinedHeaders
from tests.support.people import Person

ALWAYS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "Referrer-Policy": "no-referrer",
}


@pytest.mark.spec("SC-017", "NFR-004", "NFR-006")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/docs", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/api/tasks", 401),
        ("GET", "/nothing", 404),
        ("PATCH", "/api/tasks", 405),
        ("POST", "/api/auth/signin", 400),
    ],
)
def test_every_answer_has_them(client: TestClient, method: str, path: str, status: int) -> None:
    response = client.request(method, path)

    assert response.status_code == status
    assert {name: response.headers[name] for name in ALWAYS} == ALWAYS
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])


@pytest.mark.spec("NFR-015")
def test_every_request_has_an_id_of_its_own_whatever_the_client_says(client: TestClient) -> None:
    ids = {client.get("/", headers={"X-Request-ID": "mine"}).headers["X-Request-ID"] for _ in range(5)}

    assert len(ids) == 5
    assert "mine" not in ids


@pytest.mark.spec("FR-038", "SC-017", "NFR-026")
def test_json_is_declared_as_json(ada: Person) -> None:
    created = ada.post("/api/tasks", json={"title": "世界"})
    answers = [created, ada.get("/api/tasks"), ada.get(f"/api/tasks/{created.json()['id']}"), ada.http.get("/nothing")]

    assert {answer.headers["Content-Type"] for answer in answers} == {"application/json"}
    assert "世界".encode() in created.content


@pytest.mark.spec("NFR-007", "SC-018")
def test_no_answer_names_the_software_or_sets_a_cookie(ada: Person) -> None:
    response = ada.get("/api/tasks")

    assert not {"Server", "X-Powered-By", "Set-Cookie"} & {name.title() for name in response.headers}


@pytest.mark.spec("SC-007")
@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=0.5", "gzip"),
        ("gzip;q=1.0, *;q=0", "gzip"),
        ("", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("br, gzip ; q=0.000, identity", None),
        ("GZIP;Q=0", None),
    ],
)
def test_a_long_list_is_compressed_when_the_client_accepts_it(ada: Person, accepted: str, encoding: str | None) -> None:
    for _ in range(GZIP_MINIMUM_BYTES // 2000 // 4 + 1):  # four bytes each
        ada.create_task(description="😀" * 2000)

    response = ada.get("/api/tasks", headers={"Accept-Encoding": accepted})

    assert response.headers.get("Content-Encoding") == encoding
    assert "Accept-Encoding" in response.headers["Vary"]
    assert response.json() == ada.tasks()


@pytest.mark.spec("FR-020", "SC-017")
def test_compression_changes_neither_the_etag_nor_what_it_is_good_for(ada: Person) -> None:
    path = f"/api/tasks/{ada.create_task(description='x' * 2000)['id']}"

    packed = ada.get(path, headers={"Accept-Encoding": "gzip"})
    plain = ada.get(path, headers={"Accept-Encoding": "identity"})
    changed = ada.put(path, json={"completed": True}, headers={"If-Match": packed.headers["ETag"]})

    assert (packed.headers["Content-Encoding"], "Content-Encoding" in plain.headers) == ("gzip", False)
    assert packed.headers["ETag"] == plain.headers["ETag"] == '"1"'
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')


@pytest.mark.spec("SC-007")
def test_an_answer_under_2_kib_is_not_compressed(ada: Person) -> None:
    short = ada.get("/api/tasks", headers={"Accept-Encoding": "gzip"})
    ada.create_task(description="x" * (GZIP_MINIMUM_BYTES - 300))
    still_short = ada.get("/api/tasks", headers={"Accept-Encoding": "gzip"})
    ada.create_task()
    long = ada.get("/api/tasks", headers={"Accept-Encoding": "gzip"})

    assert len(still_short.content) < GZIP_MINIMUM_BYTES == 2048 < len(long.content)
    assert [answer.headers.get("Content-Encoding") for answer in (short, still_short, long)] == [None, None, "gzip"]
    assert int(long.headers["Content-Length"]) < len(long.content) / 2


@pytest.mark.spec("SC-006", "NFR-004")
def test_very_many_headers_are_combined_quickly() -> None:
    """It happens before authentication. Comparing each header with each other one took half a minute."""
    combined: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        combined.append(scope)

    names = [f"x-{number}".encode() for number in range(40_000)]
    scope: Scope = {"type": "http", "headers": [(name, b"1") for name in names] + [(names[7], b"2")]}
    started = time.perf_counter()
    asyncio.run(CombinedHeaders(app)(scope, receive_nothing, send_nothing))

    assert time.perf_counter() - started < 3  # it takes a hundredth of that
    assert combined[0]["headers"] == [(name, b"1, 2" if name == names[7] else b"1") for name in names]


async def receive_nothing() -> Message:
    raise AssertionError


async def send_nothing(message: Message) -> None:
    raise AssertionError
