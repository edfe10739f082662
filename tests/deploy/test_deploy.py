"""`make deploy`: its steps, their order, and what it refuses before it changes anything."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from fastapi import FastAPI

from backend.app import create_app
from dev.deploy.__main__ import obey_region_like_the_aws_cli
from dev.deploy.questions import Questions
from dev.deploy.secret import Secret
from dev.deploy.steps import Deployment
from dev.deploy.target import Target
from dev.embedded_postgres.server import EmbeddedPostgres
from dev.user_error import UserError
from tests.conftest import ORIGIN, SECRET, MakeSettings
from tests.support.database_copy import DatabaseCopy
from tests.support.serving import serving

VERSION_ID = "6f1f4c53-0a4d-4d6e-9f3f-0a6d6c2f7d11"
VERSION = "2.0.0+0aff2e8"
TARGET = Target("default", "todo-api-dev", {"FrontendUrl": ORIGIN, "SecretName": "todo-api/dev"})
OWNER_URL = "postgresql://todo_api:password@ep-one-pooler.example.neon.tech/neondb?sslmode=require"


class Account:
    """An AWS account with one secret and one stack, imitated by botocore's stubs."""

    def __init__(
        self, values: dict[str, Any] | str, *, api_url: str = "http://127.0.0.1:1", refusal: str | None = None
    ) -> None:
        text = values if isinstance(values, str) else json.dumps(values)
        self.clients = {name: self._client(name) for name in ("secretsmanager", "cloudformation")}
        secret = {"Name": "todo-api/dev", "SecretString": text, "VersionId": VERSION_ID}
        if refusal:
            self._stub("secretsmanager").add_client_error("get_secret_value", refusal)
        else:
            self._stub("secretsmanager").add_response("get_secret_value", secret, {"SecretId": "todo-api/dev"})
        stack = {
            "StackName": "todo-api-dev",
            "CreationTime": "2026-01-11",
            "StackStatus": "UPDATE_COMPLETE",
            "Outputs": [{"OutputKey": "ApiUrl", "OutputValue": api_url}],
        }
        self._stub("cloudformation").add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "todo-api-dev"})

    def client(self, service: str) -> Any:
        return self.clients[service]

    @staticmethod
    def _client(service: str) -> Any:
        return boto3.client(service, "eu-central-1", aws_access_key_id="none", aws_secret_access_key="none")

    def _stub(self, service: str) -> Any:
        stubber = Stubber(self.clients[service])
        stubber.activate()
        return stubber


class Steps:
    """What a deployment did, and printed."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.printed: list[str] = []

    def run(self, command: list[str]) -> None:
        assert command[0].endswith("/.venv-sam/bin/sam")
        self.commands.append(command[1:])


@contextmanager
def refused(steps: Steps, *, after: int) -> Iterator[pytest.ExceptionInfo[UserError]]:
    """Expect that the block stops with a UserError after so many commands."""
    with pytest.raises(UserError) as problem:
        yield problem
    assert len(steps.commands) == after
    assert SECRET not in str(problem.value)
    assert "password" not in str(problem.value)


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[DatabaseCopy]:
    """A database without a schema."""
    empty = DatabaseCopy(postgres, "todo_to_deploy")
    empty.create(source="template1")
    yield empty
    empty.drop()


def run_deployment(
    account: Account, steps: Steps, owner_url: str = OWNER_URL, target: Target = TARGET, *, is_confirmed: bool = False
) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATABASE_DIRECT_URL", owner_url)
        questions = Questions(are_answered=False, is_confirmed=is_confirmed)
        Deployment(target, VERSION, questions, account, steps.run, steps.printed.append).run_steps()


def deployable(app: FastAPI) -> FastAPI:
    """The application as the bundle has it, with the version that was built."""
    app.version = VERSION
    return app


@pytest.mark.spec("SC-013")
def test_every_step_is_done_in_order(make_settings: MakeSettings, empty_database: DatabaseCopy) -> None:
    steps = Steps()
    secret = {"DATABASE_URL": empty_database.url, "BETTER_AUTH_SECRET": SECRET}

    with serving(deployable(create_app(make_settings(database_url=empty_database.url)))) as url:
        run_deployment(Account(secret, api_url=url), steps, empty_database.owner_url)

    assert steps.commands == [
        ["validate", "--config-env", "default"],
        ["build", "--config-env", "default"],
        [
            *("deploy", "--config-env", "default", "--parameter-overrides"),
            *(f'FrontendUrl="{ORIGIN}"', 'SecretName="todo-api/dev"', f'SecretVersionId="{VERSION_ID}"'),
            *('AcceptPreviousSecret="false"', 'AcceptTrustedProxy="false"', f'Version="{VERSION}"'),
        ],
    ]
    assert [line[:3] for line in steps.printed if line[1:2] == "/"] == ["1/6", "2/6", "3/6", "4/6", "5/6", "6/6"]
    with empty_database.connect_as_owner() as owner:
        assert owner.run("select to_regclass('public.tasks') is not null") == [[True]]
    assert SECRET not in "".join(steps.printed)


@pytest.mark.parametrize(
    ("member", "parameter"),
    [("BETTER_AUTH_SECRET_PREVIOUS", "AcceptPreviousSecret"), ("TRUSTED_PROXY_SECRET", "AcceptTrustedProxy")],
)
@pytest.mark.parametrize(("value", "is_accepted"), [(SECRET[::-1], "true"), ("", "false")])
def test_an_optional_member_of_the_secret_is_deployed_while_it_is_stored(
    member: str, parameter: str, value: str, is_accepted: str
) -> None:
    account = Account({"DATABASE_URL": OWNER_URL, "BETTER_AUTH_SECRET": SECRET, member: value})

    secret = Secret.read(account.client("secretsmanager"), TARGET)

    assert secret.parameters[parameter] == is_accepted


def test_a_change_that_was_agreed_to_is_not_asked_about(fresh_database: DatabaseCopy) -> None:
    steps = Steps()
    secret = {"DATABASE_URL": fresh_database.url, "BETTER_AUTH_SECRET": SECRET}

    with refused(steps, after=3):  # no API answers
        run_deployment(Account(secret), steps, fresh_database.owner_url, is_confirmed=True)

    assert "--no-confirm-changeset" in steps.commands[-1]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ("not JSON", "must be a JSON object"),
        ("[]", "must be a JSON object"),
        ({"DATABASE_URL": OWNER_URL}, "has no BETTER_AUTH_SECRET"),
        ({"BETTER_AUTH_SECRET": SECRET}, "has no DATABASE_URL"),
        ({"DATABASE_URL": OWNER_URL, "BETTER_AUTH_SECRET": "short"}, "BETTER_AUTH_SECRET: must be at least 32"),
        ({"DATABASE_URL": "mysql://x", "BETTER_AUTH_SECRET": SECRET}, "DATABASE_URL: must start with postgresql"),
    ],
)
@pytest.mark.spec("SC-014", "NFR-003")
def test_a_secret_that_the_function_could_not_start_with_is_refused_first(
    values: dict[str, str] | str, sentence: str
) -> None:
    steps = Steps()

    with refused(steps, after=0) as problem:
        run_deployment(Account(values), steps)

    assert sentence in str(problem.value)


def test_the_operators_own_variables_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SIGNIN_WINDOW_SECONDS": "none", "DATABASE_CA_FILE": "/nowhere", "SECRET_ID": "other"}.items():
        monkeypatch.setenv(name, value)
    account = Account({"DATABASE_URL": OWNER_URL, "BETTER_AUTH_SECRET": SECRET})

    assert Secret.read(account.client("secretsmanager"), TARGET).version_id == VERSION_ID


def test_the_region_of_the_aws_cli_is_deployed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")

    obey_region_like_the_aws_cli()

    assert boto3.Session().region_name == os.environ["AWS_DEFAULT_REGION"] == "eu-central-1"


def test_without_a_region_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    questions, steps = Questions(are_answered=False, is_confirmed=True), Steps()

    with refused(steps, after=0) as problem:
        Deployment(TARGET, VERSION, questions, boto3.Session(), steps.run, steps.printed.append).run_steps()

    assert str(problem.value).startswith("AWS: set AWS_DEFAULT_REGION")


@pytest.mark.parametrize("refusal", ["ResourceNotFoundException", "AccessDeniedException"])
def test_a_secret_that_cannot_be_read_is_refused_first(refusal: str) -> None:
    steps = Steps()

    with refused(steps, after=0) as problem:
        run_deployment(Account({}, refusal=refusal), steps)

    assert "todo-api/dev cannot be read" in str(problem.value)
    assert refusal in str(problem.value)


@pytest.mark.parametrize(
    ("owner_url", "sentence"),
    [
        (OWNER_URL, "on the pooler"),
        (OWNER_URL.replace("ep-one-pooler", "ep-two"), "is neondb on ep-two.example.neon.tech, but the secret's"),
        ("nonsense", "DATABASE_DIRECT_URL must start with postgresql"),
    ],
)
def test_another_database_than_the_functions_is_not_migrated(owner_url: str, sentence: str) -> None:
    steps = Steps()

    with refused(steps, after=2) as problem:
        run_deployment(Account({"DATABASE_URL": OWNER_URL, "BETTER_AUTH_SECRET": SECRET}), steps, owner_url)

    assert sentence in str(problem.value)


def test_a_deployment_that_does_not_work_is_reported(
    fresh_database: DatabaseCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dev.deploy.smoke.run", lambda *_, **__: False)
    steps = Steps()
    secret = {"DATABASE_URL": fresh_database.url, "BETTER_AUTH_SECRET": SECRET}

    with refused(steps, after=3) as problem:
        run_deployment(Account(secret), steps, fresh_database.owner_url)

    assert "Rolling back" in str(problem.value)


def test_another_version_that_answers_is_reported(make_settings: MakeSettings, fresh_database: DatabaseCopy) -> None:
    steps = Steps()
    secret = {"DATABASE_URL": fresh_database.url, "BETTER_AUTH_SECRET": SECRET}

    with serving(create_app(make_settings(database_url=fresh_database.url))) as url, refused(steps, after=3):
        run_deployment(Account(secret, api_url=url), steps, fresh_database.owner_url)

    assert any(f"answers in place of {VERSION}" in line for line in steps.printed)
