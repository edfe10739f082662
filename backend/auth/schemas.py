"""Request and response bodies of the auth endpoints."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from backend.auth.models import NAME_MAX_LENGTH
from backend.database.columns import Timestamp
from backend.errors import BODY_LIMIT_BYTES
from backend.web.openapi import Documented
from backend.web.text import Email, FreeText, SingleLine, optional_field

PASSWORD_MIN_LENGTH = 8
PASSWORD_MAX_LENGTH = 1024

# Values for the examples of the OpenAPI document. The tokens are JWTs that no secret has signed.
CREDENTIALS = {"email": "ada@example.com", "password": "correct horse"}
USER_EXAMPLE = {
    "id": "019a3d51-04b2-7e88-a1c6-5d3f9e2b7a14",
    "email": "ada@example.com",
    "name": "Ada",
    "created_at": "2026-11-27T08:29:41.001234Z",
}
TOKENS = {
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXAiOiJhY2Nlc3MifQ.c2lnbmF0dXJlIG9mIGFjY2Vzcw",
    "refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXAiOiJyZWZyZXNoIn0.c2lnbmF0dXJlIG9mIHJlZnJlc2g",
}

Name = Annotated[str, SingleLine(NAME_MAX_LENGTH)]
NewPassword = Annotated[
    str,
    Field(min_length=PASSWORD_MIN_LENGTH, max_length=PASSWORD_MAX_LENGTH, description="Used exactly as given."),
]


RefreshToken = Annotated[  # too long to be a token is 401, not 422
    str, FreeText(BODY_LIMIT_BYTES), Field(description="The `refresh_token` of the last answer that had one.")
]


class SignUp(Documented):
    """A new account."""

    EXAMPLES: ClassVar = {"With a name": {**CREDENTIALS, "name": "Ada"}, "Without a name": CREDENTIALS}
    INVALID_EXAMPLE: ClassVar = {"email": "ada", "password": "short"}
    model_config = ConfigDict(hide_input_in_errors=True)

    email: Email
    password: NewPassword
    name: Name = optional_field()

    @property
    def display_name(self) -> str:
        """The given name, or the first part of the e-mail, because the existing frontend's form has no name."""
        return self.name if "name" in self.model_fields_set else self.email.partition("@")[0][:NAME_MAX_LENGTH]


class SignIn(Documented):
    """Credentials."""

    EXAMPLES: ClassVar = {"Credentials": CREDENTIALS}
    INVALID_EXAMPLE: ClassVar = {"email": "ada@example.com"}
    model_config = ConfigDict(hide_input_in_errors=True)

    email: Email
    password: str = Field(min_length=1, max_length=PASSWORD_MAX_LENGTH)  # too short to be right is 401, not 422


class Refresh(Documented):
    """A refresh token to be exchanged."""

    EXAMPLES: ClassVar = {"A refresh token": {"refresh_token": TOKENS["refresh_token"]}}
    INVALID_EXAMPLE: ClassVar = {"token": TOKENS["refresh_token"]}
    model_config = ConfigDict(hide_input_in_errors=True)

    refresh_token: RefreshToken


class SignOut(Documented):
    """The sign-in to end, by any of its refresh tokens that has not expired."""

    EXAMPLES: ClassVar = {"A refresh token": {"refresh_token": TOKENS["refresh_token"]}}
    INVALID_EXAMPLE: ClassVar = {"refresh_token": 1}
    model_config = ConfigDict(hide_input_in_errors=True)

    refresh_token: RefreshToken | None = None


class UserPublic(Documented):
    """An account, as its owner sees it."""

    EXAMPLES: ClassVar = {"A user": USER_EXAMPLE}
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str = Field(json_schema_extra={"format": "email"})
    name: str
    created_at: Timestamp


class AuthResponse(Documented):
    """All that a client keeps of a sign-in. A refresh gives all of it again, and replaces it."""

    EXAMPLES: ClassVar = {"Signed in": {"user": USER_EXAMPLE, **TOKENS, "token_type": "bearer", "expires_in": 900}}

    user: UserPublic
    access_token: str = Field(description="Send it as `Authorization: Bearer <access_token>`.")
    refresh_token: str = Field(description="Exchange it for a new pair. It is replaced each time.")
    token_type: Literal["bearer"]
    expires_in: int = Field(description="Seconds until the access token expires.")


class SignedOut(Documented):
    """The answer to a sign-out."""

    EXAMPLES: ClassVar = {"Signed out": {"detail": "Signed out"}}

    detail: Literal["Signed out"]
