"""Signing out: it takes effect at once, for both tokens, and for this sign-in only."""

from collections import Counter

import pytest
from pg8000.native import Connection as OwnerConnection

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
def test_signing_out_needs_no_body_and_ignores_any(ada: Person) -> None:
    phone = ada.sign_in_again()

    assert ada.post("/api/auth/signout", json={}).status_code == 200
    assert phone.post("/api/auth/signout", content=b"not JSON").status_code == 200


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
