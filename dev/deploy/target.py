"""What samconfig.toml says about an environment that is deployed to."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.user_error import UserError

ENVIRONMENTS = {"dev": "default", "prod": "prod"}
"""Each environment's section of samconfig.toml."""


@dataclass(frozen=True)
class Target:
    """What samconfig.toml says about an environment."""

    name: str
    section: str
    stack: str
    parameters: dict[str, str]
    region: str | None
    profile: str | None

    @classmethod
    def read(cls, name: str, config: Path) -> "Target":
        """Read it, and refuse what was left as it came."""
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
        """What is fine for development, or an example, must not reach production."""
        for origin in self.origins:
            if not origin.startswith("https://") or origin.endswith(".example.com"):
                raise UserError(
                    f"samconfig.toml: FrontendUrl of {self.name} is {origin}; it must be your own, with https"
                )

    @property
    def origins(self) -> list[str]:
        """Whose pages may call."""
        return self.parameters["FrontendUrl"].split(",")
