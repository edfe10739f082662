"""Passwords: how they are hashed and compared, and that no transaction is open meanwhile."""

import unicodedata
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from passlib.context import CryptContext
from pg8000.native import Connection as OwnerConnection

from backend.auth import passwords
from backend.postgres.connection import Connection
from backend.postgres.cursor import Result
from tests.conftest import MakeClient
from tests.support.database_copy import LOGIN, DatabaseCopy
from tests.support.people import PASSWORD, Person

PARAMETERS = "$argon2id$v=19$m=19456,t=12,p=1$"


class CountingContext:
    """A password context that counts what it hashes and verifies.

    :param before_work: is called before each of them
    """

    def __init__(self, context: CryptContext, before_work: Callable[[], None] = lambda: None) -> None:
        self._context, self._before_work = context, before_work
        self.hashed = self.verified = 0

    def hash(self, password: str) -> Any:
        self.hashed += 1
        self._before_work()
        return self._context.hash(password)

    def verify(self, password: str, stored: str) -> Any:
        self.verified += 1
        self._before_work()
        return self._context.verify(password, stored)

    def needs_update(self, stored: str) -> Any:
        return self._context.needs_update(stored)


@pytest.fixture
def password_work(monkeypatch: pytest.MonkeyPatch) -> CountingContext:
    """The password context in use, which counts its work."""
    password_work = CountingContext(passwords.context)
    monkeypatch.setattr(passwords, "context", password_work)
    return password_work


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Everything that has been said to PostgreSQL since the test began."""
    said: list[str] = []
    execute = Connection.execute

    def execute_and_note(self: Connection, statement: str, *arguments: Any, **options: Any) -> Result:
        said.append(statement)
        return execute(self, statement, *arguments, **options)

    monkeypatch.setattr(Connection, "execute", execute_and_note)
    return said


def sign_in(http: httpx2.Client, email: str, password: str) -> httpx2.Response:
    return http.post("/api/auth/signin", json={"email": email, "password": password})


def stored_hash(owner: OwnerConnection, person: Person) -> str:
    [[stored]] = owner.run("select password_hash from users where email = :email", email=person.email)
    return str(stored)


@pytest.mark.real_passwords
@pytest.mark.spec("FR-004", "NFR-001", "SC-016")
def test_passwords_are_stored_as_argon2id_with_the_agreed_parameters(
    sign_up: Callable[..., Person], owner: OwnerConnection
) -> None:
    person = sign_up()

    assert stored_hash(owner, person).startswith(PARAMETERS)
    assert person.sign_in_again().tasks() == []
    assert sign_in(person.http, person.email, PASSWORD[:-1]).status_code == 401


@pytest.mark.real_passwords
@pytest.mark.spec("US3-4", "FR-006", "NFR-001")
def test_the_hash_for_unknown_emails_costs_as_much_as_a_real_one() -> None:
    real = passwords.hash_password(PASSWORD)

    assert [len(part) for part in passwords.HASH_FOR_UNKNOWN_EMAIL.split("$")] == [
        len(part) for part in real.split("$")
    ]
    assert passwords.HASH_FOR_UNKNOWN_EMAIL.startswith(PARAMETERS)
    assert not passwords.needs_rehash(passwords.HASH_FOR_UNKNOWN_EMAIL)


@pytest.mark.spec("FR-004")
def test_equal_passwords_have_different_hashes(sign_up: Callable[..., Person], owner: OwnerConnection) -> None:
    assert stored_hash(owner, sign_up()) != stored_hash(owner, sign_up())


@pytest.mark.spec("US3-4", "FR-006")
def test_no_password_is_right_for_an_unknown_email(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "HASH_FOR_UNKNOWN_EMAIL", passwords.hash_password("nobody's"))

    assert not passwords.verify_password("nobody's", None)


@pytest.mark.spec("US3-4", "FR-006", "SC-004")
@pytest.mark.parametrize("pool_size", [0, 5])
def test_an_unknown_email_takes_the_same_work_as_a_wrong_password(
    make_client: MakeClient, password_work: CountingContext, statements: list[str], pool_size: int
) -> None:
    person = Person.sign_up(make_client(database_pool_size=pool_size))
    work = []
    for email in (person.email, f"{uuid4().hex}@example.com"):
        password_work.hashed = password_work.verified = 0
        statements.clear()

        answer = sign_in(person.http, email, "a wrong password")

        work.append((password_work.hashed, password_work.verified, list(statements), answer.status_code, answer.json()))

    assert work[0] == work[1]
    assert work[0][:2] == (0, 1)
    assert len(work[0][2]) == 2


@pytest.mark.spec("US1-2", "NFR-009")
def test_a_right_password_takes_one_verification(ada: Person, password_work: CountingContext) -> None:
    ada.sign_in_again()

    assert (password_work.hashed, password_work.verified) == (0, 1)


@pytest.mark.spec("FR-004", "SC-016")
def test_a_sign_in_renews_a_hash_made_with_other_parameters(
    ada: Person, owner: OwnerConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = stored_hash(owner, ada)
    monkeypatch.setattr(passwords, "context", passwords.context.copy(argon2__rounds=2))

    assert sign_in(ada.http, ada.email, "a wrong password").status_code == 401
    assert stored_hash(owner, ada) == old
    ada.sign_in_again()
    renewed = stored_hash(owner, ada)
    ada.sign_in_again()

    assert renewed != old
    assert ",t=2," in renewed
    assert stored_hash(owner, ada) == renewed


@pytest.mark.spec("FR-003", "FR-004", "FR-006")
@pytest.mark.parametrize(
    ("password", "almost"),
    [
        ("x" * 72 + "right", "x" * 72 + "wrong"),
        ("x" * 1023 + "r", "x" * 1023 + "w"),
        ("🔑" * 1023 + "r", "🔑" * 1023 + "w"),
        ("password\0right", "password\0wrong"),
        ("password\0right", "password"),
        (" password ", "password"),
        ("Password", "password"),
        (unicodedata.normalize("NFC", "pässwörter"), unicodedata.normalize("NFD", "pässwörter")),
        ("12345678", "123456789"),
        ("\0" * 8, "\0" * 9),
    ],
    ids=repr,
)
def test_a_password_is_compared_to_its_last_character(
    sign_up: Callable[..., Person], password: str, almost: str
) -> None:
    person = sign_up(password=password)

    assert sign_in(person.http, person.email, almost).status_code == 401
    assert sign_in(person.http, person.email, password).status_code == 200


@pytest.mark.spec("FR-003", "FR-004")
@pytest.mark.parametrize(
    "password",
    [
        "\0" * 8,
        "🔑" * 8,
        "🔑" * 1024,
        "x" * 1024,
        "\u202e\u200b\ufeff\u0007\u2028\n\t ",
        "' or 1=1; --",
        "$argon2id$v=19$",
    ],
    ids=repr,
)
def test_any_8_to_1024_characters_are_a_valid_password(sign_up: Callable[..., Person], password: str) -> None:
    person = sign_up(password=password)

    assert person.sign_in_again().tasks() == []


@pytest.mark.real_passwords
@pytest.mark.spec("FR-003", "FR-004")
def test_the_longest_password_works_with_productions_parameters_too(sign_up: Callable[..., Person]) -> None:
    person = sign_up(password="🔑" * 1024)

    assert person.sign_in_again().tasks() == []


@pytest.mark.spec("US3-2", "FR-003", "FR-029")
@pytest.mark.parametrize("password", ["", "1234567", "x" * 1025, "🔑" * 1025, "x" * 60_000], ids=len)
def test_a_sign_up_with_a_password_of_wrong_length_is_422_without_hashing(
    client: httpx2.Client, password_work: CountingContext, password: str
) -> None:
    answer = client.post(
        "/api/auth/signup", json={"email": f"{uuid4().hex}@example.com", "password": password, "name": "Ada"}
    )

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["password"]
    assert (password_work.hashed, password_work.verified) == (0, 0)


@pytest.mark.spec("FR-006", "FR-029")
@pytest.mark.parametrize("password", ["", "x" * 1025, "x" * 60_000], ids=len)
def test_a_sign_in_with_an_impossible_password_is_422_without_hashing(
    ada: Person, password_work: CountingContext, password: str
) -> None:
    assert sign_in(ada.http, ada.email, password).status_code == 422
    assert (password_work.hashed, password_work.verified) == (0, 0)


@pytest.mark.spec("FR-006")
def test_a_sign_in_with_a_too_short_password_is_401(ada: Person) -> None:
    assert sign_in(ada.http, ada.email, "x").status_code == 401


@pytest.mark.spec("FR-003", "NFR-004")
@pytest.mark.parametrize("path", ["/api/auth/signup", "/api/auth/signin"])
def test_a_password_of_a_megabyte_is_413_without_any_work(
    client: httpx2.Client, password_work: CountingContext, statements: list[str], path: str
) -> None:
    answer = client.post(path, json={"email": f"{uuid4().hex}@example.com", "password": "x" * 2**20, "name": "Ada"})

    assert answer.status_code == 413
    assert (password_work.hashed, password_work.verified) == (0, 0)
    assert statements == []


@pytest.mark.spec("FR-029", "NFR-004")
@pytest.mark.parametrize("path", ["/api/auth/signup", "/api/auth/signin"])
@pytest.mark.parametrize("password", [r'"\ud800 password"', "12345678", "true", "null", '["password"]', "{}"])
def test_a_password_that_is_not_text_is_422_without_hashing(
    client: httpx2.Client, password_work: CountingContext, path: str, password: str
) -> None:
    answer = client.post(
        path,
        content=f'{{"email": "{uuid4().hex}@example.com", "name": "Ada", "password": {password}}}',
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 422
    assert (password_work.hashed, password_work.verified) == (0, 0)


@pytest.mark.spec("NFR-012", "SC-006", "SC-020")
@pytest.mark.parametrize("pool_size", [0, 3])
def test_no_transaction_or_lock_is_open_while_a_password_is_hashed(
    fresh_database: DatabaseCopy, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, pool_size: int
) -> None:
    client = make_client(database_url=fresh_database.url, database_pool_size=pool_size)
    with fresh_database.connect_as_owner() as owner:
        seen: list[list[Any]] = []

        def before_work() -> None:
            seen.append(
                owner.run(
                    "select state, xact_start is not null, (select count(*) from pg_locks l where l.pid = a.pid)"
                    " from pg_stat_activity a where usename = :login and datname = current_database()",
                    login=LOGIN,
                )
            )

        monkeypatch.setattr(passwords, "context", CountingContext(passwords.context, before_work))
        person = Person.sign_up(client)
        person.sign_in_again()
        sign_in(client, person.email, "a wrong password")
        sign_in(client, "nobody@example.com", "a wrong password")
        changed = passwords.context._context.copy(argon2__rounds=2)  # type: ignore[attr-defined]
        monkeypatch.setattr(passwords, "context", CountingContext(changed, before_work))
        person.sign_in_again()

    assert len(seen) == 6  # sign-up, right, wrong, unknown, and twice for the renewal
    assert [row for rows in seen for row in rows if row != ["idle", False, 0]] == []
    assert all(seen)  # without a pool, the last request's connection may still be ending beside it


@pytest.mark.spec("NFR-013", "SC-020")
@pytest.mark.parametrize("password", [PASSWORD, "a wrong password"])
def test_without_a_pool_a_sign_in_uses_one_connection(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    person = Person.sign_up(make_client(database_pool_size=0))
    opened = []
    connect = Connection.__init__

    def record_connection(self: Connection, *args: Any, **options: Any) -> None:
        opened.append(self)
        connect(self, *args, **options)

    monkeypatch.setattr(Connection, "__init__", record_connection)

    sign_in(person.http, person.email, password)

    assert len(opened) == 1
