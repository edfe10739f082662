"""The errors of the contract: status, sentence and shape. Those of request bodies are in test_bodies.py."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend.errors import RateLimited
from backend.tasks import service
from tests.conftest import MakeClient
from tests.support.people import PASSWORD, Person

WENT_WRONG = "Something went wrong on our side. Please try again."
UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def task_path(ada: Person) -> str:
    return f"/api/tasks/{ada.create_task()['id']}"


UNKNOWN_ADDRESSES = [
    *("/nothing", "/api", "/api/", "/api/auth", "/tasks", "/auth/signin", "/API/TASKS", "/api/tasks/x/toggle/y"),
    *("/.env", "/api/../.env", "/%2e%2e/etc/passwd", "/%00", "/%F0%9F%91%A9", "/%FF"),
]


@pytest.mark.spec("FR-031", "FR-035", "SC-004")
@pytest.mark.parametrize("path", UNKNOWN_ADDRESSES)
def test_an_unknown_address_is_404(client: TestClient, path: str) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        response = client.request(method, path)

        assert response.status_code == 404, method
        assert response.json() == {"detail": "There is nothing here. Please check the address."}


ALLOWED = {
    "/": "GET, HEAD",
    "/api/health": "GET, HEAD",
    "/api/auth/signup": "POST",
    "/api/auth/signin": "POST",
    "/api/auth/refresh": "POST",
    "/api/auth/signout": "POST",
    "/api/tasks": "GET, HEAD, POST",
    f"/api/tasks/{UNKNOWN_ID}": "GET, HEAD, PUT, DELETE",
    f"/api/tasks/{UNKNOWN_ID}/toggle": "PATCH",
}


@pytest.mark.spec("FR-035", "NFR-016", "SC-004")
@pytest.mark.parametrize(("path", "allowed"), ALLOWED.items(), ids=lambda value: value if "/" not in value else "")
def test_an_unsupported_method_is_405_with_the_allowed_methods(client: TestClient, path: str, allowed: str) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} - set(allowed.split(", ")):
        for same_path in (path, path.rstrip("/") + "/"):
            response = client.request(method, same_path)

            assert response.status_code == 405, method
            assert response.headers["Allow"] == allowed
            assert response.json() == {"detail": "This address does not support that method."}


@pytest.mark.spec("NFR-005", "NFR-027")
@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (61, "2 minutes"),
        (720, "12 minutes"),
        (3540, "59 minutes"),
        (3541, "1 hour"),
        (3600, "1 hour"),
        (3601, "2 hours"),
        (86_400, "24 hours"),
    ],
)
def test_a_429_says_how_long_to_wait(seconds: int, words: str) -> None:
    error = RateLimited(seconds)

    assert error.detail == f"Too many attempts. Please try again in {words}."
    assert error.headers == {"Retry-After": str(seconds)}


@pytest.mark.spec("SC-008", "NFR-023")
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/health/", None, 200),
        ("POST", "/api/auth/signup/", {"email": "somebody@example.com", "password": PASSWORD}, 201),
        ("POST", "/api/auth/signin/", {"email": "nobody@example.com", "password": PASSWORD}, 401),
        ("POST", "/api/auth/refresh/", {"refresh_token": "x"}, 401),
        ("GET", "/api/tasks/", None, 200),
        ("POST", "/api/tasks/", {"title": "Buy milk"}, 201),
        ("GET", "{task}/", None, 200),
        ("PUT", "{task}/", {"title": "Buy milk"}, 200),
        ("PATCH", "{task}/toggle/", None, 200),
        ("DELETE", "{task}/", None, 204),
        ("POST", "/api/auth/signout/", None, 200),
        ("GET", "/docs/", None, 200),
        ("GET", "/redoc/", None, 200),
        ("GET", "/openapi.json/", None, 200),
        ("GET", "//", None, 200),
    ],
)
def test_a_trailing_slash_means_the_same_address_without_a_redirect(
    ada: Person, task_path: str, method: str, path: str, body: dict[str, str] | None, status: int
) -> None:
    response = ada.request(method, path.replace("{task}", task_path), **({"json": body} if body else {}))

    assert response.status_code == status


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> str:
    """Make listing tasks fail with a secret in the exception's text and in local variables. Gives the secret."""
    secret = "postgresql://owner:s3cr3t@db.internal/prod"

    def fail(*_: Any) -> str:
        also_here = secret
        raise RuntimeError(f"cannot connect to {also_here}")

    monkeypatch.setattr(service, "list_as_json", fail)
    return secret


@pytest.mark.spec("FR-034", "FR-035", "US3-9", "NFR-007", "SC-018")
def test_an_unexpected_error_is_a_500_without_details(ada: Person, broken: str) -> None:
    response = ada.get("/api/tasks")

    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {"detail": WENT_WRONG}


@pytest.mark.spec("FR-034", "NFR-015", "US3-9", "NFR-007", "SC-018")
def test_a_500_is_logged_with_its_place_and_request_id_without_the_text(
    ada: Person, broken: str, logged: Callable[[], list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    response = ada.get("/api/tasks")

    [error] = [line for line in logged() if line["level"] == "ERROR"]
    assert error["request_id"] == response.headers["X-Request-ID"]
    assert error["error"] == "builtins.RuntimeError"
    assert "fail" in error["frames"][-1]
    written = json.dumps(logged()) + capsys.readouterr().out
    for secret in (broken, "s3cr3t", "cannot connect"):
        assert secret not in written


@pytest.mark.spec("US3-9", "NFR-023", "SC-008")
def test_a_500_carries_the_cors_headers_so_that_a_browser_can_read_it(ada: Person, broken: str) -> None:
    response = ada.get("/api/tasks", headers={"Origin": "http://localhost:3000"})

    assert response.status_code == 500
    assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.spec("US3-9", "SC-010")
def test_the_request_after_a_500_works(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    task = ada.create_task()

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as breaking:
        breaking.setattr(service, "edit", fail)
        assert ada.put(f"/api/tasks/{task['id']}", json={"title": "Buy bread"}).status_code == 500

    assert ada.tasks() == [task]


@pytest.mark.spec("FR-035", "SC-004", "NFR-016", "NFR-027")
def test_every_error_is_one_sentence_for_a_person(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_client(signin_failures_per_account_and_address=1)
    ada = Person.sign_up(client)
    path, account = f"/api/tasks/{ada.create_task()['id']}", {"email": ada.email, "password": "not the password"}
    no_database = make_client(database_url="postgresql://todo_api:x@127.0.0.1:1/none")

    answers = {
        400: ada.post("/api/tasks", content=b"{", headers={"Content-Type": "application/json"}),
        401: client.get("/api/tasks"),
        404: ada.get(f"/api/tasks/{UNKNOWN_ID}"),
        405: ada.delete("/api/tasks"),
        409: client.post("/api/auth/signup", json=account),
        412: ada.delete(path, headers={"If-Match": '"9"'}),
        413: ada.post("/api/tasks", content=b"x" * 70_000),
        422: ada.put(path, json={"title": ""}),
        429: [client.post("/api/auth/signin", json=account) for _ in range(2)][-1],
        503: no_database.get("/api/health"),
    }
    monkeypatch.setattr(service, "get", lambda *_: 1 / 0)
    answers[500] = ada.get(path)

    assert {status: answer.status_code for status, answer in answers.items()} == {status: status for status in answers}
    for status, answer in answers.items():
        assert answer.headers["Content-Type"] == "application/json"
        assert isinstance(answer.json()["detail"], str)
        assert set(answer.json()) == ({"detail", "errors"} if status == 422 else {"detail"})
    assert {status: answer.json()["detail"] for status, answer in answers.items()} == {
        400: "The request body must be a JSON document, sent with 'Content-Type: application/json'.",
        401: "You are not signed in, or your sign-in has ended. Please sign in.",
        404: "Task not found.",
        405: "This address does not support that method.",
        409: "There is an account with this e-mail already. Please sign in.",
        412: "This was changed in the meantime. Please reload it and try again.",
        413: "The request body is too large: at most 64 KiB are accepted.",
        422: "title: must not be empty",
        429: "Too many attempts. Please try again in 15 minutes.",
        500: WENT_WRONG,
        503: "The service is unavailable for a moment. Please try again.",
    }
    assert answers[429].headers["Retry-After"].isdecimal()
    assert answers[503].headers["Retry-After"].isdecimal()
