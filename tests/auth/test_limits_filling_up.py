"""Sign-ins whose limit fills up while the password is hashed: the work must not disclose whether it was right."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from backend.auth import passwords
from tests.auth.guesses import LIMIT, WRONG_PASSWORD, client_at, guess, hits, sign_in, some_email
from tests.conftest import MakeClient
from tests.support.people import PASSWORD, Person
from tests.support.sent_statements import recording_statements

STRANGERS_ADDRESS = "192.0.2.101"


@pytest.fixture
def ada(make_client: MakeClient) -> Person:
    return Person.sign_up(make_client())


def during_verification(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do this once, while the next password is verified."""
    verify = passwords.verify_password

    def verify_after_acting(*arguments: Any) -> bool:
        monkeypatch.setattr(passwords, "verify_password", verify)
        act()
        return verify(*arguments)

    monkeypatch.setattr(passwords, "verify_password", verify_after_acting)


@dataclass
class Work:
    """What one request did, as far as its client could measure it."""

    response: httpx2.Response
    statements: list[str]
    hashes: int

    @property
    def visible(self) -> tuple[int, int, list[str], int, list[str]]:
        """All of it but what differs between any two requests."""
        headers = sorted(name for name in self.response.headers)
        return self.response.status_code, len(self.response.content), self.statements, self.hashes, headers


def measured(monkeypatch: pytest.MonkeyPatch, act: Callable[[], httpx2.Response]) -> Work:
    """Do one request, and count its statements and hashes."""
    hashes = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def count_and_call(*arguments: Any, **options: Any) -> Any:
            nonlocal hashes
            hashes += 1
            return function(*arguments, **options)

        return count_and_call

    with monkeypatch.context() as patch:
        patch.setattr(passwords, "context", _CountingContext(passwords.context, counted))
        with recording_statements() as sent:
            response = act()
    return Work(response, [statement for statement, _ in sent], hashes)


class _CountingContext:
    """passlib's context, with counted calls of what takes long."""

    def __init__(self, context: Any, counted: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self.verify = counted(context.verify)
        self.hash = counted(context.hash)
        self.needs_update = context.needs_update


@pytest.mark.spec("NFR-005", "US3-4")
@pytest.mark.parametrize("has_old_parameters", [False, True])
def test_a_limit_that_fills_up_hides_which_guess_was_right(
    ada: Person, monkeypatch: pytest.MonkeyPatch, owner: OwnerConnection, has_old_parameters: bool
) -> None:
    """For a known e-mail with the right and a wrong password, and for an unknown one."""
    if has_old_parameters:
        old = passwords.context.copy(argon2__rounds=2).hash(PASSWORD)
        owner.run("update users set password_hash = :old where id = cast(:id as uuid)", old=old, id=ada.id)
    work = []
    for number, (email, password) in enumerate(
        [(ada.email, PASSWORD), (ada.email, WRONG_PASSWORD), (some_email(), PASSWORD)]
    ):
        stranger = client_at(f"192.0.2.{110 + number}", ada.http)

        def fill_limit(stranger: TestClient = stranger, email: str = email) -> None:
            with monkeypatch.context() as patch:
                patch.setattr(passwords, "verify_password", lambda *_: False)
                assert guess(stranger, email, LIMIT) == [401] * LIMIT

        def attempt(stranger: TestClient = stranger, email: str = email, password: str = password) -> httpx2.Response:
            return sign_in(stranger, email, password)

        work.append(measured_while_filling(monkeypatch, fill_limit, attempt))

    assert [each.response.status_code for each in work] == [429] * 3
    assert work[0].visible == work[1].visible == work[2].visible
    assert work[0].hashes == 1


def measured_while_filling(
    monkeypatch: pytest.MonkeyPatch, fill_limit: Callable[[], None], attempt: Callable[[], httpx2.Response]
) -> Work:
    """Measure an attempt, without what fills its limit meanwhile."""
    during_verification(monkeypatch, fill_limit)
    work = measured(monkeypatch, attempt)
    own = {statement: work.statements.count(statement) - LIMIT for statement in dict.fromkeys(work.statements)}
    return Work(work.response, [statement for statement, times in own.items() for _ in range(times)], work.hashes)


@pytest.mark.spec("NFR-005", "US3-4")
def test_a_guess_at_an_unknown_email_takes_the_same_work(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = client_at(STRANGERS_ADDRESS, ada.http)

    known = measured(monkeypatch, lambda: sign_in(stranger, ada.email))
    unknown = measured(monkeypatch, lambda: sign_in(stranger, some_email()))

    assert known.visible == unknown.visible
    assert (known.response.status_code, known.hashes, len(known.statements)) == (401, 1, 2)


@pytest.mark.spec("NFR-005")
@pytest.mark.parametrize("password", [PASSWORD, WRONG_PASSWORD])
def test_the_limits_left_do_not_tell_whether_a_refused_guess_was_right(
    ada: Person, owner: OwnerConnection, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    address = f"192.0.2.{100 + len(password)}"
    stranger = client_at(address, ada.http)
    during_verification(monkeypatch, lambda: guess(stranger, ada.email, LIMIT))

    assert sign_in(stranger, ada.email, password).status_code == 429

    assert hits(owner, ada.email, address) == [LIMIT, LIMIT + 1, LIMIT + 1]  # those that have room are charged


@pytest.mark.spec("NFR-005", "US3-4")
@pytest.mark.parametrize("change", ["delete from users", "update users set password_hash = 'another one'"])
def test_an_account_that_changed_during_the_sign_in_is_401(
    ada: Person, owner: OwnerConnection, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    during_verification(monkeypatch, lambda: owner.run(f"{change} where id = cast(:id as uuid)", id=ada.id))

    response = sign_in(ada.http, ada.email, PASSWORD)

    assert response.status_code == 401
    assert response.json() == sign_in(ada.http, some_email()).json()


@pytest.mark.spec("SC-016")
def test_a_new_hash_does_not_overwrite_a_password_changed_meanwhile(
    ada: Person, owner: OwnerConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = passwords.context.copy(argon2__rounds=2).hash(PASSWORD)
    owner.run("update users set password_hash = :old where id = cast(:id as uuid)", old=old, id=ada.id)
    hash_password = passwords.hash_password

    def hash_after_a_change(password: str) -> str:
        owner.run("update users set password_hash = 'changed' where id = cast(:id as uuid)", id=ada.id)
        return hash_password(password)

    monkeypatch.setattr(passwords, "hash_password", hash_after_a_change)

    assert sign_in(ada.http, ada.email, PASSWORD).status_code == 200

    stored = owner.run("select password_hash from users where id = cast(:id as uuid)", id=ada.id)
    assert stored == [["changed"]]
