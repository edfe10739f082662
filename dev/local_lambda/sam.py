"""`sam local` with a database for it: `python -m dev.local_lambda.sam invoke events/….json`, and `… start-api`.

Needs Docker, in which SAM runs Lambda's own image with the bundle of `sam build`. The embedded PostgreSQL listens on
127.0.0.1 only: on Linux the container shares this machine's network; Docker Desktop brings it here from
`host.docker.internal`, to which the function connects without TLS because SAM sets AWS_SAM_LOCAL.
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
from dev.embedded_postgres.server import CHECKOUT
from dev.local_lambda import events
from dev.local_lambda.invoke import environment_with_database, sender
from dev.local_lambda.runtime_api import LambdaInstance
from dev.user_error import UserError

FUNCTION = "ApiFunction"


def main(arguments: list[str], *, platform: str = sys.platform) -> int:
    """Run one of SAM's commands to its end. Gives its exit code."""
    try:
        match arguments:
            case ["invoke", event]:
                return _run(["invoke", FUNCTION], platform, event=Path(event))
            case ["start-api", *options]:
                return _run(["start-api", *options], platform)
            case _:
                raise UserError("Usage: python -m dev.local_lambda.sam invoke events/list-tasks.json, or … start-api")
    except (UserError, ConfigurationError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # how start-api is ended
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
    """A connection string for this machine's database, as a container of Docker Desktop finds it."""
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    address = f"{credentials}@host.docker.internal:{parts.port}"
    return urlunsplit((parts.scheme, address, parts.path, "sslmode=disable", ""))


def _sam() -> str:
    own = CHECKOUT / ".venv-sam" / "bin" / "sam"
    found = str(own) if own.exists() else shutil.which("sam")
    if found is None:
        raise UserError("The SAM CLI is not installed: `make .venv-sam/installed` does it")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
