"""Sign-up: an account, and its first sign-in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from tests.support.people import PASSWORD, Person


def sign_up_body(**details: object) -> dict[str, object]:
    """The body that the frontend's form sends."""
    return {"email": f"{uuid4().hex}@example.com", "password": PASSWORD, "name": "Ada"} | details


def refusal_of(client: TestClient, **details: object) -> dict[str, Any]:
    response = client.post("/api/auth/signup", json=sign_up_body(**details))
    assert response.status_code == 422
    body: dict[str, Any] = response.json()
    return body


@pytest.mark.spec("FR-001", "FR-040", "FR-041", "US1-1", "SC-001", "NFR-026")
def test_gives_the_account_and_both_tokens(client: TestClient) -> None:
    asked = sign_up_body(email="Ada.Lovelace@Example.com", name=" Ada Lovelace ")

    response = client.post("/api/auth/signup", json=asked)

    answer = response.json()
    assert response.status_code == 201
    assert set(answer) == {"user", "access_token", "refresh_token", "token_type", "expires_in"}
    assert set(answer["user"]) == {"id", "email", "name", "created_at"}
    assert answer["user"]["email"] == "ada.lovelace@example.com"
    assert answer["user"]["name"] == "Ada Lovelace"
    assert answer["token_type"] == "bearer"
    assert answer["expires_in"] == 900
    assert answer["access_token"] != answer["refresh_token"]


@pytest.mark.spec("FR-040", "NFR-026")
def test_the_id_is_a_uuid_v7_and_the_time_is_utc_with_microseconds(ada: Person) -> None:
    written = ada.auth["user"]["created_at"]

    created = datetime.fromisoformat(written)
    assert UUID(ada.id).version == 7
    assert created.strftime("%Y-%m-%dT%H:%M:%S.%fZ") == written
    assert abs(created - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.spec("US1-1", "US1-3")
def test_the_new_account_is_signed_in(ada: Person) -> None:
    assert ada.get("/api/tasks").status_code == 200


@pytest.mark.spec("FR-004", "NFR-001", "SC-016")
@pytest.mark.real_passwords
def test_stores_an_argon2id_hash_in_place_of_the_password(ada: Person, owner: OwnerConnection) -> None:
    [[stored]] = owner.run("select password_hash from users where id = :id", id=ada.id)

    assert stored.startswith("$argon2id$v=19$m=19456,t=12,p=1$")
    assert PASSWORD not in stored


@pytest.mark.spec("FR-005", "FR-032", "US3-3")
@pytest.mark.parametrize("rewrite", [str.upper, str.title, "  {}\t".format], ids=["capitals", "title case", "spaces"])
def test_refuses_an_e_mail_that_is_taken_however_it_is_written(
    client: TestClient, ada: Person, rewrite: Callable[[str], str]
) -> None:
    response = client.post("/api/auth/signup", json=sign_up_body(email=rewrite(ada.email)))

    assert response.status_code == 409
    assert response.json() == {"detail": "There is an account with this e-mail already. Please sign in."}


@pytest.mark.spec("FR-005", "US3-3")
def test_a_refused_sign_up_changes_nothing_about_the_account(client: TestClient, ada: Person) -> None:
    client.post("/api/auth/signup", json=sign_up_body(email=ada.email, password="another password", name="Eve"))

    assert ada.sign_in_again().auth["user"] == ada.auth["user"]


@pytest.mark.spec("FR-001")
@pytest.mark.parametrize(
    ("local_part", "name"), [("grace.hopper+todo", "grace.hopper+todo"), ("a" * 130, "a" * 100)], ids=["short", "long"]
)
def test_the_default_name_is_the_first_part_of_the_e_mail(client: TestClient, local_part: str, name: str) -> None:
    body = {"email": f"{local_part}@{uuid4().hex}.example", "password": PASSWORD}

    response = client.post("/api/auth/signup", json=body)

    assert response.status_code == 201
    assert response.json()["user"]["name"] == name


@pytest.mark.spec("FR-001")
@pytest.mark.parametrize(
    "name", ["x", "n" * 100, f"  {'n' * 100}  ", "李 小龍", "👩‍👩‍👧‍👦", "<script>alert(1)</script>", "O'Brien; --"]
)
def test_accepts_any_name_of_1_to_100_characters(sign_up: Callable[..., Person], name: str) -> None:
    assert sign_up(name=name).auth["user"]["name"] == name.strip()


@pytest.mark.spec("FR-029", "FR-036", "SC-005")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "must be text"),
        (7, "must be text"),
        ("", "must not be empty"),
        (" \t\n\u3000", "must not be empty"),
        ("n" * 101, "must be at most 100 characters"),
        ("Ada\tByron", "must be one line of text; please remove the tab"),
        ("\u200b\u3164", "must have a visible character; please write a word or a symbol"),
    ],
    ids=["null", "number", "empty", "blank", "too long", "tab", "invisible"],
)
def test_refuses_invalid_names(client: TestClient, name: object, message: str) -> None:
    refusal = refusal_of(client, name=name)

    assert refusal == {"detail": f"name: {message}", "errors": [{"field": "name", "message": message}]}


@pytest.mark.spec("FR-002")
@pytest.mark.parametrize(
    "email",
    [
        "{}@example.com",
        "{}+tag@sub.example.co.uk",
        "{}.!#$%&'*+/=?^_`|~-@example.org",
        "..{}..@example.com",
        "{}@1.example",
        "{}@" + "a" * 63 + ".example",
        " \n{}@EXAMPLE.com\u3000",
    ],
)
def test_accepts_every_e_mail_that_a_browser_accepts(client: TestClient, email: str) -> None:
    address = email.format(uuid4().hex)

    response = client.post("/api/auth/signup", json=sign_up_body(email=address))

    assert response.status_code == 201
    assert response.json()["user"]["email"] == address.strip().lower()


@pytest.mark.spec("FR-002", "FR-029", "US3-1", "SC-005")
@pytest.mark.parametrize(
    "email",
    [
        "",
        " ",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@localhost",
        "ada@@example.com",
        "ada@exa mple.com",
        "ada lovelace@example.com",
        "ada@example..com",
        "ada@.example.com",
        "ada@example.com.",
        "ada@-example.com",
        "ada@example-.com",
        "ada@exam_ple.com",
        "ada@" + "a" * 64 + ".com",
        "ada\0@example.com",
        "ada@example.com\0",
        "adä@example.com",
        "ada@exämple.com",
        "\u212aate@example.com",  # the Kelvin sign, whose lower case is an ordinary k
        "a@b.example, b@b.example",
        "Ada <ada@example.com>",
    ],
)
def test_refuses_what_is_not_an_e_mail(client: TestClient, email: str) -> None:
    message = "must be an e-mail address, such as ada@example.com"

    refusal = refusal_of(client, email=email)

    assert refusal == {"detail": f"email: {message}", "errors": [{"field": "email", "message": message}]}


@pytest.mark.spec("FR-002")
def test_an_e_mail_has_at_most_254_characters(client: TestClient) -> None:
    domain = f"@{uuid4().hex}.example"
    longest = "a" * (254 - len(domain)) + domain

    accepted = client.post("/api/auth/signup", json=sign_up_body(email=f" {longest} "))
    refused = client.post("/api/auth/signup", json=sign_up_body(email=f"a{longest}"))

    assert accepted.status_code == 201
    assert refused.status_code == 422
    assert refused.json()["detail"] == "email: must be at most 254 characters"


@pytest.mark.spec("FR-003", "FR-029", "US3-2", "SC-005")
@pytest.mark.parametrize("password", ["", "short", "1234567", "🔑" * 7])
def test_refuses_a_password_of_less_than_8_characters(client: TestClient, password: str) -> None:
    message = "must be at least 8 characters"

    refusal = refusal_of(client, password=password)

    assert refusal == {"detail": f"password: {message}", "errors": [{"field": "password", "message": message}]}


@pytest.mark.spec("FR-003", "FR-029")
@pytest.mark.parametrize(
    ("password", "message"),
    [("p" * 1025, "must be at most 1024 characters"), (None, "must be text"), (12345678, "must be text")],
    ids=["too long", "null", "number"],
)
def test_refuses_passwords_that_are_too_long_or_not_text(client: TestClient, password: object, message: str) -> None:
    assert refusal_of(client, password=password)["detail"] == f"password: {message}"


@pytest.mark.spec("FR-003", "EDGE-special-characters-in-task-data")
@pytest.mark.parametrize("password", ["12345678", "        ", "🔑" * 8, "p" * 1024, " pass\0word "])
def test_a_password_is_used_exactly_as_it_was_sent(sign_up: Callable[..., Person], password: str) -> None:
    person = sign_up(password=password)

    assert person.sign_in_again().id == person.id


@pytest.mark.spec("FR-029", "FR-036", "SC-005")
def test_names_everything_that_is_wrong_in_one_answer(client: TestClient) -> None:
    response = client.post("/api/auth/signup", json={"password": "short", "name": ""})

    assert response.status_code == 422
    assert response.json() == {
        "detail": "email: is required; password: must be at least 8 characters; name: must not be empty",
        "errors": [
            {"field": "email", "message": "is required"},
            {"field": "password", "message": "must be at least 8 characters"},
            {"field": "name", "message": "must not be empty"},
        ],
    }


@pytest.mark.spec("FR-036", "NFR-004")
def test_ignores_members_that_a_client_may_not_choose(client: TestClient) -> None:
    chosen = str(uuid4())

    response = client.post("/api/auth/signup", json=sign_up_body(id=chosen, created_at="2000-01-01T00:00:00Z"))

    assert response.status_code == 201
    assert response.json()["user"]["id"] != chosen
    assert not response.json()["user"]["created_at"].startswith("2000")


@pytest.mark.spec("NFR-007", "SC-018")
def test_no_answer_repeats_a_password(client: TestClient) -> None:
    secret = "hunter2" * 200

    refused = client.post("/api/auth/signup", json=sign_up_body(password=secret))
    accepted = client.post("/api/auth/signup", json=sign_up_body(password=secret[:100]))

    assert "hunter2" not in refused.text
    assert "hunter2" not in accepted.text
