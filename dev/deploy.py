"""`make deploy` and `make deploy ENV=prod`: from this checkout to a URL that works, step by step.

docs/deploying.md tells what has to be there before: an AWS account, a Neon database and a secret.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from getpass import getpass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from backend.database.migrations.apply import MigrationFailed, migrate
from backend.database.url import DatabaseUrl, InvalidDatabaseUrl
from backend.settings import Settings
from dev import smoke
from dev.problem import Problem

CHECKOUT = Path(__file__).resolve().parents[1]
SAM = CHECKOUT / ".venv-sam" / "bin" / "sam"
ENVIRONMENTS = {"dev": "default", "prod": "prod"}
"""Each environment's section of samconfig.toml."""
PREVIOUS = "BETTER_AUTH_SECRET_PREVIOUS"

Run = Callable[[list[str]], None]
Say = Callable[[str], None]


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
            raise Problem(f"ENV must be one of {', '.join(ENVIRONMENTS)}, not {name!r}")
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
                raise Problem(
                    f"samconfig.toml: FrontendUrl of {self.name} is {origin}; it must be your own, with https"
                )

    @property
    def origins(self) -> list[str]:
        """Whose pages may call."""
        return self.parameters["FrontendUrl"].split(",")


@dataclass(frozen=True)
class Secret:
    """The current version of the function's secret."""

    version_id: str
    values: Mapping[str, str]

    @classmethod
    def read(cls, client: Any, target: Target) -> "Secret":
        """Read it, and see that the function could start with it."""
        name = target.parameters["SecretName"]
        try:
            answer = client.get_secret_value(SecretId=name)
        except (BotoCoreError, ClientError) as error:
            raise Problem(f"The secret {name} cannot be read: {error}") from None
        try:
            values = json.loads(answer["SecretString"])
        except (KeyError, ValueError):
            values = None
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise Problem(f"The secret {name} must be a JSON object of texts, with DATABASE_URL and BETTER_AUTH_SECRET")
        for variable in ("DATABASE_URL", "BETTER_AUTH_SECRET"):
            if not values.get(variable):
                raise Problem(f"The secret {name} has no {variable}")
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
            problem = error.errors()[0]
            variable = f"{problem['loc'][0]}: ".upper() if problem["loc"] else ""
            sentence = problem["msg"].removeprefix("Value error, ")
            raise Problem(f"The function could not start with the secret {name}: {variable}{sentence}") from None

    def overrides(self, target: Target) -> list[str]:
        """The parameters of the template, with those that follow from this version of the secret."""
        follow = {
            "SecretVersionId": self.version_id,
            "AcceptPreviousSecret": "true" if self.values.get(PREVIOUS) else "false",
        }
        return [f"{name}={value}" for name, value in (target.parameters | follow).items()]


def deploy(target: Target, owner_url: Callable[[], str], aws: Any, run: Run, say: Say) -> None:
    """Do every step.

    :param owner_url: gives the owner's connection string on the direct endpoint
    :param aws: a boto3 session
    :raises Problem: a step failed; the ones after it were not done
    """
    sam = [str(SAM)]
    config = ["--config-env", target.section]

    say(f"1/6 Reading the secret {target.parameters['SecretName']}")
    secret = Secret.read(_client(aws, "secretsmanager"), target)

    say("2/6 Checking the template")
    run([*sam, "validate", *config])

    say("3/6 Building the bundle")
    run([*sam, "build", *config])

    say("4/6 Migrating the database")
    _migrate(owner_url(), secret.values["DATABASE_URL"], say)

    say(f"5/6 Deploying the stack {target.stack}" + (" (a canary takes five minutes)" if target.name == "prod" else ""))
    run([*sam, "deploy", *config, "--parameter-overrides", *secret.overrides(target)])

    outputs = _outputs(_client(aws, "cloudformation"), target.stack)
    say(f"6/6 Trying {outputs['ApiUrl']}")
    if not smoke.run(outputs["ApiUrl"], target.origins[0], say):
        raise Problem("It is deployed, but does not work yet; docs/deploying.md, 'Rolling back', tells how to go back")
    say("Deployed.\n" + "\n".join(f"  {name:<14}{value}" for name, value in outputs.items()))


def _migrate(owner_url: str, database_url: str, say: Say) -> None:
    try:
        owner, application = DatabaseUrl.parse(owner_url), DatabaseUrl.parse(database_url)
    except InvalidDatabaseUrl as error:
        raise Problem(f"DATABASE_DIRECT_URL {error}") from None
    if owner.direct().host != owner.host:
        raise Problem("DATABASE_DIRECT_URL is on the pooler; migrations need the endpoint without -pooler")
    if (owner.host, owner.database) != (application.direct().host, application.database):
        raise Problem(
            f"DATABASE_DIRECT_URL is {owner.database} on {owner.host}, but the secret's DATABASE_URL is "
            f"{application.database} on {application.host}"
        )
    try:
        migrate(owner_url, database_url, lambda line: say(f"  {line}"))
    except MigrationFailed as error:
        raise Problem(str(error)) from None


def _client(aws: Any, service: str) -> Any:
    try:
        return aws.client(service)
    except BotoCoreError as error:
        raise Problem(f"AWS: {error}") from None


def _outputs(client: Any, stack: str) -> dict[str, str]:
    try:
        described = client.describe_stacks(StackName=stack)
    except (BotoCoreError, ClientError) as error:
        raise Problem(f"The stack {stack} cannot be looked at: {error}") from None
    return {output["OutputKey"]: output["OutputValue"] for output in described["Stacks"][0]["Outputs"]}


def _owner_url() -> str:
    """From the environment, or from the keyboard. Not from `.env`, which is about this machine's database."""
    url = os.environ.get("DATABASE_DIRECT_URL", "")
    if not url and sys.stdin.isatty():
        url = getpass("  The owner's connection string, without -pooler (it is not shown): ")
    if not url:
        raise Problem("Set DATABASE_DIRECT_URL to the owner's connection string, without -pooler")
    return url


def _run(target: Target, command: list[str]) -> None:
    # SAM does not tell the Makefile which architecture the template asks for.
    told = {"ARCH": target.parameters.get("Architecture", "x86_64"), "SAM_CLI_TELEMETRY": "0"}
    try:
        subprocess.run(command, cwd=CHECKOUT, env={**os.environ, **told}, check=True)
    except subprocess.CalledProcessError:
        raise Problem(f"`sam {command[1]}` failed; it says why above") from None


def main(arguments: list[str]) -> int:
    """Deploy the environment of the command line. Gives the exit code."""
    try:
        target = Target.read(arguments[0] if arguments else "dev", CHECKOUT / "samconfig.toml")
        try:
            aws = boto3.Session(region_name=target.region, profile_name=target.profile)
        except BotoCoreError as error:
            raise Problem(f"AWS: {error}") from None
        deploy(target, _owner_url, aws, partial(_run, target), lambda line: print(line, flush=True))
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
