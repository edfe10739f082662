"""Who is asking: the only way from a request to a transaction on somebody's tasks (FR-013, FR-014, FR-023).

Verifying the token is pure computation. The sign-in is checked by the first statement of the transaction, and the same
statement hands the transaction over to PostgreSQL's row level security: from there on it is `todo_user`, and sees the
tasks of this user only. A dependency that held a connection would deadlock under load, so none does
(docs/decisions/0006-no-connection-held-by-a-dependency.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import text
from sqlmodel import Session

from backend.auth.tokens import InvalidToken, Kind, Tokens
from backend.database.roles import USER_ROLE
from backend.database.transactions import Database
from backend.errors import NotAuthenticated
from backend.web.parts import part

bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="The access token of a sign-in.")

BIND_TO_USER = text(f"""
    select set_config('app.user_id', cast(user_id as text), true), set_config('role', '{USER_ROLE}', true)
    from refresh_tokens
    where id = :sign_in_id and user_id = :user_id and revoked_at is null and expires_at > clock_timestamp()
""")
"""One row, or the sign-in has ended and the transaction stays what it was: a role without rights on any task."""


@dataclass(frozen=True)
class UserSession:
    """A transaction on one user's tasks. Only `CurrentUser.transaction` makes one."""

    session: Session
    user_id: UUID


@dataclass(frozen=True)
class CurrentUser:
    """The user a valid access token names, whose sign-in is yet to be checked."""

    id: UUID
    sign_in_id: UUID
    database: Database = field(repr=False)

    @contextmanager
    def transaction(self) -> Iterator[UserSession]:
        """A transaction that can reach this user's tasks, and nothing else; committed when the block ends.

        :raises NotAuthenticated: the sign-in was revoked, signed out of, or has expired
        """
        with self.database.transaction() as session:
            bound = session.connection().execute(BIND_TO_USER, {"sign_in_id": self.sign_in_id, "user_id": self.id})
            if bound.one_or_none() is None:
                raise NotAuthenticated
            yield UserSession(session, self.id)


async def current_user(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    tokens: Annotated[Tokens, Depends(part(Tokens))],
    database: Annotated[Database, Depends(part(Database))],
) -> CurrentUser:
    """The user of the request's access token.

    :raises NotAuthenticated: no token, or not a valid access token (FR-030)
    """
    if credentials is None:
        raise NotAuthenticated
    try:
        claims = tokens.verify(credentials.credentials, Kind.ACCESS)
    except InvalidToken:
        raise NotAuthenticated from None
    request.state.user_id = str(claims.user_id)  # for the access log
    return CurrentUser(claims.user_id, claims.sid, database)


AuthenticatedUser = Annotated[CurrentUser, Depends(current_user)]
