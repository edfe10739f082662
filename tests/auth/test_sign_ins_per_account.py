"""How many sign-ins an account has at most: one more ends the one that was refreshed longest ago."""

from collections.abc import Callable

import pytest
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from tests.conftest import MakeClient
from tests.support.clock import Clock
from tests.support.concurrency import at_once
from tests.support.people import Person

MOST = 3


def rows(owner: OwnerConnection, person: Person) -> int:
    [[count]] = owner.run("select count(*) from refresh_tokens where user_id = cast(:id as uuid)", id=person.id)
    return int(count)


def is_signed_in(person: Person) -> bool:
    return person.get("/api/tasks").status_code == 200


@pytest.mark.spec("FR-006", "FR-012")
def test_one_more_sign_in_ends_the_one_refreshed_longest_ago(
    clock: Clock, timed_client: Callable[..., TestClient]
) -> None:
    first = Person.sign_up(timed_client(sign_ins_per_account=MOST))
    clock.advance(seconds=1)
    second = first.sign_in_again()
    clock.advance(seconds=1)
    third = first.sign_in_again()
    clock.advance(seconds=1)
    assert first.refresh().status_code == 200

    fourth = first.sign_in_again()

    assert [is_signed_in(device) for device in (first, second, third, fourth)] == [True, False, True, True]
    assert second.refresh().status_code == 401


@pytest.mark.spec("FR-006")
def test_an_ended_sign_in_makes_room_for_another(make_client: MakeClient, owner: OwnerConnection) -> None:
    devices = [Person.sign_up(make_client(sign_ins_per_account=MOST))]
    devices += [devices[0].sign_in_again() for _ in range(MOST - 1)]
    devices[2].post("/api/auth/signout")

    devices.append(devices[0].sign_in_again())

    assert [is_signed_in(device) for device in devices] == [True, True, False, True]
    assert rows(owner, devices[0]) == MOST


@pytest.mark.spec("FR-006")
def test_signing_in_for_ever_leaves_a_fixed_number_of_rows(make_client: MakeClient, owner: OwnerConnection) -> None:
    person = Person.sign_up(make_client(sign_ins_per_account=MOST))
    for _ in range(10):
        person.sign_in_again().post("/api/auth/signout")
        person.sign_in_again()

    assert rows(owner, person) == MOST


@pytest.mark.spec("FR-006")
def test_the_sign_ins_of_other_accounts_stay(make_client: MakeClient) -> None:
    ada, ben = (Person.sign_up(make_client(sign_ins_per_account=1)) for _ in range(2))

    ada.sign_in_again()

    assert not is_signed_in(ada)
    assert is_signed_in(ben)


@pytest.mark.spec("FR-006", "SC-006")
def test_the_sign_in_after_simultaneous_ones_ends_the_surplus(make_client: MakeClient, owner: OwnerConnection) -> None:
    person = Person.sign_up(make_client(sign_ins_per_account=MOST, database_pool_size=10))

    at_once(lambda _: person.sign_in_again(), 30)  # fails if one of them gets an error
    last = person.sign_in_again()

    assert rows(owner, person) == MOST
    assert is_signed_in(last)


@pytest.mark.spec("FR-006", "FR-011", "SC-006")
def test_refreshes_during_sign_ins_end_no_sign_in_that_is_in_use(make_client: MakeClient) -> None:
    person = Person.sign_up(make_client(sign_ins_per_account=12, database_pool_size=10))

    def act(number: int) -> int:
        return person.refresh().status_code if number % 3 else person.sign_in_again().refresh().status_code

    assert set(at_once(act, 15)) == {200}
