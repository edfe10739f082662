"""Reads the function's secret before a deployment, and checks that the function could start with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from backend.settings import Settings
from dev.deploy.target import Target
from dev.user_error import UserError

PREVIOUS = "BETTER_AUTH_SECRET_PREVIOUS"


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
        try:
            Settings(
                _env_file=None,
                database_url=self.values["DATABASE_URL"],
                better_auth_secret=self.values["BETTER_AUTH_SECRET"],
                better_auth_secret_previous=self.values.get(PREVIOUS) or None,
                frontend_url=target.parameters["FrontendUrl"],
            )
        except ValidationError as error:
            first = error.errors()[0]
            variable = f"{first['loc'][0]}: ".upper() if first["loc"] else ""
            sentence = first["msg"].removeprefix("Value error, ")
            raise UserError(f"The function could not start with the secret {name}: {variable}{sentence}") from None

    def overrides(self, target: Target) -> list[str]:
        """The arguments of `sam deploy --parameter-overrides`, with the parameters that depend on the secret."""
        from_secret = {
            "SecretVersionId": self.version_id,
            "AcceptPreviousSecret": "true" if self.values.get(PREVIOUS) else "false",
        }
        return [f"{name}={value}" for name, value in (target.parameters | from_secret).items()]
