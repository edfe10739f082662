"""Sign-in: credentials for a pair of tokens."""

import pytest
from starlette.testclient import TestClient

from tests.support.people import PASSWORD, Person


@pytest.mark.spec("FR-006", "FR-040", "FR-041", "US1-2", "SC-001")
def test_gives_the_account_and_both_tokens(client: TestClient, ada: Person) -> None:
    response = client.post("/api/auth/signin", json={"email": ada.email, "password": PASSWORD})

    answer = response.json()
    assert response.status_code == 200
    assert set(answer) == {"user", "access_token", "refresh_token", "token_type", "expires_in"}
    assert answer["user"] == ada.auth["user"]
    assert answer["token_type"] == "bearer"
    assert answer["expires_in"] == 900


@pytest.mark.spec("FR-006", "FR-013", "US1-3")
def test_each_device_has_tokens_of_its_own_and_all_of_them_work(ada: Person) -> None:
    devices = [ada, ada.sign_in_again(), ada.sign_in_again()]

    assert len({device.auth["access_token"] for device in devices}) == 3
    assert len({device.auth["refresh_token"] for device in devices}) == 3
    assert [device.get("/api/tasks").status_code for device in devices] == [200, 200, 200]


@pytest.mark.spec("FR-006")
def test_the_e_mail_may_differ_in_case_and_surrounding_spaces(client: TestClient, ada: Person) -> None:
    response = client.post("/api/auth/signin", json={"email": f" {ada.email.upper()} ", "password": PASSWORD})

    assert response.status_code == 200
    assert response.json()["user"]["id"] == ada.id


@pytest.mark.spec("FR-006", "US3-4", "NFR-007")
@pytest.mark.parametrize(
    "password",
    [PASSWORD + " ", " " + PASSWORD, PASSWORD.upper(), PASSWORD[:-1], "x", PASSWORD + "\0", "p" * 1024],
)
def test_refuses_every_other_password(client: TestClient, ada: Person, password: str) -> None:
    response = client.post("/api/auth/signin", json={"email": ada.email, "password": password})

    assert response.status_code == 401
    assert response.json() == {"detail": "The e-mail or the password is wrong."}


@pytest.mark.spec("US3-4", "NFR-007", "SC-018")
def test_an_unknown_e_mail_and_a_wrong_password_get_the_same_answer(client: TestClient, ada: Person) -> None:
    wrong = client.post("/api/auth/signin", json={"email": ada.email, "password": "not the password"})
    unknown = client.post("/api/auth/signin", json={"email": "nobody@example.com", "password": PASSWORD})

    volatile = {"x-request-id"}
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.content == unknown.content
    assert {k: v for k, v in wrong.headers.items() if k not in volatile} == {
        k: v for k, v in unknown.headers.items() if k not in volatile
    }


@pytest.mark.spec("FR-029", "FR-036", "SC-005")
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "email: is required; password: is required"),
        ({"email": "ada@example.com"}, "password: is required"),
        ({"email": "ada", "password": PASSWORD}, "email: must be an e-mail address, such as ada@example.com"),
        ({"email": "ada@example.com", "password": None}, "password: must be text"),
        ({"email": "ada@example.com", "password": "p" * 1025}, "password: must be at most 1024 characters"),
        ({"email": ["ada@example.com"], "password": PASSWORD}, "email: must be text"),
    ],
)
def test_refuses_malformed_credentials(client: TestClient, body: dict[str, object], detail: str) -> None:
    response = client.post("/api/auth/signin", json=body)

    assert response.status_code == 422
    assert response.json()["detail"] == detail


@pytest.mark.spec("FR-006", "US3-4")
def test_a_too_short_password_is_wrong_and_not_invalid(client: TestClient, ada: Person) -> None:
    response = client.post("/api/auth/signin", json={"email": ada.email, "password": "1234567"})

    assert response.status_code == 401


@pytest.mark.spec("NFR-004")
@pytest.mark.parametrize("password", ["' or '1'='1", "'; drop table users; --", "\\'; select 1; --"])
def test_sql_in_a_password_is_only_a_wrong_password(client: TestClient, ada: Person, password: str) -> None:
    response = client.post("/api/auth/signin", json={"email": ada.email, "password": password})

    assert response.status_code == 401
    assert ada.sign_in_again().id == ada.id
