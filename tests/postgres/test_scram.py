"""Repeated logins: the password is stretched (PBKDF2) once, and is still verified every time."""

import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from pg8000.exceptions import DatabaseError
from scramp import core

from backend.postgres import scram
from backend.postgres.connection import Connection
from backend.postgres.url import DatabaseUrl
from tests.support.database_copy import LOGIN, LOGIN_PASSWORD, DatabaseCopy


@pytest.fixture
def stretched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The passwords that are stretched, with an empty cache at the start."""
    passwords: list[bytes] = []

    def pbkdf2_hmac(hash_name: str, password: bytes, *options: Any) -> bytes:
        passwords.append(password)
        return original(hash_name, password, *options)

    original = hashlib.pbkdf2_hmac
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", pbkdf2_hmac)
    scram.salted_password.cache_clear()
    yield passwords
    scram.salted_password.cache_clear()


def log_in(url: str) -> None:
    Connection.open(DatabaseUrl.parse(url)).close()


def test_a_password_is_stretched_once(shared_database: DatabaseCopy, stretched: list[bytes]) -> None:
    for _ in range(3):
        log_in(shared_database.url)

    assert stretched == [LOGIN_PASSWORD.encode()]


def test_a_wrong_password_is_refused_also_after_the_right_one(
    shared_database: DatabaseCopy, stretched: list[bytes]
) -> None:
    right, wrong = (f"{LOGIN}:{quote(password)}@" for password in (LOGIN_PASSWORD, f"{LOGIN_PASSWORD}!"))
    assert right in shared_database.url
    log_in(shared_database.url)

    for _ in range(2):
        with pytest.raises(DatabaseError) as refused:
            log_in(shared_database.url.replace(right, wrong))
        assert refused.value.args[0]["C"] == "28P01"
    log_in(shared_database.url)


def test_a_changed_password_counts_at_once(fresh_database: DatabaseCopy, stretched: list[bytes]) -> None:
    with fresh_database.connect_as_owner() as owner:
        owner.run("drop role if exists somebody_else")
        owner.run("create role somebody_else login password 'before'")
        before = fresh_database.url.replace(f"{LOGIN}:{quote(LOGIN_PASSWORD)}@", "somebody_else:before@")
        log_in(before)
        owner.run("alter role somebody_else password 'after'")

        with pytest.raises(DatabaseError):
            log_in(before)
        log_in(before.replace(":before@", ":after@"))
        owner.run("drop role somebody_else")


def test_the_cache_of_stretched_passwords_has_a_limit(stretched: list[bytes]) -> None:
    for salt in range(3 * scram.SALTS_AT_ONCE):
        core.hi(hashlib.sha256, b"password", salt.to_bytes(16, "big"), core.IterationCount(4096))

    assert len(stretched) == 3 * scram.SALTS_AT_ONCE
    assert scram.salted_password.cache_info().currsize == scram.SALTS_AT_ONCE
