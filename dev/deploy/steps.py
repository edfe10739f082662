"""The steps of a deployment: check the secret, validate, build, migrate, deploy, and test the deployed API."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from backend.migrations.apply import migrate
from backend.migrations.failure import MigrationFailed
from backend.postgres import DatabaseUrl, InvalidDatabaseUrl
from dev.deploy import smoke
from dev.deploy.questions import Questions
from dev.deploy.secret import Secret
from dev.deploy.target import Target
from dev.paths import CHECKOUT
from dev.user_error import UserError

SAM = CHECKOUT / ".venv-sam" / "bin" / "sam"

Run = Callable[[list[str]], None]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Deployment:
    """One deployment, and what it works with."""

    target: Target
    version: str
    """The version that is built, with its commit."""
    questions: Questions
    aws: Any
    """A boto3 session."""
    run: Run
    """Runs a command of the SAM CLI."""
    report: Report
    """Called with one line for each step."""

    def run_steps(self) -> None:
        """Run every step.

        :raises UserError: a step failed; the steps after it were not run
        """
        target, report = self.target, self.report
        config = ["--config-env", target.section]

        report(f"1/6 Reading the secret {target.parameters['SecretName']}")
        secret = Secret.read(_client(self.aws, "secretsmanager"), target)

        report("2/6 Checking the template")
        self.run([str(SAM), "validate", *config])

        report(f"3/6 Building the bundle of {self.version}")
        self.run([str(SAM), "build", *config])

        report("4/6 Migrating the database")
        _migrate(self.questions.owner_url(), secret.values["DATABASE_URL"], report)

        duration = " (a canary takes five minutes)" if target.is_canary else ""
        report(f"5/6 Deploying the stack {target.stack}{duration}")
        confirmed = ["--no-confirm-changeset"] if self.questions.is_confirmed else []
        self.run([str(SAM), "deploy", *config, *confirmed, "--parameter-overrides", *self._overrides(secret)])

        outputs = _outputs(_client(self.aws, "cloudformation"), target.stack)
        report(f"6/6 Testing {outputs['ApiUrl']}")
        if not smoke.run(outputs["ApiUrl"], target.origins[0], report, version=self.version):
            raise UserError("It is deployed, but does not work; docs/deploying.md, 'Rolling back', says how to go back")
        report("Deployed.\n" + "\n".join(f"  {name:<14}{value}" for name, value in outputs.items()))

    def _overrides(self, secret: Secret) -> list[str]:
        """The template's parameters, with those that are known only now, quoted as SAM's command line wants them."""
        parameters = self.target.parameters | secret.parameters | {"Version": self.version}
        quoted = {name: value.replace('"', r"\"") for name, value in parameters.items()}
        return [f'{name}="{value}"' for name, value in quoted.items()]


def _migrate(owner_url: str, database_url: str, report: Report) -> None:
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
        migrate(owner_url, database_url, lambda line: report(f"  {line}"))
    except MigrationFailed as error:
        raise UserError(str(error)) from None


def _client(aws: Any, service: str) -> Any:
    try:
        return aws.client(service)
    except NoRegionError:
        raise UserError("AWS: set AWS_DEFAULT_REGION to the region to deploy to, such as eu-central-1") from None
    except BotoCoreError as error:
        raise UserError(f"AWS: {error}") from None


def _outputs(client: Any, stack: str) -> dict[str, str]:
    try:
        described = client.describe_stacks(StackName=stack)
    except (BotoCoreError, ClientError) as error:
        raise UserError(f"The outputs of the stack {stack} cannot be read: {error}") from None
    return {output["OutputKey"]: output["OutputValue"] for output in described["Stacks"][0]["Outputs"]}
