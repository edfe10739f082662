"""`sam local` with a database: `python -m dev.local_lambda.sam invoke events/….json`, and `… start-api`.

Docker is needed: SAM runs the bundle of `sam build` in Lambda's image. The embedded PostgreSQL listens on 127.0.0.1
only. On Linux the container uses the host's network. On Docker Desktop it connects to `host.docker.internal`, without
TLS, which the function allows because SAM sets `AWS_SAM_LOCAL`.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from backend.settings import ConfigurationError
from dev.local_lambda import events
from dev.local_lambda.invoke import environment_with_database, sender
from dev.local_lambda.runtime_api import LambdaInstance
from dev.paths import CHECKOUT
from dev.user_error import UserError

FUNCTION = "ApiFunction"


def main(arguments: list[str], *, platform: str = sys.platform) -> int:
    """Run a command of `sam local` to its end. Returns its exit code."""
    try:
        match arguments:
            case ["invoke", event]:
                return _run(["invoke", FUNCTION], platform, event=Path(event))
            case ["start-api", *options]:
                return _run(["start-api", *options], platform)
            case _:
                raise UserError("Usage: python -m dev.local_lambda.sam invoke events/list-tasks.json, or … start-api")
    except (UserError, ConfigurationError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # Ctrl-C ends start-api
        return 0


def _run(command: list[str], platform: str, event: Path | None = None) -> int:
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="todo-api-sam-")))
        sam = _sam()
        variables = environment_with_database(running)
        if event is not None:
            with LambdaInstance(CHECKOUT, variables) as function:
                filled = events.fill(events.read(event), send=sender(function), secret=variables["BETTER_AUTH_SECRET"])
            (folder / "event.json").write_text(json.dumps(filled))
            command += ["--event", str(folder / "event.json")]
        if platform == "linux":
            command += ["--docker-network", "host"]
        else:
            variables["DATABASE_URL"] = from_container(variables["DATABASE_URL"])
        (folder / "variables.json").write_text(json.dumps({FUNCTION: variables}))
        command += ["--env-vars", str(folder / "variables.json")]
        return subprocess.run([sam, "local", *command], check=False, cwd=CHECKOUT).returncode


def from_container(url: str) -> str:
    """The connection string with which a container of Docker Desktop reaches this machine's database."""
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    address = f"{credentials}@host.docker.internal:{parts.port}"
    return urlunsplit((parts.scheme, address, parts.path, "sslmode=disable", ""))


def _sam() -> str:
    installed = CHECKOUT / ".venv-sam" / "bin" / "sam"
    program = str(installed) if installed.exists() else shutil.which("sam")
    if program is None:
        raise UserError("The SAM CLI is not installed: `make .venv-sam/installed` installs it")
    return program


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
