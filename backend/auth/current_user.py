"""Who is asking: the only way from a request to a statement on a user's tasks (FR-013, FR-014, FR-023).

Verifying the token is pure computation. The sign-in is checked in the flight of each statement (`postgres/flight.py`),
in front of it. The same check hands the transaction over to PostgreSQL's row level security: from there on it is
`todo_user`, and sees the tasks of this user only. A dependency that held a connection would deadlock under load
(docs/decisions/0006-no-connection-held-by-a-dependency.md).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Executable

from backend.auth.tokens import InvalidToken, Kind, Tokens
from backend.database.roles import USER_ROLE
from backend.database.transactions import Database, Rows
from backend.errors import NotAuthenticated
from backend.postgres import Check, CheckFailed
from backend.web.parts import part

bearer = HTTPBearer(
    scheme_name="bearer", bearerFormat="JWT", description="The `access_token` of a sign-in.", auto_error=False
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


@cache
def bind_to_user(settings: tuple[str, ...] = ()) -> str:
    """The SQL that checks a sign-in and gives the transaction its user. Its parameters are the sign-in and the user.

    It gives one row, or the sign-in has ended, and the transaction keeps a role without rights on any task.

    :param settings: the names of further settings of the transaction; their values are the further parameters
    """
    further = "".join(f", set_config('{name}', ${number}, true)" for number, name in enumerate(settings, start=3))
    return f"""
        select set_config('app.user_id', cast(user_id as text), true), set_config('role', '{USER_ROLE}', true){further}
        from refresh_tokens
        where id = $1 and user_id = $2 and revoked_at is null and expires_at > clock_timestamp()
    """


@dataclass(frozen=True)
class CurrentUser:
    """The user named by a valid access token. Every statement that is run as this user checks the sign-in first."""

    id: UUID
    sign_in_id: UUID
    database: Database = field(repr=False)

    def run(self, statement: Executable, *, settings: Mapping[str, str] = NO_SETTINGS, **parameters: Any) -> Rows:
        """Run a statement that may write, on this user's tasks and nothing else. Committed when it returns.

        :param settings: settings of PostgreSQL for this transaction, for what a trigger has to know
        :param parameters: besides `owner_id`, which is this user
        :raises NotAuthenticated: the sign-in was revoked, signed out of, or has expired; nothing was done
        """
        return self._checked(self.database.run, statement, parameters, settings)

    def read(self, statement: Executable, **parameters: Any) -> Rows:
        """Run a statement that only reads, on this user's tasks and nothing else.

        :raises NotAuthenticated: as in `run`
        """
        return self._checked(self.database.read, statement, parameters)

    def _checked(
        self,
        send: Callable[..., Rows],
        statement: Executable,
        parameters: Mapping[str, Any],
        settings: Mapping[str, str] = NO_SETTINGS,
    ) -> Rows:
        try:
            check = Check(bind_to_user(tuple(settings)), (self.sign_in_id, self.id, *settings.values()))
            return send(statement, {**parameters, "owner_id": self.id}, check=check)
        except CheckFailed:
            raise NotAuthenticated from None


async def current_user(
    request: Request,
    credentials: Credentials,
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
