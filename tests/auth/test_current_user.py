"""The access token of a request: which ones are accepted, and the 401 for all others."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from backend.auth.tokens import Kind, Tokens
from backend.tasks import service
from backend.web.parts import part_of
from tests.support.contract import OPERATIONS, PROTECTED
from tests.support.people import Person

NOT_SIGNED_IN = {"detail": "You are not signed in, or your sign-in has ended. Please sign in."}


def list_tasks(client: TestClient, authorization: str | None) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return client.get("/api/tasks", headers=headers)


def tokens_of(client: TestClient) -> Tokens:
    return part_of(cast("FastAPI", client.app), Tokens)


@pytest.mark.spec("FR-013", "FR-014", "FR-037", "NFR-025", "US1-3", "SC-002")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_valid_access_token_gives_access_to_its_users_tasks(client: TestClient, ada: Person, scheme: str) -> None:
    task = ada.create_task()

    response = list_tasks(client, f"{scheme} {ada.auth['access_token']}")

    assert response.status_code == 200
    assert response.json() == [task]


@pytest.mark.spec("FR-030", "US1-6", "SC-002", "NFR-016")
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer garbage",
        "Bearer a.b.c",
        "Bearer ..",
        "Bearer null",
        "Bearer undefined",
        "Bearer [object Object]",
        "Basic YWRhOnBhc3N3b3Jk",
        "Token abc",
        "garbage",
        "Bearer " + "x" * 5000,
    ],
)
def test_a_request_without_a_valid_token_is_401(client: TestClient, authorization: str | None) -> None:
    response = list_tasks(client, authorization)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.json() == NOT_SIGNED_IN


@pytest.mark.spec("FR-037", "NFR-025")
@pytest.mark.parametrize("scheme", ["", "Basic ", "JWT ", "Bearer Bearer ", "Bearer,"])
def test_a_valid_token_without_the_bearer_scheme_is_401(client: TestClient, ada: Person, scheme: str) -> None:
    response = list_tasks(client, f"{scheme}{ada.auth['access_token']}")

    assert response.status_code == 401


@pytest.mark.spec("FR-037")
def test_a_token_is_accepted_only_in_the_authorization_header(client: TestClient, ada: Person) -> None:
    token = ada.auth["access_token"]

    response = client.get("/api/tasks", params={"access_token": token}, headers={"Cookie": f"access_token={token}"})

    assert response.status_code == 401


@pytest.mark.spec("FR-030", "FR-031", "US1-6", "SC-002")
@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_every_protected_operation_checks_the_token_before_anything_else(
    client: TestClient, method: str, path: str
) -> None:
    """It is 401, and never 403 or 404, which would disclose what exists."""
    for task_id in (str(uuid4()), "malformed"):
        response = client.request(method, path.replace("{task_id}", task_id), json={})

        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.json() == NOT_SIGNED_IN


@pytest.mark.spec("FR-013", "SC-002")
def test_only_root_health_sign_up_sign_in_and_refresh_need_no_token() -> None:
    open_to_all = {(method, path) for method, path, _ in OPERATIONS} - set(PROTECTED)

    assert open_to_all == {
        ("GET", "/"),
        ("GET", "/api/health"),
        ("POST", "/api/auth/signup"),
        ("POST", "/api/auth/signin"),
        ("POST", "/api/auth/refresh"),
    }


@pytest.mark.spec("FR-013", "FR-030", "SC-002")
def test_a_refresh_token_is_not_accepted_as_an_access_token(client: TestClient, ada: Person) -> None:
    response = list_tasks(client, f"Bearer {ada.auth['refresh_token']}")

    assert response.status_code == 401
    assert response.json() == NOT_SIGNED_IN


@pytest.mark.spec("FR-011", "FR-013")
def test_an_access_token_is_not_accepted_as_a_refresh_token(client: TestClient, ada: Person) -> None:
    response = client.post("/api/auth/refresh", json={"refresh_token": ada.auth["access_token"]})

    assert response.status_code == 401
    assert response.json() == NOT_SIGNED_IN


@pytest.fixture
def token_that_expires(client: TestClient, ada: Person) -> Callable[[int], str]:
    """Signs access tokens of Ada's sign-in that expire so many seconds from now."""
    claims = tokens_of(client).verify(ada.auth["access_token"], Kind.ACCESS)

    def sign(seconds: int) -> str:
        now = int(time.time())
        return tokens_of(client).sign(
            Kind.ACCESS,
            user_id=UUID(ada.id),
            sign_in_id=claims.sid,
            issued_at=now + min(seconds, 0) - 60,
            expires_at=now + seconds,
        )

    return sign


@pytest.mark.spec("FR-009", "FR-013", "FR-030", "SC-002", "EDGE-token-expiration-during-request")
def test_an_expired_token_is_401(client: TestClient, token_that_expires: Callable[[int], str]) -> None:
    valid = list_tasks(client, f"Bearer {token_that_expires(60)}")
    expired = list_tasks(client, f"Bearer {token_that_expires(-1)}")
    expiring_now = list_tasks(client, f"Bearer {token_that_expires(0)}")

    assert valid.status_code == 200
    assert expired.status_code == expiring_now.status_code == 401
    assert expired.json() == NOT_SIGNED_IN


@pytest.mark.spec("EDGE-token-expiration-during-request")
def test_a_request_succeeds_although_its_token_expires_meanwhile(
    client: TestClient, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=time.time())
    monkeypatch.setattr("backend.auth.tokens.time", SimpleNamespace(time=lambda: clock.now))
    create = service.create

    def create_slowly(*args: Any, **kwargs: Any) -> Any:
        clock.now += 15 * 60 + 1
        return create(*args, **kwargs)

    monkeypatch.setattr(service, "create", create_slowly)

    first = ada.post("/api/tasks", json={"title": "Buy milk"})
    second = ada.post("/api/tasks", json={"title": "Buy milk"})

    assert first.status_code == 201
    assert second.status_code == 401
