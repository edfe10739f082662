"""The user behind a person's access token, and the check of their sign-in, for statements that tests run themselves."""

from backend.auth.current_user import CurrentUser, bind_to_user
from backend.auth.tokens import Kind, Tokens
from backend.database.transactions import Database
from backend.postgres import Check
from backend.tasks.limits import TaskLimits
from tests.conftest import SECRET
from tests.support.people import Person

LIMITS = TaskLimits(tasks=10_000, bytes=3_100_000)
"""The limits of tests that do not reach them."""


def current_user(person: Person, database: Database) -> CurrentUser:
    """The user whom the application makes of this person's access token."""
    claims = Tokens(SECRET).verify(person.auth["access_token"], Kind.ACCESS)
    return CurrentUser(claims.user_id, claims.sid, database)


def sign_in_check(person: Person) -> Check:
    """The check in front of this person's statements, for a statement in plain SQL with `$1` for parameters."""
    claims = Tokens(SECRET).verify(person.auth["access_token"], Kind.ACCESS)
    return Check(bind_to_user(), (claims.sid, claims.user_id))
