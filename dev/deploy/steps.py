"""The steps of a deployment, from the secret to a URL that was tried."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from backend.migrations.apply import MigrationFailed, migrate
from backend.postgres import DatabaseUrl, InvalidDatabaseUrl
from dev.deploy import smoke
from dev.deploy.secret import Secret
from dev.deploy.target import Target
from dev.user_error import UserError

CHECKOUT = Path(__file__).resolve().parents[2]
SAM = CHECKOUT / ".venv-sam" / "bin" / "sam"

Run = Callable[[list[str]], None]
Say = Callable[[str], None]


def deploy(target: Target, owner_url: Callable[[], str], aws: Any, run: Run, say: Say) -> None:
    """Do every step.

    :param owner_url: gives the owner's connection string on the direct endpoint
    :param aws: a boto3 session
    :raises UserError: a step failed; the ones after it were not done
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
        raise UserError(
            "It is deployed, but does not work yet; docs/deploying.md, 'Rolling back', tells how to go back"
        )
    say("Deployed.\n" + "\n".join(f"  {name:<14}{value}" for name, value in outputs.items()))


def _migrate(owner_url: str, database_url: str, say: Say) -> None:
    try:
        owner, application = DatabaseUrl.parse(owner_url), DatabaseUrl.parse(database_url)
    except InvalidDatabaseUrl as error:
        raise UserError(f"DATABASE_DIRECT_URL {error}") from None
    if owner.direct().host != owner.host:
        raise UserError("DATABASE_DIRECT_URL is on the pooler; migrations need the endpoint without -pooler")
    if (owner.host, owner.database) != (application.direct().host, application.database):
        raise UserError(
            f"DATABASE_DIRECT_URL is {owner.database} on {owner.host}, but the secret's DATABASE_URL is "
            f"{application.database} on {application.host}"
        )
    try:
        migrate(owner_url, database_url, lambda line: say(f"  {line}"))
    except MigrationFailed as error:
        raise UserError(str(error)) from None


def _client(aws: Any, service: str) -> Any:
    try:
        return aws.client(service)
    except BotoCoreError as error:
        raise UserError(f"AWS: {error}") from None


def _outputs(client: Any, stack: str) -> dict[str, str]:
    try:
        described = client.describe_stacks(StackName=stack)
    except (BotoCoreError, ClientError) as error:
        raise UserError(f"The stack {stack} cannot be looked at: {error}") from None
    return {output["OutputKey"]: output["OutputValue"] for output in described["Stacks"][0]["Outputs"]}
