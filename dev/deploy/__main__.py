"""`make deploy` and `make deploy ENV=prod`: deploy this checkout to AWS.

An AWS account, a Neon database and a secret must exist before; docs/deploying.md says how to create them.
"""

import os
import subprocess
import sys
from functools import partial
from getpass import getpass

import boto3
from botocore.exceptions import BotoCoreError

from dev.deploy.steps import deploy
from dev.deploy.target import Target
from dev.paths import CHECKOUT
from dev.user_error import UserError


def _owner_url() -> str:
    """The owner's connection string, from the environment or typed in.

    `.env` is not read: it describes the database of this machine.
    """
    url = os.environ.get("DATABASE_DIRECT_URL", "")
    if not url and sys.stdin.isatty():
        url = getpass("  The owner's connection string, without -pooler (it is not shown): ")
    if not url:
        raise UserError("Set DATABASE_DIRECT_URL to the owner's connection string, without -pooler")
    return url


def _run(target: Target, command: list[str]) -> None:
    # SAM does not pass the template's architecture on to the Makefile.
    variables = {"ARCH": target.parameters.get("Architecture", "x86_64"), "SAM_CLI_TELEMETRY": "0"}
    try:
        subprocess.run(command, cwd=CHECKOUT, env={**os.environ, **variables}, check=True)
    except subprocess.CalledProcessError:
        raise UserError(f"`sam {command[1]}` failed; see its output above") from None


def main(arguments: list[str]) -> int:
    """Deploy to the environment that the command line names. Returns the exit code."""
    try:
        target = Target.read(arguments[0] if arguments else "dev", CHECKOUT / "samconfig.toml")
        try:
            aws = boto3.Session(region_name=target.region, profile_name=target.profile)
        except BotoCoreError as error:
            raise UserError(f"AWS: {error}") from None
        deploy(target, _owner_url, aws, partial(_run, target), partial(print, flush=True))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
