"""Rate limits: which limits exist, and which requests they count."""

import pytest
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from backend.auth import passwords
from tests.auth.guesses import LIMIT, WRONG_PASSWORD, client_at, guess, hits, sign_in, sign_up, some_email
from tests.conftest import MakeClient, MakeSettings
from tests.support.database_copy import DatabaseCopy
from tests.support.people import PASSWORD, Person


@pytest.mark.spec("NFR-005")
def test_the_limits_have_their_documented_defaults(make_settings: MakeSettings) -> None:
    settings = make_settings()

    assert settings.signin_failures_per_account_and_address == 10
    assert settings.signin_failures_per_account == 100
    assert settings.signin_failures_per_address == 300
    assert settings.signin_window_seconds == 15 * 60
    assert settings.signups_per_address == 200
    assert settings.signup_window_seconds == 10 * 60
    assert settings.refreshes_per_sign_in == 60
    assert settings.refresh_window_seconds == 15 * 60
    assert settings.sign_ins_per_account == 50


@pytest.mark.spec("NFR-005", "US3-4")
def test_the_eleventh_guess_is_429_whether_it_is_right_or_wrong(ada: Person) -> None:
    assert guess(ada.http, ada.email, LIMIT) == [401] * LIMIT

    for password in (WRONG_PASSWORD, PASSWORD):
        refused = sign_in(ada.http, ada.email, password)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) in range(840, 901)
    assert ada.tasks() == []  # an existing sign-in still works


@pytest.mark.spec("NFR-005")
def test_guesses_from_one_address_do_not_lock_out_another_address(ada: Person) -> None:
    attacker = client_at("192.0.2.66", ada.http)
    guess(attacker, ada.email, LIMIT + 5)

    assert ada.sign_in_again().tasks() == []


@pytest.mark.spec("NFR-005")
def test_an_account_has_a_limit_over_all_addresses(make_client: MakeClient) -> None:
    person = Person.sign_up(make_client(signin_failures_per_account=5))

    answers = [sign_in(client_at(f"192.0.2.{n}", person.http), person.email).status_code for n in range(7)]

    assert answers == [401] * 5 + [429] * 2
    assert sign_in(client_at("192.0.2.99", person.http), person.email, PASSWORD).status_code == 429


@pytest.mark.spec("NFR-005")
def test_an_address_has_a_limit_over_all_accounts(make_client: MakeClient) -> None:
    person = Person.sign_up(make_client(signin_failures_per_address=5))

    answers = [sign_in(person.http, some_email()).status_code for _ in range(7)]

    assert answers == [401] * 5 + [429] * 2
    assert sign_in(person.http, person.email, PASSWORD).status_code == 429
    assert sign_in(client_at("192.0.2.77", person.http), person.email, PASSWORD).status_code == 200


@pytest.mark.spec("NFR-005", "US3-4")
def test_unknown_emails_count_like_known_ones(client: TestClient) -> None:
    assert guess(client, some_email(), LIMIT + 2) == [401] * LIMIT + [429] * 2


@pytest.mark.spec("NFR-005")
def test_differently_written_emails_count_as_one_account(ada: Person) -> None:
    written = [ada.email, ada.email.upper(), f"  {ada.email}\t", ada.email.title()]

    answers = [sign_in(ada.http, email).status_code for email in written * 3]

    assert answers == [401] * LIMIT + [429] * 2


@pytest.mark.spec("NFR-005")
def test_right_passwords_are_not_charged_and_reset_nothing(ada: Person) -> None:
    for _ in range(LIMIT + 5):
        ada.sign_in_again()
    guess(ada.http, ada.email, LIMIT - 1)
    ada.sign_in_again()

    assert guess(ada.http, ada.email, 2) == [401, 429]


@pytest.mark.spec("NFR-005", "EDGE-duplicate-email-registration")
def test_sign_ups_for_a_taken_email_count_too(make_client: MakeClient) -> None:
    person = Person.sign_up(make_client(signups_per_address=3))
    body = {"email": person.email, "password": PASSWORD, "name": "Eve"}

    answers = [person.http.post("/api/auth/signup", json=body).status_code for _ in range(3)]

    assert answers == [409, 409, 429]


@pytest.mark.spec("NFR-005", "FR-011")
def test_refreshes_have_a_limit_for_each_sign_in(make_client: MakeClient) -> None:
    laptop = Person.sign_up(make_client(refreshes_per_sign_in=3))
    phone = laptop.sign_in_again()

    assert [laptop.refresh().status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert laptop.tasks() == []
    assert phone.refresh().status_code == 200


@pytest.mark.spec("NFR-005", "FR-011")
def test_refreshes_have_a_window_of_their_own(make_client: MakeClient) -> None:
    laptop = Person.sign_up(
        make_client(refreshes_per_sign_in=1, refresh_window_seconds=7_200, signin_window_seconds=60)
    )
    laptop.refresh()

    refused = laptop.refresh()

    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) in range(7_000, 7_201)


@pytest.mark.spec("NFR-005", "FR-011", "SC-008", "NFR-023")
def test_repeated_refreshes_with_one_token_are_charged_once(make_client: MakeClient) -> None:
    ada = Person.sign_up(make_client(refreshes_per_sign_in=2))

    for _ in range(2):
        expired = dict(ada.auth)
        answers = [Person(ada.http, ada.password, dict(expired)).refresh() for _ in range(10)]
        assert {answer.status_code for answer in answers} == {200}
        ada.auth = answers[0].json()

    assert ada.refresh().status_code == 429


@pytest.mark.spec("NFR-005", "NFR-017")
def test_a_wrong_password_is_charged_and_a_refusal_is_not(make_client: MakeClient, owner: OwnerConnection) -> None:
    client = make_client(address="192.0.2.210")
    email = some_email()
    charged = []
    for _ in range(LIMIT + 3):
        sign_in(client, email)
        charged.append(hits(owner, email, "192.0.2.210"))

    assert charged == [[n] * 3 for n in range(1, LIMIT + 1)] + [[LIMIT] * 3] * 3


@pytest.mark.spec("NFR-005")
def test_a_refusal_by_one_limit_charges_no_other_limit(make_client: MakeClient, owner: OwnerConnection) -> None:
    client = make_client(address="192.0.2.12", signin_failures_per_address=2)
    guess(client, some_email(), 2)
    email = some_email()

    assert guess(client, email, 3) == [429] * 3

    assert hits(owner, email, "192.0.2.12") == [0, 0, 2]


@pytest.mark.spec("NFR-005")
def test_a_full_window_refuses_without_hashing(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    guess(ada.http, ada.email, LIMIT)

    def fail_if_called(*_: object) -> bool:
        raise AssertionError("hashed")

    monkeypatch.setattr(passwords, "verify_password", fail_if_called)

    assert sign_in(ada.http, ada.email, PASSWORD).status_code == 429


@pytest.mark.spec("NFR-005", "NFR-014", "EDGE-database-connection-failure")
def test_without_the_table_of_limits_sign_ins_are_503_until_it_is_back(
    fresh_database: DatabaseCopy, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person.sign_up(make_client(database_url=fresh_database.url))
    with fresh_database.connect_as_owner() as owner:
        owner.run("alter table rate_limits rename to rate_limits_gone")
        answers = [
            sign_in(person.http, person.email, PASSWORD),
            sign_in(person.http, person.email, WRONG_PASSWORD),
            sign_in(person.http, some_email()),
            sign_up(person.http),
        ]
        still_listed = person.tasks()
        owner.run("alter table rate_limits_gone rename to rate_limits")

    assert [answer.status_code for answer in answers] == [503] * 4
    assert len({answer.text for answer in answers}) == 1
    assert still_listed == []
    assert person.refresh().status_code == 200
    assert person.sign_in_again().tasks() == []
