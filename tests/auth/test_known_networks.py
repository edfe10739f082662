"""Strangers cannot close an account: the networks from which it has signed in keep a limit of their own."""

from collections.abc import Callable

import pytest
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from tests.auth.guesses import LIMIT, client_at, guess, hits, sign_in
from tests.conftest import MakeClient
from tests.support.clock import Clock
from tests.support.people import PASSWORD, Person

ACCOUNT_LIMIT = 12
HOME, OFFICE = "198.51.100.1", "198.51.100.2"


@pytest.fixture
def ada(make_client: MakeClient) -> Person:
    """Ada, who has signed up at home."""
    return Person.sign_up(make_client(signin_failures_per_account=ACCOUNT_LIMIT))


def close_to_strangers(person: Person) -> None:
    """Use up the limit of the account from strangers' addresses."""
    for number in range(ACCOUNT_LIMIT):
        assert guess(client_at(f"203.0.113.{number}", person.http), person.email, 1) == [401]
    assert sign_in(client_at("203.0.113.200", person.http), person.email, PASSWORD).status_code == 429


@pytest.mark.spec("NFR-005", "SC-001")
def test_the_network_of_the_sign_up_can_sign_in_whatever_strangers_do(ada: Person) -> None:
    close_to_strangers(ada)

    assert sign_in(ada.http, ada.email, PASSWORD).status_code == 200


@pytest.mark.spec("NFR-005", "SC-001")
def test_a_network_is_known_after_the_first_sign_in_from_there(ada: Person) -> None:
    office, other = (client_at(address, ada.http) for address in (OFFICE, "198.51.100.3"))
    assert sign_in(office, ada.email, PASSWORD).status_code == 200
    close_to_strangers(ada)

    assert sign_in(office, ada.email, PASSWORD).status_code == 200
    assert sign_in(other, ada.email, PASSWORD).status_code == 429


@pytest.mark.spec("NFR-005")
def test_a_known_network_keeps_its_own_limit(ada: Person) -> None:
    close_to_strangers(ada)

    assert guess(ada.http, ada.email, LIMIT + 2) == [401] * LIMIT + [429] * 2
    assert sign_in(ada.http, ada.email, PASSWORD).status_code == 429


@pytest.mark.spec("NFR-005")
def test_guesses_from_a_known_network_do_not_count_for_the_account(
    make_client: MakeClient, owner: OwnerConnection
) -> None:
    ada = Person.sign_up(make_client(address="198.51.100.5"))

    guess(ada.http, ada.email, 3)

    assert hits(owner, ada.email, "198.51.100.5") == [3, 0, 3]


@pytest.mark.spec("NFR-005")
def test_a_wrong_password_makes_no_network_known(ada: Person) -> None:
    office = client_at(OFFICE, ada.http)
    guess(office, ada.email, 1)
    for number in range(ACCOUNT_LIMIT - 1):
        guess(client_at(f"203.0.113.{number}", ada.http), ada.email, 1)

    assert sign_in(office, ada.email, PASSWORD).status_code == 429


@pytest.mark.spec("NFR-005")
def test_a_network_is_known_to_the_account_that_signed_in_only(ada: Person) -> None:
    ben = Person.sign_up(client_at("198.51.100.9", ada.http))
    close_to_strangers(ben)

    assert sign_in(ada.http, ben.email, PASSWORD).status_code == 429
    assert sign_in(ben.http, ben.email, PASSWORD).status_code == 200


@pytest.mark.spec("NFR-005")
def test_a_network_is_known_for_thirty_days_after_the_last_sign_in(
    clock: Clock, timed_client: Callable[..., TestClient]
) -> None:
    ada = Person.sign_up(timed_client(address=HOME, signin_failures_per_account=ACCOUNT_LIMIT))
    clock.advance(days=20)
    ada.sign_in_again()

    clock.advance(days=29, hours=23)
    close_to_strangers(ada)
    assert guess(ada.http, ada.email, 1) == [401]
    clock.advance(hours=1)
    close_to_strangers(ada)

    assert guess(ada.http, ada.email, 1) == [429]


@pytest.mark.spec("NFR-005")
def test_a_known_network_is_written_at_most_once_a_day(
    clock: Clock, timed_client: Callable[..., TestClient], owner_of_clock: OwnerConnection
) -> None:
    ada = Person.sign_up(timed_client(address=HOME))
    versions = []
    for hours in (0, 23, 2):
        clock.advance(hours=hours)
        ada.sign_in_again()
        versions.append(owner_of_clock.run("select xmin, expires_at from rate_limits where hits = '{}'"))

    assert versions[0] == versions[1]
    assert versions[1] != versions[2]


@pytest.mark.spec("NFR-005", "NFR-007")
def test_expired_known_networks_are_removed(
    clock: Clock, timed_client: Callable[..., TestClient], owner_of_clock: OwnerConnection
) -> None:
    ada = Person.sign_up(timed_client(address=HOME))
    clock.advance(days=30, seconds=1)

    sign_in(client_at("203.0.113.1", ada.http), ada.email)

    assert owner_of_clock.run("select count(*) from rate_limits where hits = '{}'") == [[0]]
