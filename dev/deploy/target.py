"""Reads an environment, dev or prod, from samconfig.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.user_error import UserError

ENVIRONMENTS = {"dev": "default", "prod": "prod"}
"""The section of samconfig.toml that belongs to each environment."""


@dataclass(frozen=True)
class Target:
    """An environment to deploy to, as samconfig.toml describes it."""

    name: str
    section: str
    stack: str
    parameters: dict[str, str]
    region: str | None
    profile: str | None

    @classmethod
    def read(cls, name: str, config: Path) -> "Target":
        """Read the environment `name` from the file `config`.

        :raises UserError: it does not exist, or prod still has the placeholders
        """
        if name not in ENVIRONMENTS:
            raise UserError(f"ENV must be one of {', '.join(ENVIRONMENTS)}, not {name!r}")
        section = ENVIRONMENTS[name]
        commands = tomllib.loads(config.read_text())[section]
        values: dict[str, Any] = commands["global"]["parameters"] | commands["deploy"]["parameters"]
        target = cls(
            name,
            section,
            values["stack_name"],
            dict(override.split("=", 1) for override in values["parameter_overrides"]),
            values.get("region"),
            values.get("profile"),
        )
        if name == "prod":
            target.refuse_placeholders()
        return target

    def refuse_placeholders(self) -> None:
        """Refuse a `FrontendUrl` without https, or the example that samconfig.toml comes with.

        :raises UserError: an origin is one of these
        """
        for origin in self.origins:
            if not origin.startswith("https://") or origin.endswith(".example.com"):
                raise UserError(
                    f"samconfig.toml: FrontendUrl of {self.name} is {origin}; it must be your own, with https"
                )

    @property
    def origins(self) -> list[str]:
        """The origins whose pages may call the API."""
        return self.parameters["FrontendUrl"].split(",")
