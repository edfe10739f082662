"""Rotation of refresh tokens: each token has one successor, and its reuse after the leeway ends the sign-in."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from backend.auth import statements
from backend.auth.tokens import Kind, Tokens
from tests.conftest import SECRET, MakeClient
from tests.support.clock import Clock
from tests.support.concurrency import at_once
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person

SIMULTANEOUS_REFRESHES = 50
LEEWAY_SECONDS = 30
OTHER_SECRET = "quite another secret, long enough to be one as well"


def refresh(http: httpx2.Client, refresh_token: str) -> httpx2.Response:
    return http.post("/api/auth/refresh", json={"refresh_token": refresh_token})


def sign_in_id(person: Person) -> str:
    return str(Tokens(SECRET).verify(person.auth["refresh_token"], Kind.REFRESH).sid)


def is_signed_in(person: Person) -> bool:
    """Whether the person's access token works."""
    status = person.get("/api/tasks").status_code
    assert status in (200, 401)
    return status == 200


@pytest.fixture
def timed_ada(timed_client: Callable[..., TestClient]) -> Person:
    """Ada, at an application that uses `clock`."""
    return Person.sign_up(timed_client(), name="Ada")


@pytest.mark.spec("FR-011", "FR-041", "US1-5", "EDGE-refresh-token-reuse")
def test_a_refresh_answers_like_a_sign_in_with_two_new_tokens(ada: Person) -> None:
    before = ada.auth

    response = ada.refresh()

    assert response.status_code == 200
    assert response.json().keys() == before.keys()
    assert response.json()["user"] == before["user"]
    assert ada.auth["refresh_token"] != before["refresh_token"]
    assert ada.auth["access_token"] != before["access_token"]
    assert is_signed_in(ada)


@pytest.mark.spec("FR-011")
def test_a_refresh_needs_no_access_token_and_leaves_the_old_one_working(ada: Person) -> None:
    old = Person(ada.http, ada.password, dict(ada.auth))

    ada.refresh()

    assert is_signed_in(old)


@pytest.mark.spec("FR-010", "US1-5")
def test_each_rotation_starts_a_new_period_of_seven_days(clock: Clock, timed_ada: Person) -> None:
    clock.advance(days=6, hours=23)
    assert timed_ada.refresh().status_code == 200
    clock.advance(days=6, hours=23)
    assert timed_ada.refresh().status_code == 200

    clock.advance(days=7)

    assert timed_ada.refresh().status_code == 401


@pytest.mark.spec("FR-009", "FR-013", "EDGE-token-expiration-during-request")
def test_an_access_token_expires_after_exactly_fifteen_minutes(clock: Clock, timed_ada: Person) -> None:
    clock.advance(minutes=14, seconds=59)
    assert is_signed_in(timed_ada)

    clock.advance(seconds=1)

    assert not is_signed_in(timed_ada)
    assert timed_ada.refresh().status_code == 200
    assert is_signed_in(timed_ada)


@pytest.mark.spec("EDGE-refresh-token-reuse")
@pytest.mark.parametrize("seconds", [0, 1, LEEWAY_SECONDS - 1])
def test_within_the_leeway_the_old_token_gives_the_identical_successor(
    clock: Clock, timed_ada: Person, seconds: int
) -> None:
    old = timed_ada.auth["refresh_token"]
    timed_ada.refresh()

    clock.advance(seconds=seconds)
    again = refresh(timed_ada.http, old)

    assert again.status_code == 200
    assert again.json()["refresh_token"] == timed_ada.auth["refresh_token"]
    assert timed_ada.refresh().status_code == 200  # the successor, given twice, is still unused


@pytest.mark.spec("EDGE-refresh-token-reuse", "FR-011")
def test_reuse_after_the_leeway_ends_this_sign_in_and_no_other(clock: Clock, timed_ada: Person) -> None:
    other_device = timed_ada.sign_in_again()
    old = timed_ada.auth["refresh_token"]
    timed_ada.refresh()

    clock.advance(seconds=LEEWAY_SECONDS)
    reused = refresh(timed_ada.http, old)

    assert reused.status_code == 401
    assert reused.headers["WWW-Authenticate"] == "Bearer"
    assert not is_signed_in(timed_ada)
    assert timed_ada.refresh().status_code == 401
    assert refresh(timed_ada.http, old).status_code == 401
    assert is_signed_in(other_device)
    assert other_device.refresh().status_code == 200


@pytest.mark.spec("EDGE-refresh-token-reuse")
def test_the_token_before_the_previous_is_reuse_even_within_the_leeway(ada: Person) -> None:
    oldest = ada.auth["refresh_token"]
    ada.refresh()
    ada.refresh()

    assert refresh(ada.http, oldest).status_code == 401
    assert not is_signed_in(ada)


@pytest.mark.spec("EDGE-refresh-token-reuse")
def test_reuse_revokes_the_sign_in_although_the_answer_is_an_error(ada: Person, owner: OwnerConnection) -> None:
    oldest = ada.auth["refresh_token"]
    ada.refresh()
    ada.refresh()

    refresh(ada.http, oldest)

    [[is_revoked]] = owner.run(
        "select revoked_at is not null from refresh_tokens where id = cast(:id as uuid)", id=sign_in_id(ada)
    )
    assert is_revoked


@pytest.mark.spec("EDGE-refresh-token-reuse", "NFR-015")
def test_reuse_is_logged_with_user_and_sign_in_and_without_tokens(
    ada: Person, logged: Callable[[], list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = [ada.auth["refresh_token"]]
    for _ in range(2):
        ada.refresh()
        tokens += [ada.auth["refresh_token"], ada.auth["access_token"]]
    capsys.readouterr()

    refresh(ada.http, tokens[0])

    [warning] = [line for line in logged() if line["level"] == "WARNING"]
    assert (warning["user_id"], warning["sign_in_id"]) == (ada.id, sign_in_id(ada))
    metrics = capsys.readouterr().out
    assert '"RefreshTokenReuse":[1.0]' in metrics.replace(" ", "")
    assert not any(part in f"{logged()}{metrics}" for token in tokens for part in token.split("."))


@pytest.mark.spec("EDGE-refresh-token-reuse")
def test_without_leeway_the_second_use_is_reuse(make_client: MakeClient) -> None:
    person = Person.sign_up(make_client(refresh_reuse_leeway_seconds=0))
    old = person.auth["refresh_token"]
    assert person.refresh().status_code == 200

    assert refresh(person.http, old).status_code == 401
    assert not is_signed_in(person)


@pytest.mark.spec("EDGE-refresh-token-reuse", "SC-006")
def test_simultaneous_refreshes_with_one_token_get_the_same_successor(make_client: MakeClient) -> None:
    person = Person.sign_up(make_client(database_pool_size=20))
    old = person.auth["refresh_token"]

    responses = at_once(lambda _: refresh(person.http, old), SIMULTANEOUS_REFRESHES)

    assert Counter(response.status_code for response in responses) == {200: SIMULTANEOUS_REFRESHES}
    assert len({response.json()["refresh_token"] for response in responses}) == 1
    person.auth = responses[0].json()
    assert is_signed_in(person)
    assert person.refresh().status_code == 200


@pytest.mark.spec("EDGE-refresh-token-reuse")
def test_without_leeway_exactly_one_of_simultaneous_refreshes_succeeds(make_client: MakeClient) -> None:
    person = Person.sign_up(make_client(database_pool_size=20, refresh_reuse_leeway_seconds=0))
    old = person.auth["refresh_token"]

    responses = at_once(lambda _: refresh(person.http, old), SIMULTANEOUS_REFRESHES)

    assert Counter(response.status_code for response in responses) == {200: 1, 401: SIMULTANEOUS_REFRESHES - 1}
    [person.auth] = [response.json() for response in responses if response.status_code == 200]
    assert not is_signed_in(person)
    assert person.refresh().status_code == 401


@pytest.mark.spec("EDGE-refresh-token-reuse", "NFR-005")
def test_reuse_is_detected_even_when_the_refresh_limit_is_used_up(make_client: MakeClient) -> None:
    owner_of_token = Person.sign_up(make_client(refreshes_per_sign_in=3))
    thief = Person(owner_of_token.http, "", dict(owner_of_token.auth))
    while thief.refresh().status_code == 200:
        pass
    assert thief.refresh().status_code == 429
    assert is_signed_in(thief)

    assert owner_of_token.refresh().status_code == 401

    assert not is_signed_in(thief)


@pytest.mark.spec("EDGE-refresh-token-reuse", "NFR-005")
def test_a_refresh_refused_by_the_limit_does_not_spend_the_token(
    make_client: MakeClient, owner: OwnerConnection
) -> None:
    person = Person.sign_up(make_client(refreshes_per_sign_in=1, refresh_reuse_leeway_seconds=0))
    assert person.refresh().status_code == 200
    assert person.refresh().status_code == 429

    owner.run("update refresh_tokens set rotations = '{}' where user_id = :id", id=person.id)

    assert person.refresh().status_code == 200


@pytest.mark.spec("FR-012", "EDGE-refresh-token-reuse")
def test_a_sign_out_during_simultaneous_refreshes_wins(make_client: MakeClient) -> None:
    person = Person.sign_up(make_client(database_pool_size=20))

    def act(number: int) -> httpx2.Response:
        if number == 5:
            return person.post("/api/auth/signout")
        return refresh(person.http, person.auth["refresh_token"])

    responses = at_once(act, 11)

    assert responses[5].status_code == 200
    assert {response.status_code for response in responses} <= {200, 401}
    successors: list[dict[str, Any]] = [
        response.json() for response in responses if response.status_code == 200 and response is not responses[5]
    ]
    for auth in [person.auth, *successors]:
        assert not is_signed_in(Person(person.http, person.password, auth))
        assert refresh(person.http, auth["refresh_token"]).status_code == 401


@pytest.mark.spec("FR-010", "FR-013")
def test_an_expired_row_ends_its_sign_in_whatever_the_tokens_say(ada: Person, owner: OwnerConnection) -> None:
    owner.run("update refresh_tokens set expires_at = now() where id = cast(:id as uuid)", id=sign_in_id(ada))

    assert not is_signed_in(ada)
    assert ada.refresh().status_code == 401
    assert ada.post("/api/auth/signout").status_code == 401


@pytest.mark.spec("FR-010", "EDGE-refresh-token-reuse")
def test_each_new_sign_in_removes_a_few_expired_ones(
    clock: Clock, timed_ada: Person, fresh_database: DatabaseCopy
) -> None:
    for _ in range(19):
        timed_ada.sign_in_again()
    clock.advance(days=7, seconds=1)
    other_person = Person.sign_up(timed_ada.http)

    with fresh_database.connect_as_owner() as owner:

        def rows() -> int:
            [[count]] = owner.run("select count(*) from refresh_tokens")
            return int(count)

        counts = [rows()]
        for _ in range(5):
            other_person.sign_in_again()
            counts.append(rows())

    assert counts == [21, 17, 13, 9, 5, 6]
    assert is_signed_in(other_person)


@pytest.mark.spec("FR-010")
def test_sign_ins_that_have_not_expired_are_kept(clock: Clock, timed_ada: Person) -> None:
    other_devices = [timed_ada.sign_in_again() for _ in range(3)]

    clock.advance(days=6, hours=23)
    timed_ada.sign_in_again()

    assert [person.refresh().status_code for person in other_devices] == [200, 200, 200]


@pytest.mark.spec("FR-008", "SC-015")
def test_a_changed_secret_keeps_sign_ins_while_the_previous_one_is_set(ada: Person, make_client: MakeClient) -> None:
    changed = make_client(better_auth_secret=OTHER_SECRET, better_auth_secret_previous=SECRET)
    person = Person(changed, ada.password, ada.auth)

    assert is_signed_in(person)
    assert person.refresh().status_code == 200
    person.http = make_client(better_auth_secret=OTHER_SECRET)
    assert is_signed_in(person)
    assert person.refresh().status_code == 200


@pytest.mark.spec("FR-008", "SC-015", "EDGE-invalid-jwt-signature")
def test_tokens_of_a_secret_that_is_no_longer_set_are_401(ada: Person, make_client: MakeClient) -> None:
    person = Person(make_client(better_auth_secret=OTHER_SECRET), ada.password, ada.auth)

    assert not is_signed_in(person)
    assert person.refresh().status_code == 401


@pytest.mark.spec("EDGE-refresh-token-reuse")
def test_refreshes_of_one_sign_in_do_not_affect_another(sign_up: Callable[..., Person]) -> None:
    laptop = sign_up()
    phone = laptop.sign_in_again()
    for _ in range(3):
        assert laptop.refresh().status_code == 200

    assert phone.refresh().status_code == 200
    assert is_signed_in(laptop)
    assert is_signed_in(phone)


STEPPING_CLOCK = """
    create function stepping_clock() returns timestamptz language sql volatile as
    $$ select timestamptz '2100-01-01' + nextval('public.readings') * interval '1 microsecond' $$
"""


@pytest.mark.spec("FR-012", "NFR-005")
def test_a_limit_that_ends_during_the_statement_is_decided_once(ada: Person, shared_database: DatabaseCopy) -> None:
    """Either the token is replaced and the rotation is noted, or nothing in the row changes."""
    assert ada.refresh().status_code == 200
    with shared_database.connect_as_owner() as owner:
        owner.run("create sequence readings")
        owner.run(STEPPING_CLOCK)
        try:
            were_rotated = {is_rotated(owner, ada, readings) for readings in range(1, 8)}
        finally:
            owner.run("drop function stepping_clock")
            owner.run("drop sequence readings")
    assert were_rotated == {True, False}


def is_rotated(owner: OwnerConnection, person: Person, readings: int) -> bool:
    """Refresh while the limit is full, and ends after so many readings of the clock. All of the row has to agree."""
    sign_in, successor, window = sign_in_id(person), uuid4(), timedelta(seconds=900)
    ends = datetime(2100, 1, 1, tzinfo=UTC) + timedelta(microseconds=readings)
    owner.run("select setval('readings', 1, false)")
    owner.run(
        "update refresh_tokens set rotations = array[cast(:hit as timestamptz)], expires_at = '2101-01-01'"
        " where id = :sign_in",
        hit=ends - window,
        sign_in=sign_in,
    )
    row = (
        "select current_jti, previous_jti, rotated_at, expires_at, rotations, revoked_at from refresh_tokens"
        f" where id = '{sign_in}'"
    )
    [before] = owner.run(row)
    owner.run(
        str(statements.ROTATE.text).replace("clock_timestamp()", "stepping_clock()"),
        sign_in_id=sign_in,
        user_id=person.id,
        jti=before[0],
        successor=successor,
        lifetime=timedelta(days=7),
        leeway=timedelta(seconds=LEEWAY_SECONDS),
        limit=1,
        window=window.total_seconds(),
    )
    [after] = owner.run(row)
    if after == before:
        return False
    moment = after[2]
    assert after == [successor, before[0], moment, moment + timedelta(days=7), [moment], None]
    return True
