"""The variables that lead to the database, and where each variable may come from."""

import os
from pathlib import Path
from typing import Self

from pydantic import SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from backend.postgres.url import DatabaseUrl, InvalidDatabaseUrl

BUNDLED_CERTIFICATES = Path(__file__).resolve().parents[2] / "certificates"


class ConfigurationError(Exception):
    """A missing or unusable variable; the message names it, and never shows its value."""


class DatabaseSettings(BaseSettings):
    """The variables that lead to the database; migrations need no others."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: SecretStr
    database_direct_url: SecretStr | None = None
    database_ca_file: str | None = None
    database_pipeline: bool = True
    secret_id: str | None = None

    # AWS_SAM_LOCAL is set by `sam local`, whose containers reach the host's database by a name that is not loopback.
    aws_sam_local: bool = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order of the sources: arguments, the secret that SECRET_ID names, the environment, `.env`.

        The secret comes first, because otherwise the environment would hide a rotated value.
        """
        assert isinstance(env_settings, EnvSettingsSource)
        assert isinstance(dotenv_settings, DotEnvSettingsSource)
        secret_id = env_settings.env_vars.get("secret_id") or dotenv_settings.env_vars.get("secret_id")
        secret = (_secret_source(settings_cls, secret_id),) if secret_id else ()
        dotenv = (dotenv_settings,) if dotenv_settings.env_vars else ()  # asking it for each variable takes time
        return (init_settings, *secret, env_settings, *dotenv)

    @model_validator(mode="after")
    def _database_urls_are_usable(self) -> Self:
        self.database().tls_context()  # an unreadable CA file should stop the start, not the first request
        self.database_direct()
        return self

    def database(self) -> DatabaseUrl:
        """The URL of the application's own login."""
        return self._parsed("DATABASE_URL", self.database_url)

    def database_direct(self) -> DatabaseUrl:
        """The URL for migrations: the owner's, or the application's without Neon's pooler."""
        if self.database_direct_url is None:
            return self.database().direct()
        return self._parsed("DATABASE_DIRECT_URL", self.database_direct_url)

    def _parsed(self, variable: str, url: SecretStr) -> DatabaseUrl:
        try:
            return DatabaseUrl.parse(
                url.get_secret_value(),
                ca_file=self.database_ca_file or _bundled_certificates(),
                pipeline=self.database_pipeline,
                sam_local=self.aws_sam_local,
            )
        except InvalidDatabaseUrl as error:
            raise ValueError(f"{variable}: {error}") from None


def _bundled_certificates() -> str | None:
    """The bundle's folder of CA certificates. A checkout has none, and uses the system's.

    :raises ValueError: the bundle on Lambda has lost it
    """
    if BUNDLED_CERTIFICATES.is_dir():
        return str(BUNDLED_CERTIFICATES)
    if os.environ.get("AWS_EXECUTION_ENV", "").startswith("AWS_Lambda"):
        raise ValueError("the bundle has no folder `certificates`; `make build` makes one, or set DATABASE_CA_FILE")
    return None


def _secret_source(settings_cls: type[BaseSettings], secret_id: str) -> PydanticBaseSettingsSource:
    try:
        from backend.settings.secret_source import (  # needs boto3, which Lambda brings and which is slow to import
            SecretSource,
            UnreadableSecret,
        )
    except ImportError:
        raise ConfigurationError(
            "Configuration: SECRET_ID needs boto3, which Lambda has and this Python has not"
        ) from None
    try:
        return SecretSource(settings_cls, secret_id)
    except UnreadableSecret as error:
        raise ConfigurationError(f"Configuration: the secret of SECRET_ID is unusable: {error}") from None
