"""Request and response bodies of the auth endpoints."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from backend.auth.models import NAME_MAX_LENGTH
from backend.database.columns import Timestamp
from backend.errors import BODY_LIMIT_BYTES
from backend.web.text import Email, FreeText, SingleLine, optional_field

PASSWORD_MIN_LENGTH = 8
PASSWORD_MAX_LENGTH = 1024
CREDENTIALS: JsonDict = {"email": "ada@example.com", "password": "correct horse"}  # for the OpenAPI document

Name = Annotated[str, SingleLine(NAME_MAX_LENGTH)]
NewPassword = Annotated[
    str,
    Field(min_length=PASSWORD_MIN_LENGTH, max_length=PASSWORD_MAX_LENGTH, description="Used exactly as given."),
]


class SignUp(BaseModel):
    """A new account."""

    model_config = ConfigDict(
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{**CREDENTIALS, "name": "Ada"}, CREDENTIALS]},
    )

    email: Email
    password: NewPassword
    name: Name = optional_field()

    @property
    def display_name(self) -> str:
        """The given name, or the first part of the e-mail, because the existing frontend's form has no name."""
        return self.name if "name" in self.model_fields_set else self.email.partition("@")[0][:NAME_MAX_LENGTH]


class SignIn(BaseModel):
    """Credentials. A password too short to be anybody's is wrong, not invalid."""

    model_config = ConfigDict(hide_input_in_errors=True, json_schema_extra={"examples": [CREDENTIALS]})

    email: Email
    password: str = Field(min_length=1, max_length=PASSWORD_MAX_LENGTH)


class Refresh(BaseModel):
    """A refresh token to be exchanged."""

    model_config = ConfigDict(hide_input_in_errors=True)

    refresh_token: Annotated[str, FreeText(BODY_LIMIT_BYTES)]  # too long to be a token is 401, not 422


class UserPublic(BaseModel):
    """An account, as its owner sees it (FR-040)."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    name: str
    created_at: Timestamp


class AuthResponse(BaseModel):
    """All that a frontend keeps of a sign-in (FR-041). A refresh gives all of it again and replaces it."""

    user: UserPublic
    access_token: str
    refresh_token: str
    token_type: Literal["bearer"]
    expires_in: int = Field(description="Seconds until the access token expires.")


class SignedOut(BaseModel):
    """The answer to a sign-out."""

    detail: Literal["Signed out"]
