"""The environment, validated when the process starts (SC-014, NFR-021)."""

import re
from typing import Annotated, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode

from backend.settings.database import ConfigurationError, DatabaseSettings

SECRET_MIN_CHARACTERS = 32
SECRET_MIN_DIFFERENT_CHARACTERS = 10
"""Random secrets have more, also in hexadecimal. Fewer is a placeholder, such as one character 32 times."""
LONGEST_TASK_BYTES = 20_000
"""No task that the API accepts is longer in the list. With a smaller limit an empty list might have no room for it."""
LONGEST_LIST_BYTES = 3_100_000
"""Lambda delivers at most 6,291,556 bytes of JSON. A list is a text in that JSON, and escaping it at most doubles it.

What is left is for the headers (docs/decisions/0014-a-list-is-json-from-postgresql.md)."""
ORIGIN = re.compile(r"https?://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(?::[1-9]\d{0,4})?")
"""An origin as browsers send it (RFC 6454, 6.2): lower case, other letters as Punycode, no user, no default port."""
HEADER_NAME = r"^[A-Za-z0-9-]{1,100}$"
"""The names of headers that are in use. RFC 9110, 5.6.2, allows more, among them `*`, which CORS reads as any."""

SettingsType = TypeVar("SettingsType", bound="DatabaseSettings")


class Settings(DatabaseSettings):
    """Every variable that the function reads. `.env.example` explains them to operators."""

    database_pool_size: int = Field(default=0, ge=0, le=100)

    better_auth_secret: SecretStr
    better_auth_secret_previous: SecretStr | None = None
    frontend_url: Annotated[tuple[str, ...], NoDecode]

    cors_extra_headers: Annotated[tuple[str, ...], NoDecode] = ()

    access_token_expire_minutes: int = Field(default=15, ge=1, le=24 * 60)
    refresh_token_expire_days: int = Field(default=7, ge=1, le=365)
    refresh_reuse_leeway_seconds: int = Field(default=30, ge=0, le=300)
    sign_ins_per_account: int = Field(default=50, ge=1, le=10_000)

    signin_failures_per_account_and_address: int = Field(default=10, ge=1, le=10_000)
    signin_failures_per_account: int = Field(default=100, ge=1, le=10_000)
    signin_failures_per_address: int = Field(default=300, ge=1, le=10_000)
    signin_window_seconds: int = Field(default=900, ge=1, le=86_400)
    signups_per_address: int = Field(default=200, ge=1, le=10_000)
    signup_window_seconds: int = Field(default=600, ge=1, le=86_400)
    refreshes_per_sign_in: int = Field(default=60, ge=1, le=10_000)
    refresh_window_seconds: int = Field(default=900, ge=1, le=86_400)

    trusted_proxy_secret: SecretStr | None = None
    trusted_proxy_header: str = Field(default="CloudFront-Viewer-Address", pattern=HEADER_NAME)

    tasks_per_user: int = Field(default=10_000, ge=1, le=100_000)
    task_bytes_per_user: int = Field(default=3_100_000, ge=LONGEST_TASK_BYTES, le=LONGEST_LIST_BYTES)
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$")

    @field_validator("better_auth_secret", "better_auth_secret_previous", "trusted_proxy_secret")
    @classmethod
    def _secret_is_strong(cls, secret: SecretStr | None) -> SecretStr | None:
        # NFR-003 counts characters, HS256 needs 32 bytes (RFC 7518, 3.2); a text never has fewer bytes than characters.
        if secret is not None and len(secret.get_secret_value()) < SECRET_MIN_CHARACTERS:
            raise ValueError(
                f"must be at least {SECRET_MIN_CHARACTERS} characters; `openssl rand -base64 48` makes one"
            )
        if secret is not None and len(set(secret.get_secret_value())) < SECRET_MIN_DIFFERENT_CHARACTERS:
            raise ValueError(
                f"must have at least {SECRET_MIN_DIFFERENT_CHARACTERS} different characters; "
                "`openssl rand -base64 48` makes one"
            )
        return secret

    @field_validator("frontend_url", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(_normalised_origin(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("frontend_url")
    @classmethod
    def _origins_are_exact(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if not origins:
            raise ValueError("must name at least one origin, such as https://todo.example.com")
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(
                    "must be origins as browsers send them, like https://todo.example.com, separated by commas: "
                    "scheme, host and port, without a path, never *"
                )
        return origins

    @field_validator("cors_extra_headers", mode="before")
    @classmethod
    def _split_header_names(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("cors_extra_headers")
    @classmethod
    def _header_names_are_exact(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(HEADER_NAME, name) for name in names):
            raise ValueError(
                "must be names of request headers, like traceparent,X-Trace-Id, separated by commas, never *"
            )
        return names

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value


def load_settings() -> Settings:
    """Read the environment, and `.env` where there is one.

    :raises ConfigurationError: one line that names every variable to correct
    """
    return _load(Settings)


def load_database_settings() -> DatabaseSettings:
    """Read only the variables that lead to the database.

    :raises ConfigurationError: as `load_settings` does
    """
    return _load(DatabaseSettings)


def _load(kind: type[SettingsType]) -> SettingsType:
    try:
        return kind()
    except ValidationError as error:
        raise ConfigurationError(f"Configuration: {'; '.join(map(_sentence, error.errors()))}") from None


def _normalised_origin(origin: str) -> str:
    origin = origin.rstrip("/").lower()
    return origin.removesuffix(":443" if origin.startswith("https:") else ":80")


def _sentence(error: object) -> str:
    """A validation error as a sentence for the operator, without the value that caused it."""
    assert isinstance(error, dict)
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return message
    variable = str(error["loc"][0]).upper()
    return f"{variable} is not set" if error["type"] == "missing" else f"{variable}: {message}"
