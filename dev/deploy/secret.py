"""Reads the function's secret before a deployment, and checks that the function could start with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from backend.settings import Settings
from dev.deploy.target import Target
from dev.user_error import UserError

OPTIONAL = {"AcceptPreviousSecret": "BETTER_AUTH_SECRET_PREVIOUS", "AcceptTrustedProxy": "TRUSTED_PROXY_SECRET"}
"""The members that a secret may have, by the template's parameter that puts them into the environment."""


class _GivenSettings(Settings):
    """The function's settings from arguments alone: this machine's environment says nothing about the function's."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


@dataclass(frozen=True)
class Secret:
    """The current version of the function's secret in AWS Secrets Manager."""

    version_id: str
    values: Mapping[str, str]

    @classmethod
    def read(cls, client: Any, target: Target) -> "Secret":
        """Read the secret that `target` names, and check it.

        :raises UserError: it cannot be read, or the function could not start with it
        """
        name = target.parameters["SecretName"]
        try:
            answer = client.get_secret_value(SecretId=name)
        except (BotoCoreError, ClientError) as error:
            raise UserError(f"The secret {name} cannot be read: {error}") from None
        try:
            values = json.loads(answer["SecretString"])
        except (KeyError, ValueError):
            values = None
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise UserError(
                f"The secret {name} must be a JSON object of strings, with DATABASE_URL and BETTER_AUTH_SECRET"
            )
        for variable in ("DATABASE_URL", "BETTER_AUTH_SECRET"):
            if not values.get(variable):
                raise UserError(f"The secret {name} has no {variable}")
        secret = cls(answer["VersionId"], values)
        secret._check(name, target)
        return secret

    def _check(self, name: str, target: Target) -> None:
        optional: dict[str, Any] = {member.lower(): self.values.get(member) or None for member in OPTIONAL.values()}
        try:
            _GivenSettings(
                database_url=self.values["DATABASE_URL"],
                better_auth_secret=self.values["BETTER_AUTH_SECRET"],
                frontend_url=target.parameters["FrontendUrl"],
                **optional,
            )
        except ValidationError as error:
            first = error.errors()[0]
            variable = f"{first['loc'][0]}: ".upper() if first["loc"] else ""
            sentence = first["msg"].removeprefix("Value error, ")
            raise UserError(f"The function could not start with the secret {name}: {variable}{sentence}") from None

    @property
    def parameters(self) -> dict[str, str]:
        """The template's parameters that depend on the secret."""
        accepted = {name: "true" if self.values.get(member) else "false" for name, member in OPTIONAL.items()}
        return {"SecretVersionId": self.version_id} | accepted
