"""Signing out: it takes effect at once, for both tokens, and for this sign-in only."""

from collections import Counter
from typing import Any

import httpx2
import pytest
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from tests.conftest import MakeClient
from tests.support.clock import Clock
from tests.support.concurrency import at_once
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person

SIMULTANEOUS_SIGN_OUTS = 20


@pytest.mark.spec("FR-012", "US1-4")
def test_a_sign_out_is_confirmed(ada: Person) -> None:
    response = ada.post("/api/auth/signout")

    assert response.status_code == 200
    assert response.json() == {"detail": "Signed out"}


@pytest.mark.spec("FR-012", "FR-013", "US1-4", "US1-6")
def test_neither_token_works_after_signing_out(ada: Person) -> None:
    task = ada.create_task()
    before = Person(ada.http, ada.password, dict(ada.auth))
    assert ada.refresh().status_code == 200

    ada.post("/api/auth/signout")

    for person in (ada, before):
        path = f"/api/tasks/{task['id']}"
        answers = [
            person.get("/api/tasks"),
            person.post("/api/tasks", json={"title": "Too late"}),
            person.get(path),
            person.put(path, json={"title": "Too late"}),
            person.patch(f"{path}/toggle"),
            person.delete(path),
            person.post("/api/auth/signout"),
            person.refresh(),
        ]
        assert [answer.status_code for answer in answers] == [401] * len(answers)
        assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    assert ada.sign_in_again().tasks() == [task]


@pytest.mark.spec("FR-012")
def test_other_sign_ins_of_the_same_person_stay_open(ada: Person) -> None:
    phone = ada.sign_in_again()

    ada.post("/api/auth/signout")

    assert phone.tasks() == []
    assert phone.refresh().status_code == 200


@pytest.mark.spec("FR-012")
def test_signing_out_does_not_sign_out_other_people(ada: Person, ben: Person) -> None:
    ada.post("/api/auth/signout")

    assert ben.tasks() == []


@pytest.mark.spec("FR-012")
def test_signing_in_again_after_signing_out_works(ada: Person) -> None:
    ada.post("/api/auth/signout")

    assert ada.sign_in_again().tasks() == []


@pytest.mark.spec("FR-012", "FR-030")
def test_a_refresh_token_cannot_sign_out(ada: Person) -> None:
    response = ada.http.post("/api/auth/signout", headers={"Authorization": f"Bearer {ada.auth['refresh_token']}"})

    assert response.status_code == 401
    assert ada.tasks() == []


@pytest.mark.spec("FR-012")
def test_any_access_token_of_the_sign_in_signs_it_out(ada: Person) -> None:
    first = Person(ada.http, ada.password, dict(ada.auth))
    ada.refresh()

    assert first.post("/api/auth/signout").status_code == 200

    assert ada.get("/api/tasks").status_code == 401
    assert ada.refresh().status_code == 401


@pytest.mark.spec("FR-012")
def test_exactly_one_of_simultaneous_sign_outs_succeeds(make_client: MakeClient) -> None:
    person = Person.sign_up(make_client(database_pool_size=10))

    responses = at_once(lambda _: person.post("/api/auth/signout"), SIMULTANEOUS_SIGN_OUTS)

    assert Counter(response.status_code for response in responses) == {200: 1, 401: SIMULTANEOUS_SIGN_OUTS - 1}


@pytest.mark.spec("FR-012")
@pytest.mark.parametrize(
    "body", [{}, {"content": b""}, {"json": {}}, {"json": None}, {"json": {"refresh_token": None}}, {"json": {"x": 1}}]
)
def test_signing_out_by_the_access_token_needs_no_body(ada: Person, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json"} if "content" in body else {}

    assert ada.post("/api/auth/signout", headers=headers, **body).status_code == 200

    assert ada.get("/api/tasks").status_code == 401


@pytest.mark.spec("FR-012", "FR-033", "FR-036")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"content": b"not JSON"}, 400),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": {"refresh_token": "x"}}, 400),
        ({"json": []}, 422),
        ({"json": {"refresh_token": 5}}, 422),
        ({"json": {"refresh_token": "a\0b"}}, 422),
    ],
)
def test_a_malformed_body_signs_out_nothing(ada: Person, body: dict[str, Any], status: int) -> None:
    assert ada.post("/api/auth/signout", **body).status_code == status

    assert ada.tasks() == []


def sign_out_by_body(person: Person, token: str, **headers: str) -> httpx2.Response:
    return person.http.post("/api/auth/signout", json={"refresh_token": token}, headers=headers)


@pytest.mark.spec("FR-012", "US1-4")
def test_a_refresh_token_in_the_body_signs_out_without_an_access_token(ada: Person) -> None:
    phone = ada.sign_in_again()

    response = sign_out_by_body(ada, ada.auth["refresh_token"])

    assert (response.status_code, response.json()) == (200, {"detail": "Signed out"})
    assert ada.get("/api/tasks").status_code == 401
    assert ada.refresh().status_code == 401
    assert phone.tasks() == []


@pytest.mark.spec("FR-012", "EDGE-token-expiration-during-request")
def test_a_refresh_token_signs_out_when_the_access_token_has_expired(
    clock: Clock, fresh_database: DatabaseCopy, make_client: MakeClient
) -> None:
    person = Person.sign_up(make_client(database_url=fresh_database.url))
    clock.advance(days=6)

    response = sign_out_by_body(person, person.auth["refresh_token"], **person.headers)

    assert response.status_code == 200
    assert person.refresh().status_code == 401


@pytest.mark.spec("FR-012", "EDGE-refresh-token-reuse")
def test_a_spent_refresh_token_still_signs_out(ada: Person) -> None:
    spent = ada.auth["refresh_token"]
    for _ in range(3):
        ada.refresh()

    assert sign_out_by_body(ada, spent).status_code == 200

    assert ada.get("/api/tasks").status_code == 401


@pytest.mark.spec("FR-012")
def test_an_ended_sign_in_cannot_be_signed_out_again(ada: Person) -> None:
    assert sign_out_by_body(ada, ada.auth["refresh_token"]).status_code == 200

    again = sign_out_by_body(ada, ada.auth["refresh_token"])

    assert (again.status_code, again.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.spec("FR-012", "FR-010")
def test_an_expired_refresh_token_cannot_sign_out(
    clock: Clock, fresh_database: DatabaseCopy, make_client: MakeClient
) -> None:
    person = Person.sign_up(make_client(database_url=fresh_database.url))
    old = person.auth["refresh_token"]
    clock.advance(days=6)
    person.refresh()
    clock.advance(days=1)

    assert sign_out_by_body(person, old).status_code == 401

    assert person.refresh().status_code == 200


@pytest.mark.spec("FR-012")
def test_the_body_wins_over_the_access_token(ada: Person, ben: Person) -> None:
    forged = ada.auth["refresh_token"][:-4] + "AAAA"

    assert sign_out_by_body(ada, forged, **ada.headers).status_code == 401
    assert ada.tasks() == []

    assert sign_out_by_body(ben, ben.auth["refresh_token"], **ada.headers).status_code == 200
    assert ada.tasks() == []
    assert ben.get("/api/tasks").status_code == 401


@pytest.mark.spec("FR-012", "FR-030")
@pytest.mark.parametrize("kind", ["access_token", "nothing", "too long"])
def test_what_is_no_refresh_token_cannot_sign_out_in_the_body(ada: Person, kind: str) -> None:
    tokens = {"access_token": ada.auth["access_token"], "nothing": "", "too long": "x" * 60_000}

    assert sign_out_by_body(ada, tokens[kind], **ada.headers).status_code == 401

    assert ada.tasks() == []


@pytest.mark.spec("FR-012", "FR-030", "US1-6")
def test_signing_out_without_any_token_is_401(client: TestClient) -> None:
    response = client.post("/api/auth/signout")

    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.spec("FR-012", "EDGE-token-expiration-during-request")
def test_an_expired_access_token_cannot_sign_out(
    clock: Clock, fresh_database: DatabaseCopy, make_client: MakeClient
) -> None:
    person = Person.sign_up(make_client(database_url=fresh_database.url))

    clock.advance(minutes=15)

    assert person.post("/api/auth/signout").status_code == 401
    assert person.refresh().status_code == 200
    assert person.post("/api/auth/signout").status_code == 200


@pytest.mark.spec("FR-012", "NFR-017")
def test_a_sign_out_revokes_only_the_row_of_its_sign_in(ada: Person, owner: OwnerConnection) -> None:
    ada.sign_in_again()

    ada.post("/api/auth/signout")

    rows = owner.run(
        "select revoked_at is not null from refresh_tokens where user_id = cast(:id as uuid) order by created_at",
        id=ada.id,
    )
    assert rows == [[True], [False]]
