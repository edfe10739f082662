"""`make deploy` and `make deploy ENV=prod`: deploy this checkout to AWS, to any section of samconfig.toml.

An AWS account, a Neon database and a secret must exist before; docs/deploying.md says how to create them.
"""

import argparse
import os
import subprocess
import sys
from functools import partial

import boto3
from botocore.exceptions import BotoCoreError

from dev.deploy.questions import Questions
from dev.deploy.steps import Deployment
from dev.deploy.target import Target
from dev.paths import CHECKOUT
from dev.user_error import UserError
from dev.version import version_of


def _run(target: Target, questions: Questions, command: list[str]) -> None:
    # SAM does not pass the template's architecture on to the Makefile.
    variables = {"ARCH": target.parameters.get("Architecture", "x86_64"), "SAM_CLI_TELEMETRY": "0"}
    stdin = None if questions.are_answered else subprocess.DEVNULL
    try:
        subprocess.run(command, cwd=CHECKOUT, env={**os.environ, **variables}, stdin=stdin, check=True)
    except subprocess.CalledProcessError:
        raise UserError(f"`sam {command[1]}` failed; see its output above") from None


def obey_region_like_the_aws_cli() -> None:
    """Pass AWS_REGION on as AWS_DEFAULT_REGION. The AWS CLI reads both, the first before the second; boto3 and SAM
    read the second alone, and would deploy to another region than the one that the secret is in.
    """
    if region := os.environ.get("AWS_REGION"):
        os.environ["AWS_DEFAULT_REGION"] = region


def _deploy(environment: str, questions: Questions) -> None:
    target = Target.read(environment, CHECKOUT / "samconfig.toml")
    try:
        questions.refuse_unanswered(target)
        obey_region_like_the_aws_cli()
        aws = boto3.Session(region_name=target.region, profile_name=target.profile)
    except BotoCoreError as error:
        raise UserError(f"AWS: {error}") from None
    run = partial(_run, target, questions)
    Deployment(target, version_of(CHECKOUT), questions, aws, run, partial(print, flush=True)).run_steps()


def main(arguments: list[str]) -> int:
    """Deploy to the environment that the command line names. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make deploy", description="Deploy this checkout to AWS.")
    parser.add_argument("environment", nargs="?", default="dev", help="a section of samconfig.toml (default: dev)")
    parser.add_argument("--confirmed", action="store_true", help="the change is agreed to: do not ask")
    options = parser.parse_args(arguments)
    try:
        _deploy(options.environment, Questions.here(is_confirmed=options.confirmed))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
