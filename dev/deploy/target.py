"""Reads one section of samconfig.toml: the environment that is deployed to."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.user_error import UserError

ALIASES = {"dev": "default"}
"""`sam deploy` without `--config-env` uses the section `default`, which is the development stack."""
REQUIRED = ("FrontendUrl", "SecretName")
"""The parameters that a deployment itself needs: what the API is tested with, and the secret that it reads."""
OVERRIDE = re.compile(r"""([A-Za-z0-9]+)=("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?:\\.|[^ "\\])+)""")
"""One parameter in a text, as SAM reads it (samcli.cli.types.CfnParameterOverridesType)."""


@dataclass(frozen=True)
class Target:
    """An environment to deploy to, as samconfig.toml describes it."""

    section: str
    stack: str
    parameters: dict[str, str]
    """Those of the template that have a value. An empty one is the same as none, and SAM's command line refuses it."""
    region: str | None = None
    profile: str | None = None
    confirms: bool = False
    """`sam deploy` shows what it would change, and asks."""
    guided: bool = False
    """`sam deploy` asks for everything."""

    @classmethod
    def read(cls, name: str, config: Path) -> "Target":
        """Read the section `name` of the file `config`.

        :raises UserError: there is no such section, it is incomplete, or it still has the placeholders
        """
        sections = _sections(config)
        section = name if name in sections else ALIASES.get(name, name)
        if section not in sections:
            raise UserError(f"samconfig.toml has no section {name}; ENV can be {', '.join(_names(sections))}")
        values = {
            key: value
            for command in ("global", "deploy")
            for key, value in sections[section].get(command, {}).get("parameters", {}).items()
        }
        if not values.get("stack_name"):
            raise UserError(f"samconfig.toml: [{section}] has no stack_name; `sam deploy --guided` writes one")
        target = cls(
            section,
            values["stack_name"],
            _parameters(values.get("parameter_overrides", []), section),
            values.get("region"),
            values.get("profile"),
            values.get("confirm_changeset", False),
            values.get("guided", False),
        )
        target._refuse_what_cannot_work()
        return target

    @property
    def is_production(self) -> bool:
        """Whether the template takes it for production, whatever the section is called."""
        return self.parameters.get("Environment") == "prod"

    @property
    def is_canary(self) -> bool:
        """Whether a new version first gets a part of the traffic; the template's condition IsCanary."""
        rollout = self.parameters.get("Rollout", "auto")
        return rollout == "canary" or (rollout == "auto" and self.is_production)

    @property
    def origins(self) -> list[str]:
        """The origins whose pages may call the API."""
        return self.parameters["FrontendUrl"].split(",")

    def _refuse_what_cannot_work(self) -> None:
        """Refuse what the template would refuse after the migrations, and the placeholders of samconfig.toml."""
        for parameter in REQUIRED:
            if parameter not in self.parameters:
                raise UserError(f"samconfig.toml: [{self.section}] has no {parameter}; add it to parameter_overrides")
        for origin in self.origins:
            if origin.endswith(".example.com") or (self.is_production and not origin.startswith("https://")):
                raise UserError(
                    f"samconfig.toml: FrontendUrl of [{self.section}] is {origin}; it must be your own"
                    + (", with https" if self.is_production else "")
                )
        if self.is_production and self.parameters.get("AlarmEmail", "none") == "none":
            raise UserError(
                f"samconfig.toml: [{self.section}] is production and has no AlarmEmail; "
                "set it to the address that learns of an alarm"
            )


def _sections(config: Path) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{config} cannot be read: {error}") from None
    return {name: section for name, section in document.items() if isinstance(section, dict)}


def _names(sections: dict[str, dict[str, Any]]) -> list[str]:
    """The sections as an operator calls them."""
    aliases = {section: name for name, section in ALIASES.items()}
    return [aliases.get(section, section) for section in sections]


def _parameters(overrides: Any, section: str) -> dict[str, str]:
    """The template's parameters from `parameter_overrides`, which SAM takes as a list, a table or one text.

    `sam deploy --guided` writes a text with quotes: `Environment="dev" AlarmEmail="none"`.
    """
    if isinstance(overrides, dict):
        pairs = [(name, str(value)) for name, value in overrides.items()]
    else:
        texts = [overrides] if isinstance(overrides, str) else overrides
        pairs = [(name, _unquoted(value)) for text in texts for name, value in OVERRIDE.findall(text)]
    if any(name == "ParameterKey" for name, _ in pairs):
        raise UserError(f"samconfig.toml: write the parameter_overrides of [{section}] as Name=value")
    return {name: value for name, value in pairs if value}


def _unquoted(value: str) -> str:
    if value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return re.sub(r"""\\([ "'])""", r"\1", value)
