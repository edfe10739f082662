"""Which pages may call the API from a browser and read its answers."""

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.conftest import ORIGIN, MakeClient
from tests.support.contract import OPERATIONS
from tests.support.people import Person

FOREIGN_ORIGINS = [
    "http://localhost:3001",
    "http://localhost",
    "https://localhost:3000",
    "http://localhost:3000.evil.example",
    "http://evil.example",
    "null",
    "http://127.0.0.1:3000",
]

REFUSED = {"detail": "This page may not call the API in this way: its origin, the method or a header is not allowed."}


def preflight(client: TestClient, origin: str, method: str, path: str, headers: str = "") -> httpx2.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return client.options(path, headers=asked | ({"Access-Control-Request-Headers": headers} if headers else {}))


@pytest.mark.spec("FR-039", "NFR-024", "SC-008", "SC-017")
def test_the_frontend_may_read_every_answer(ada: Person) -> None:
    response = ada.get("/api/tasks", headers={"Origin": ORIGIN})

    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert response.headers["Access-Control-Expose-Headers"] == "Retry-After, ETag, X-Request-ID, Location"
    assert "Origin" in response.headers["Vary"]


@pytest.mark.spec("FR-039", "NFR-024", "SC-008")
def test_the_frontend_may_send_every_operation(client: TestClient) -> None:
    for method, path, _ in OPERATIONS:
        response = preflight(client, ORIGIN, method, path, "authorization, content-type, if-match")

        assert response.status_code == 200, path
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert method in response.headers["Access-Control-Allow-Methods"].split(", ")
        assert {"Authorization", "Content-Type", "If-Match"} <= set(
            response.headers["Access-Control-Allow-Headers"].split(", ")
        )


@pytest.mark.spec("FR-039", "NFR-024")
def test_the_frontend_may_send_head_with_its_token(client: TestClient) -> None:
    response = preflight(client, ORIGIN, "HEAD", "/api/tasks", "authorization")

    assert response.status_code == 200
    assert "HEAD" in response.headers["Access-Control-Allow-Methods"].split(", ")


@pytest.mark.spec("FR-039", "NFR-024")
def test_further_request_headers_may_be_allowed(make_client: MakeClient) -> None:
    client = make_client(cors_extra_headers=" traceparent, X-Trace-Id ,")

    allowed = preflight(client, ORIGIN, "POST", "/api/tasks", "authorization, content-type, traceparent, x-trace-id")
    refused = preflight(client, ORIGIN, "POST", "/api/tasks", "traceparent, tracestate")

    assert allowed.status_code == 200
    assert {"traceparent", "X-Trace-Id", "If-Match"} <= set(allowed.headers["Access-Control-Allow-Headers"].split(", "))
    assert refused.status_code == 400


@pytest.mark.spec("FR-039", "NFR-004")
def test_a_header_that_is_not_the_api_s_is_not_allowed(client: TestClient) -> None:
    response = preflight(client, ORIGIN, "GET", "/api/tasks", "x-forwarded-for")

    assert response.status_code == 400
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.json() == REFUSED
    assert "x-forwarded-for" not in response.headers["Access-Control-Allow-Headers"].lower()


@pytest.mark.spec("FR-039", "NFR-024")
@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_another_origin_may_neither_send_nor_read(client: TestClient, ada: Person, origin: str) -> None:
    asked = preflight(client, origin, "GET", "/api/tasks")
    answered = ada.get("/api/tasks", headers={"Origin": origin})

    assert asked.status_code == 400
    assert asked.json() == REFUSED
    assert "Origin" in asked.headers["Vary"]
    assert "Access-Control-Allow-Origin" not in asked.headers
    assert "Access-Control-Allow-Origin" not in answered.headers
    assert "Origin" in answered.headers["Vary"]


@pytest.mark.spec("FR-039", "NFR-024", "SC-008")
def test_several_frontends_may_be_configured(make_client: MakeClient) -> None:
    client = make_client(
        frontend_url=" https://todo.example.com/ ,http://localhost:3000,, https://App.Example.org:8443//"
    )

    for origin in ("https://todo.example.com", "http://localhost:3000", "https://app.example.org:8443"):
        assert client.get("/", headers={"Origin": origin}).headers["Access-Control-Allow-Origin"] == origin
        assert preflight(client, origin, "PUT", "/api/tasks/1").status_code == 200
    assert "Access-Control-Allow-Origin" not in client.get("/", headers={"Origin": "https://example.com"}).headers


@pytest.mark.spec("FR-039")
def test_no_answer_allows_every_origin(client: TestClient, ada: Person) -> None:
    for origin in (ORIGIN, "http://evil.example"):
        for response in (ada.get("/api/tasks", headers={"Origin": origin}), preflight(client, origin, "GET", "/")):
            assert response.headers.get("Access-Control-Allow-Origin") != "*"
            assert response.headers.get("Access-Control-Allow-Headers") != "*"
            assert response.headers.get("Access-Control-Allow-Methods") != "*"


@pytest.mark.spec("FR-035", "FR-039", "SC-008", "NFR-027")
def test_the_frontend_may_read_errors_too(make_client: MakeClient) -> None:
    """Without these headers, a browser reports a network error instead of the status. 500 and 503: test_errors.py."""
    client = make_client(signups_per_address=1)
    ada, origin = Person.sign_up(client), {"Origin": ORIGIN}
    path = f"/api/tasks/{ada.create_task()['id']}"
    somebody = {"email": "somebody@example.com", "password": "long enough"}

    answers = [
        ada.post("/api/tasks", content=b"{", headers=origin | {"Content-Type": "application/json"}),
        client.get("/api/tasks", headers=origin),
        client.get("/nothing", headers=origin),
        ada.delete("/api/tasks", headers=origin),
        ada.delete(path, headers=origin | {"If-Match": '"9"'}),
        ada.post("/api/tasks", content=b"x" * 70_000, headers=origin),
        ada.put(path, json={}, headers=origin),
        client.post("/api/auth/signup", json=somebody, headers=origin),
        make_client(database_url="postgresql://x@127.0.0.1:1/none").get("/api/health", headers=origin),
    ]

    assert [answer.status_code for answer in answers] == [400, 401, 404, 405, 412, 413, 422, 429, 503]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
