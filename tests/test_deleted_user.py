"""Deleting an account removes everything that belongs to it, and ends its sign-ins."""

import pytest
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from tests.support.people import PASSWORD, Person


def rows_of(owner: OwnerConnection, person: Person) -> list[list[int]]:
    counts: list[list[int]] = owner.run(
        "select (select count(*) from users where id = :id), (select count(*) from tasks where user_id = :id), "
        "(select count(*) from refresh_tokens where user_id = :id)",
        id=person.id,
    )
    return counts


@pytest.mark.spec("EDGE-deleted-users-tasks", "SC-010")
def test_deleting_an_account_deletes_its_own_tasks_and_sign_ins_only(
    ada: Person, ben: Person, owner: OwnerConnection
) -> None:
    for person in (ada, ben):
        person.create_task()
        person.sign_in_again().create_task()
    before = rows_of(owner, ada)

    owner.run("delete from users where id = :id", id=ada.id)

    assert before == [[1, 2, 2]]
    assert rows_of(owner, ada) == [[0, 0, 0]]
    assert rows_of(owner, ben) == [[1, 2, 2]]
    assert len(ben.tasks()) == 2


@pytest.mark.spec("EDGE-deleted-users-tasks", "FR-030", "SC-002")
def test_every_request_of_a_deleted_user_is_401(client: TestClient, ada: Person, owner: OwnerConnection) -> None:
    owner.run("delete from users where id = :id", id=ada.id)

    answers = [
        ada.get("/api/tasks"),
        ada.post("/api/tasks", json={"title": "Buy milk"}),
        ada.refresh(),
        ada.post("/api/auth/signout"),
        client.post("/api/auth/signin", json={"email": ada.email, "password": PASSWORD}),
    ]

    assert [answer.status_code for answer in answers] == [401] * 5


@pytest.mark.spec("EDGE-deleted-users-tasks", "FR-005", "SC-003")
def test_the_e_mail_is_free_again_for_an_account_that_starts_empty(ada: Person, owner: OwnerConnection) -> None:
    ada.create_task()
    owner.run("delete from users where id = :id", id=ada.id)

    again = ada.http.post("/api/auth/signup", json={"email": ada.email, "password": PASSWORD})

    assert again.status_code == 201
    assert Person(ada.http, PASSWORD, again.json()).tasks() == []
    assert ada.get("/api/tasks").status_code == 401
