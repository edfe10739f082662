"""`make deploy` and `make deploy ENV=prod`: from this checkout to a URL that works, step by step.

docs/deploying.md says what must exist before: an AWS account, a Neon database and a secret.
"""

import os
import subprocess
import sys
from functools import partial
from getpass import getpass

import boto3
from botocore.exceptions import BotoCoreError

from dev.deploy.steps import CHECKOUT, deploy
from dev.deploy.target import Target
from dev.user_error import UserError


def _owner_url() -> str:
    """From the environment, or from the keyboard. Not from `.env`, which is about this machine's database."""
    url = os.environ.get("DATABASE_DIRECT_URL", "")
    if not url and sys.stdin.isatty():
        url = getpass("  The owner's connection string, without -pooler (it is not shown): ")
    if not url:
        raise UserError("Set DATABASE_DIRECT_URL to the owner's connection string, without -pooler")
    return url


def _run(target: Target, command: list[str]) -> None:
    # SAM does not tell the Makefile which architecture the template asks for.
    told = {"ARCH": target.parameters.get("Architecture", "x86_64"), "SAM_CLI_TELEMETRY": "0"}
    try:
        subprocess.run(command, cwd=CHECKOUT, env={**os.environ, **told}, check=True)
    except subprocess.CalledProcessError:
        raise UserError(f"`sam {command[1]}` failed; it says why above") from None


def main(arguments: list[str]) -> int:
    """Deploy the environment of the command line. Gives the exit code."""
    try:
        target = Target.read(arguments[0] if arguments else "dev", CHECKOUT / "samconfig.toml")
        try:
            aws = boto3.Session(region_name=target.region, profile_name=target.profile)
        except BotoCoreError as error:
            raise UserError(f"AWS: {error}") from None
        deploy(target, _owner_url, aws, partial(_run, target), lambda line: print(line, flush=True))
    except UserError as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
