"""Passwords of the database login: with every text, we log in where libpq does.

SCRAM normalizes passwords (SASLprep, RFC 4013); PostgreSQL and libpq take those that it refuses as they are.
"""

import hashlib
import hmac
import re
import unicodedata
from base64 import b64decode
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pg8000.native import Connection as OwnerConnection
from pg8000.native import literal

from backend.postgres import Connection, DatabaseUrl, LoginRefused, scram, sqlstate
from tests.support.database_copy import DatabaseCopy
from tests.support.libpq import libpq_failure, run_psql

LOGIN = "login_with_odd_passwords"

PASSWORDS = {
    "ASCII": "correct horse",
    "spaces around": "  a password  ",
    "tab": "tab\there",
    "line feed": "line\nfeed",
    "other control characters": "bell\a and delete\x7f",
    "single quote": "it's 'quoted'",
    "double quote": 'say "so"',
    "backslash": r"back\slash\\ \n \x41",
    "percent and braces": "100%s {0} $1 :name",
    "emoji": "🔑 key",
    "only emoji": "🔑",
    "emoji with a variation selector": "❤\ufe0f",
    "U+00A0 no-break space": "no\u00a0break",
    "U+3000 ideographic space": "wide\u3000space",
    "U+1680 Ogham space": "ogham\u1680space",
    "U+200B zero width space": "zero\u200bwidth",
    "only U+200B": "\u200b\u200b\u200b",
    "U+00AD soft hyphen": "soft\u00adhyphen",
    "only U+00AD": "\u00ad\u00ad",
    "U+FEFF byte order mark": "\ufeffmarked",
    "U+2028 line separator": "line\u2028separator",
    "U+0221, not assigned in Unicode 3.2": "\u0221",
    "U+06DD, prohibited": "\u06dd",
    "U+0340, prohibited": "tone\u0340mark",
    "U+E000 private use": "private\ue000",
    "U+FFFE, no character": "\ufffe",
    "U+E0001 language tag": "tag\U000e0001",
    "ª": "1ª",
    "ligature and full width": "ﬁ Ａ①Ⅸ",
    "ª with something prohibited": "1ª\u2028",
    "combining marks": "e\u0301a\u0308\u0323",
    "a lone combining mark": "\u0301",
    "the same, composed": "\u00e9\u1ea1\u0308",
    "Hangul in parts": "\u1112\u1161\u11ab",
    "Arabic with Latin": "سر a",
    "pure Arabic": "سر",
    "Arabic with a digit between": "س1ر",
    "Arabic with a digit at its end": "سر1",
    "Hebrew, a space and Hebrew": "סוד סוד",
    "German": "Straße Größe",
    "Turkish": "ıİ",
    "Greek final sigma": "ὀδυσσεύς",
    "1,000 characters of ASCII": "0123456789" * 100,
    "1,000 other characters": "パスワード" * 200,
    "mixed": " ª\u00a0é\u200b🔑 \\'\"سر\t",
}
SetPassword = Callable[[DatabaseCopy, str], None]
each_password = pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS.keys())


@pytest.fixture(scope="module")
def database(shared_database: DatabaseCopy) -> Iterator[DatabaseCopy]:
    """The shared database, whose server has one login more."""
    shared_database.query(f"create role {LOGIN} login")
    yield shared_database
    shared_database.query(f"drop role {LOGIN}")


def set_with_libpq(database: DatabaseCopy, password: str) -> None:
    statement = f"alter role {LOGIN} password {literal(password)}"
    run_psql(database.server.binary("psql"), database.owner_url, statement).check_returncode()


def set_with_our_driver(database: DatabaseCopy, password: str) -> None:
    with Connection(DatabaseUrl.parse(database.owner_url)) as owner:
        owner.execute(f"alter role {LOGIN} password {literal(password)}")
        owner.commit()


def libpq_logs_in(database: DatabaseCopy, password: str) -> bool:
    psql, url = database.server.binary("psql"), database.login_url(LOGIN, "").replace(":@", "@")
    failure = libpq_failure(psql, url, password=password)
    assert failure is None or "password authentication failed" in failure
    return failure is None


def we_log_in(database: DatabaseCopy, password: str) -> bool:
    try:
        with Connection(DatabaseUrl.parse(database.login_url(LOGIN, password))) as connection:
            assert connection.execute("select current_user::text").rows == [[LOGIN]]
    except LoginRefused as error:
        if sqlstate(error) != "28P01":
            raise
        return False
    return True


def variants(password: str) -> set[str]:
    """Passwords that some normalization takes for the same."""
    spaced = "".join(" " if unicodedata.category(each) == "Zs" else each for each in password)
    visible = "".join(each for each in password if unicodedata.category(each) not in ("Cf", "Mn"))
    shorter = {password.strip(), password.casefold(), spaced, visible}
    composed = {unicodedata.normalize("NFKC", each) for each in (password, *shorter)}
    others = {unicodedata.normalize("NFC", password), unicodedata.normalize("NFD", password), f"{password}x"}
    return (shorter | composed | others) - {password, ""}


class TestLogin:
    """Of a role whose password was set as SQL text, and so normalized by the server."""

    @each_password
    @pytest.mark.parametrize("set_password", [set_with_libpq, set_with_our_driver])
    def test_succeeds_with_the_password_that_was_set(
        self, password: str, set_password: SetPassword, database: DatabaseCopy
    ) -> None:
        set_password(database, password)

        assert (libpq_logs_in(database, password), we_log_in(database, password)) == (True, True)

    @each_password
    def test_with_a_similar_password_ends_as_libpqs_does(self, password: str, database: DatabaseCopy) -> None:
        set_with_libpq(database, password)
        similar = variants(password)

        ours = {each: we_log_in(database, each) for each in similar}

        assert ours == {each: libpq_logs_in(database, each) for each in similar}

    def test_with_similar_passwords_does_not_always_end_the_same(self, database: DatabaseCopy) -> None:
        set_with_libpq(database, "1ª\u00a0\u00ad")
        assert we_log_in(database, "1a ")
        assert not we_log_in(database, "1a")
        set_with_libpq(database, "1ª\u2028")
        assert not we_log_in(database, "1a\u2028")


ODD_CHARACTERS = (
    "aZ1 \t\u00a0\u00ad\u200b\u200d\u2028\u3000\ufeff\ufb01\u00aa\u2168\u0301\u0323\u0340"
    "\u0627\u0633\u05d0\u06dd\u0661\u0221\U0001f511"
)
SECRET = r"SCRAM-SHA-256\$(\d+):(.+)\$(.+):(.+)"
odd_texts = st.text(st.sampled_from(ODD_CHARACTERS), min_size=1, max_size=6)
any_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def owner(database: DatabaseCopy) -> Iterator[OwnerConnection]:
    """A connection that many examples share, whose passwords are stretched quickly."""
    with database.connect_as_owner() as connection:
        connection.run("set scram_iterations = 1")
        yield connection


@settings(max_examples=500, deadline=None)
@given(password=odd_texts | any_texts)
def test_postgresql_stores_the_key_that_we_compute(password: str, owner: OwnerConnection) -> None:
    owner.run(f"alter role {LOGIN} password {literal(password)}")

    [[secret]] = owner.run(f"select rolpassword from pg_authid where rolname = '{LOGIN}'")

    iterations, salt, stored_key, server_key = re.findall(SECRET, secret)[0]
    stretched = hashlib.pbkdf2_hmac("sha256", scram.normalized(password), b64decode(salt), int(iterations))
    client_key = hmac.digest(stretched, b"Client Key", "sha256")
    assert hashlib.sha256(client_key).digest() == b64decode(stored_key)
    assert hmac.digest(stretched, b"Server Key", "sha256") == b64decode(server_key)
