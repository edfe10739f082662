"""Rate limits as time passes: the sliding window, `Retry-After`, and the removal of expired rows."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.auth.guesses import LIMIT, client_at, guess, sign_in, sign_up, some_email
from tests.support.clock import Clock
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person


@pytest.mark.spec("NFR-005")
def test_every_window_answers_exactly_as_many_guesses_as_allowed(
    clock: Clock, timed_client: Callable[..., TestClient]
) -> None:
    limit, window = 4, 60
    client = timed_client(signin_failures_per_account_and_address=limit, signin_window_seconds=window)
    chance = random.Random(7)
    email, answered, expected, got = some_email(), list[datetime](), list[int](), list[int]()

    for _ in range(150):
        clock.advance(seconds=chance.choice([0, 0.5, 1, 5, 14.5, 15, 30, 59.999999, 60]))
        has_room = sum(moment > clock.now - timedelta(seconds=window) for moment in answered) < limit
        expected.append(401 if has_room else 429)
        got.append(sign_in(client, email).status_code)
        if has_room:
            answered.append(clock.now)

    assert got == expected
    assert {401, 429} == set(got)


def use_up_limit(act: Callable[[], httpx2.Response], clock: Clock, allowed: int) -> httpx2.Response:
    """Use up a limit, with time between the requests. Gives the refusal."""
    for _ in range(allowed):
        assert act().status_code != 429
        clock.advance(seconds=7.3)
    return act()


@pytest.mark.spec("NFR-005")
@pytest.mark.parametrize(
    "limit",
    [
        "signin_failures_per_account_and_address",
        "signin_failures_per_account",
        "signin_failures_per_address",
        "signups_per_address",
        "refreshes_per_sign_in",
    ],
)
def test_retry_after_is_right_to_the_second(clock: Clock, timed_client: Callable[..., TestClient], limit: str) -> None:
    person = Person.sign_up(timed_client())
    person.http = timed_client(**{limit: 3})
    acts: dict[str, Callable[[], httpx2.Response]] = {
        "signups_per_address": lambda: sign_up(person.http),
        "refreshes_per_sign_in": person.refresh,
    }
    act = acts.get(limit, lambda: sign_in(person.http, person.email))
    refused = use_up_limit(act, clock, allowed=3)
    assert refused.status_code == 429
    wait = int(refused.headers["Retry-After"])

    clock.advance(seconds=wait - 1)
    a_second_early = act()
    clock.advance(seconds=1)
    in_time = act()

    assert (a_second_early.status_code, a_second_early.headers["Retry-After"]) == (429, "1")
    assert in_time.status_code in (200, 201, 401)
    assert act().status_code == 429  # the other requests are still in the window


@pytest.mark.spec("NFR-005")
def test_a_right_password_signs_in_when_retry_after_is_over(
    clock: Clock, timed_client: Callable[..., TestClient]
) -> None:
    person = Person.sign_up(timed_client())
    refused = use_up_limit(lambda: sign_in(person.http, person.email), clock, allowed=LIMIT)

    clock.advance(seconds=int(refused.headers["Retry-After"]))

    assert person.sign_in_again().tasks() == []


@pytest.mark.spec("NFR-005")
def test_retry_after_waits_for_all_full_limits(clock: Clock, timed_client: Callable[..., TestClient]) -> None:
    client = timed_client(signin_failures_per_account_and_address=1, signin_failures_per_address=2)
    first, second = some_email(), some_email()
    sign_in(client, first)
    clock.advance(seconds=100)
    sign_in(client, second)

    waits = [int(sign_in(client, email).headers["Retry-After"]) for email in (first, second)]
    clock.advance(seconds=800)

    assert waits == [800, 900]
    assert sign_in(client, first).status_code == 401
    assert sign_in(client, second).status_code == 429


@pytest.mark.spec("NFR-005")
def test_a_lowered_limit_never_waits_longer_than_the_window(
    clock: Clock, timed_client: Callable[..., TestClient]
) -> None:
    client, email = timed_client(address="192.0.2.5"), some_email()
    for _ in range(6):
        sign_in(client, email)
        clock.advance(seconds=10)
    lowered = timed_client(address="192.0.2.5", signin_failures_per_account_and_address=2)

    wait = int(sign_in(lowered, email).headers["Retry-After"])
    clock.advance(seconds=wait)

    assert wait == 880
    assert sign_in(lowered, email).status_code == 401


@pytest.mark.spec("NFR-005")
def test_later_requests_remove_expired_rows_however_many_there_are(
    clock: Clock, fresh_database: DatabaseCopy, timed_client: Callable[..., TestClient]
) -> None:
    client = timed_client()
    with fresh_database.connect_as_owner() as owner:

        def rows() -> int:
            [[count]] = owner.run("select count(*) from rate_limits")
            return int(count)

        most = []
        for wave in range(4):
            for n in range(25):
                sign_in(client_at(f"192.0.{wave}.{n}", client), some_email())
            most.append(rows())
            clock.advance(seconds=901)
        for _ in range(8):
            sign_in(client_at("192.0.2.200", client), "ada@example.com")

        assert most == [75, 75, 75, 75]
        assert rows() == 3


@pytest.mark.spec("NFR-005")
def test_rows_that_have_not_expired_are_kept(clock: Clock, timed_client: Callable[..., TestClient]) -> None:
    client, email = timed_client(), some_email()
    guess(client, email, LIMIT)

    clock.advance(seconds=899)
    for n in range(20):
        sign_in(client_at(f"192.0.2.{n}", client), some_email())

    assert sign_in(client, email).status_code == 429
