"""The workflow that deploys, run step by step: with the real SAM CLI, a local S3 and Secrets Manager (moto), and a
stand-in for CloudFormation. Without a terminal, and with CI=true, as on GitHub."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import boto3
import pytest
from moto.server import ThreadedMotoServer
from ruamel.yaml import YAML

from backend import __version__
from backend.app import create_app
from dev.bundle.target import PYTHON
from dev.paths import CHECKOUT
from tests.conftest import SECRET, MakeSettings
from tests.deploy import sam
from tests.deploy.cloudformation import CloudFormation
from tests.deploy.sam import REGION, Translator
from tests.support.database_copy import DatabaseCopy
from tests.support.serving import serving

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.version_info[:2] != PYTHON, reason="only Python 3.13 can build the bundle"),
]

WORKFLOW = YAML(typ="safe").load(CHECKOUT / ".github" / "workflows" / "deploy.yml")
BUCKET = "bundles"
OWN_VALUES = {
    "https://todo.example.com": "https://todo.test",
    "https://stage.todo.example.com": "https://stage.todo.test",
    "AlarmEmail=none": "AlarmEmail=ada@todo.test",
}
"""What an operator puts into samconfig.toml before the first deployment."""
ORIGINS = ("http://localhost:3000", "https://stage.todo.test", "https://todo.test")


@dataclass(frozen=True)
class Runner:
    """What GitHub's machine is for a job: a checkout, and variables."""

    checkout: Path
    variables: dict[str, str]
    secrets: dict[str, str]

    def run_job(self, job: dict[str, Any], **github: str) -> str:
        """Run the commands of a job in order. Gives what they print; an AssertionError says which one failed."""
        printed = ""
        for step in job["steps"]:
            if "run" not in step or (step.get("if") == "github.ref_type == 'tag'" and "GITHUB_REF_NAME" not in github):
                continue  # actions check out, install Python and get credentials: here that is done already
            env = {name: self._insert(value) for name, value in {**job["env"], **step.get("env", {})}.items()}
            ran = self.run(step["run"], **env, **github)
            printed += ran.stdout + ran.stderr
            assert ran.returncode == 0, f"{step['run']}: {ran.stdout}{ran.stderr}"
        return printed

    def run(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one command as GitHub does, in a session without a terminal."""
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command],
            cwd=self.checkout,
            env=self.variables | variables,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
            capture_output=True,
            text=True,
        )

    def _insert(self, value: str) -> str:
        return re.sub(r"\$\{\{ secrets\.(\w+) }}", lambda found: self.secrets[found[1]], value)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this checkout's files, an operator's own values, and one commit."""
    copy = tmp_path_factory.mktemp("workflow") / "todo api"
    copy.mkdir()
    for name in ("backend", "dev", "requirements"):
        shutil.copytree(CHECKOUT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "template.yaml", "samconfig.toml", "requirements.txt", ".gitignore"):
        shutil.copy(CHECKOUT / name, copy / name)
    config = (copy / "samconfig.toml").read_text()
    for example, own in OWN_VALUES.items():
        assert example in config
        config = config.replace(example, own)
    (copy / "samconfig.toml").write_text(config)
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-qm", "1"],
    ):
        subprocess.run(["git", *arguments], cwd=copy, check=True)
    (copy / ".venv").symlink_to(sys.prefix)
    (copy / ".venv-sam").symlink_to(sam.environment())
    for lock in (copy / "requirements.txt", *(copy / "requirements").glob("*.txt")):
        os.utime(lock, (0, 0))  # older than what is installed, so that make installs nothing
    return copy


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The URL of a local S3 and Secrets Manager, with a bucket."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client("s3", f"http://{host}:{port}").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    yield f"http://{host}:{port}"
    server.stop()


def client(service: str, url: str) -> Any:
    return boto3.client(service, REGION, endpoint_url=url, aws_access_key_id="none", aws_secret_access_key="none")


def built_version(aws: str, template_url: str) -> str:
    """The version in the bundle that an uploaded template names."""
    s3 = client("s3", aws)
    template = s3.get_object(Bucket=BUCKET, Key=template_url.rpartition("/")[2])["Body"].read().decode()
    key = re.search(rf"CodeUri: s3://{BUCKET}/(\w+)", template)
    assert key
    with ZipFile(io.BytesIO(s3.get_object(Bucket=BUCKET, Key=key[1])["Body"].read())) as bundle:
        version = re.search('__version__ = "(.*)"', bundle.read("backend/__init__.py").decode())
    assert version
    return version[1]


@dataclass(frozen=True)
class Account:
    """An AWS account, and the machine that deploys to it."""

    stacks: CloudFormation
    runner: Runner


@pytest.fixture
def account(
    checkout: Path, aws: str, fresh_database: DatabaseCopy, make_settings: MakeSettings, translator: Translator
) -> Iterator[Account]:
    """Each environment has a secret. What is deployed is served here, as the version that the uploaded bundle has."""
    app = create_app(make_settings(database_url=fresh_database.url, frontend_url=ORIGINS))
    secret = json.dumps({"DATABASE_URL": fresh_database.url, "BETTER_AUTH_SECRET": SECRET})
    secrets = client("secretsmanager", aws)
    for environment in ("dev", "stage", "prod"):
        secrets.create_secret(Name=f"todo-api/{environment}", SecretString=secret)

    with serving(app) as url:

        def execute(_: str, template_url: str) -> str:
            app.version = built_version(aws, template_url)
            return url

        with CloudFormation(translator, BUCKET, execute) as stacks:
            yield Account(
                stacks, Runner(checkout, variables(aws, stacks), {"DATABASE_DIRECT_URL": fresh_database.owner_url})
            )
    for environment in ("dev", "stage", "prod"):
        secrets.delete_secret(SecretId=f"todo-api/{environment}", ForceDeleteWithoutRecovery=True)


def variables(aws: str, stacks: CloudFormation) -> dict[str, str]:
    """What the actions of a job leave in the environment: a pipeline, Python, and credentials."""
    names = ("PATH", "HOME", "TMPDIR", "PIP_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE")
    return {
        **{name: os.environ[name] for name in names if name in os.environ},
        "CI": "true",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_ENDPOINT_URL": aws,
        "AWS_ENDPOINT_URL_CLOUDFORMATION": stacks.url,
    }


def deploying_jobs() -> list[dict[str, Any]]:
    """The jobs that deploy, each after the one that it needs."""
    jobs, name = [], "ci"
    while following := [other for other, job in WORKFLOW["jobs"].items() if job.get("needs") == name]:
        (name,) = following
        jobs.append(WORKFLOW["jobs"][name])
    assert len(jobs) == len(WORKFLOW["jobs"]) - 1, "a job that deploys without waiting for another"
    return jobs


def test_a_release_is_deployed_to_dev_stage_and_prod(account: Account, checkout: Path) -> None:
    printed = "".join(account.runner.run_job(job, GITHUB_REF_NAME=f"v{__version__}") for job in deploying_jobs())

    deployed = account.stacks.deployed
    assert list(deployed) == ["todo-api-dev", "todo-api-stage", "todo-api-prod"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, check=True, capture_output=True, text=True)
    for name, parameters in deployed.items():
        assert parameters["Environment"] == name.rpartition("-")[2]
        assert parameters["Version"] == f"{__version__}+{head.stdout[:7]}"
        assert parameters["SecretVersionId"]
    assert deployed["todo-api-prod"]["AlarmEmail"] == "ada@todo.test"
    assert printed.count("Deployed.") == 3
    assert SECRET not in printed
    assert "y/N" not in printed


def test_sams_own_commands_deploy_as_the_guide_says(account: Account) -> None:
    command = "sam build --config-env prod && sam deploy --config-env prod"
    assert f"`{command}`" in (CHECKOUT / "docs" / "deploying.md").read_text()

    ran = account.runner.run(f"echo y | ({command})", PATH=f"{sam.environment() / 'bin'}:{os.environ['PATH']}")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert list(account.stacks.deployed) == ["todo-api-prod"]


def test_each_environment_has_its_own_protection() -> None:
    jobs = deploying_jobs()

    assert [(job["environment"], job["env"]["ENV"]) for job in jobs] == [
        (name, name) for name in ("dev", "stage", "prod")
    ]


def test_a_tag_that_is_not_the_version_deploys_nothing(account: Account) -> None:
    with pytest.raises(AssertionError, match="GITHUB_REF_NAME"):
        account.runner.run_job(deploying_jobs()[0], GITHUB_REF_NAME="v0.0.1")

    assert account.stacks.deployed == {}


def test_production_without_an_agreement_is_refused_in_one_line(account: Account) -> None:
    ran = account.runner.run("make deploy ENV=prod", **account.runner.secrets)

    assert ran.returncode != 0
    assert ran.stdout == ""
    assert "confirm_changeset" in ran.stderr.splitlines()[0]
    assert account.stacks.deployed == {}


def test_what_cloudformation_refuses_ends_the_job(account: Account) -> None:
    config = account.runner.checkout / "samconfig.toml"
    ours = config.read_text()
    config.write_text(ours.replace("AlarmEmail=ada@todo.test", "AlarmEmail=ada"))

    try:
        with pytest.raises(AssertionError, match="AlarmEmail failed to satisfy constraint"):
            account.runner.run_job(deploying_jobs()[-1])
    finally:
        config.write_text(ours)

    assert account.stacks.deployed == {}
