"""Repeated logins: the password is stretched (PBKDF2) once for a salt, and is still verified every time."""

import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from backend.postgres import Connection, DatabaseUrl, login, scram, sqlstate
from backend.postgres.exceptions import LoginRefused
from tests.support.database_copy import LOGIN, LOGIN_PASSWORD, DatabaseCopy
from tests.support.pooler import Pooler


@pytest.fixture
def stretched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The passwords that are stretched, with nothing kept at the start."""
    passwords: list[bytes] = []

    def pbkdf2_hmac(hash_name: str, password: bytes, *options: Any) -> bytes:
        passwords.append(password)
        return original(hash_name, password, *options)

    original = hashlib.pbkdf2_hmac
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", pbkdf2_hmac)
    scram._keys.cache_clear()
    yield passwords
    scram._keys.cache_clear()


def log_in(url: str, ca_file: str | None = None) -> None:
    login.log_in(DatabaseUrl.parse(url, ca_file=ca_file)).wire.close()


def test_a_password_is_stretched_once(shared_database: DatabaseCopy, stretched: list[bytes]) -> None:
    for _ in range(3):
        log_in(shared_database.url)

    assert stretched == [LOGIN_PASSWORD.encode()]


def test_a_password_is_stretched_for_each_salt_of_a_pooler(
    pooler: Pooler, shared_database: DatabaseCopy, stretched: list[bytes]
) -> None:
    for _ in range(3):
        log_in(pooler.url(shared_database), str(pooler.ca_file))

    assert stretched == [LOGIN_PASSWORD.encode()] * 3


def test_a_wrong_password_is_refused_also_after_the_right_one(
    shared_database: DatabaseCopy, stretched: list[bytes]
) -> None:
    right, wrong = (f"{LOGIN}:{quote(password)}@" for password in (LOGIN_PASSWORD, f"{LOGIN_PASSWORD}!"))
    assert right in shared_database.url
    log_in(shared_database.url)

    for _ in range(2):
        with pytest.raises(LoginRefused) as refused:
            log_in(shared_database.url.replace(right, wrong))
        assert (sqlstate(refused.value), refused.value.needs_operator) == ("28P01", True)
    log_in(shared_database.url)


def test_a_changed_password_counts_at_once(fresh_database: DatabaseCopy, stretched: list[bytes]) -> None:
    with fresh_database.connect_as_owner() as owner:
        owner.run("drop role if exists login_of_a_test")
        owner.run("create role login_of_a_test login password 'before'")
        before = fresh_database.login_url("login_of_a_test", "before")
        stretched.clear()
        with Connection(DatabaseUrl.parse(before)) as connected:
            connected.execute("select 1")
            owner.run("alter role login_of_a_test password 'after'")
            connected.execute("select 1")  # who is connected stays so

        with pytest.raises(LoginRefused):
            log_in(before)
        log_in(fresh_database.login_url("login_of_a_test", "after"))
        owner.run("drop role login_of_a_test")

    assert stretched == [b"before", b"before", b"after"]


def test_the_memory_of_stretched_passwords_has_a_limit(stretched: list[bytes]) -> None:
    for salt in range(3 * scram.SALTS_AT_ONCE):
        scram._keys("password", salt.to_bytes(16, "big"), 4096)

    assert len(stretched) == 3 * scram.SALTS_AT_ONCE
    assert scram._keys.cache_info().currsize == scram.SALTS_AT_ONCE
