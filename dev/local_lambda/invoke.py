"""`make invoke EVENT=events/….json`: run the function on one event as Lambda would, without Docker."""

import json
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from backend.migrations.apply import apply
from backend.postgres.url import DatabaseUrl
from backend.settings import ConfigurationError
from dev.local_lambda import events
from dev.local_lambda.runtime_api import LambdaInstance
from dev.local_secret import local_secret
from dev.paths import CHECKOUT, LOCAL_DATA
from dev.start.database import connection_strings, embedded
from dev.user_error import UserError


def main(arguments: list[str]) -> int:
    """Run the function on the event in the file that the command line names. Returns the exit code."""
    try:
        if len(arguments) != 1:
            raise UserError("Which event? For example: make invoke EVENT=events/list-tasks.json")
        if find_spec("awslambdaric") is None:
            raise UserError("awslambdaric is not installed: AWS publishes Lambda's runtime client for Linux only")
        with ExitStack() as running:
            _invoke(events.read(Path(arguments[0])), running)
    except (UserError, ConfigurationError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _invoke(event: Any, running: ExitStack) -> None:
    variables = environment_with_database(running)
    report("Starting the function")
    function = running.enter_context(LambdaInstance(CHECKOUT, variables))
    filled = events.fill(event, send=sender(function), secret=variables["BETTER_AUTH_SECRET"])
    logged_before = len(function.log())
    answer = sender(function)(filled)
    report(function.log()[logged_before:].rstrip())
    print(_as_text(answer))


def environment_with_database(running: ExitStack) -> dict[str, str]:
    """The function's environment variables, for a migrated embedded database that runs until `running` is closed."""
    LOCAL_DATA.mkdir(exist_ok=True)
    LOCAL_DATA.chmod(0o711)  # PostgreSQL's user must be able to enter it
    urls = connection_strings(running.enter_context(embedded(LOCAL_DATA, 0, report)))
    apply(DatabaseUrl.parse(urls["DATABASE_DIRECT_URL"]), DatabaseUrl.parse(urls["DATABASE_URL"]), report)
    return {
        "DATABASE_URL": urls["DATABASE_URL"],
        "BETTER_AUTH_SECRET": local_secret(LOCAL_DATA / "better_auth_secret"),
        "FRONTEND_URL": "http://localhost:3000",
    }


def sender(function: LambdaInstance) -> events.Send:
    """A function that sends an event to the Lambda function and returns its answer. An error becomes a `UserError`."""

    def send(event: object) -> Any:
        answer = function.invoke(event)
        if answer.error is not None:
            raise UserError(f"The function failed: {answer.error.get('errorMessage')}")
        return answer.value

    return send


def _as_text(answer: Any) -> str:
    """The answer as an HTTP response, with its JSON indented."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return json.dumps(answer, indent=2)
    headers = "".join(f"{name}: {value}\n" for name, value in sorted(answer.get("headers", {}).items()))
    try:
        body = json.dumps(json.loads(answer.get("body", "")), indent=2, ensure_ascii=False)
    except ValueError:
        body = answer.get("body", "")
    return f"{answer['statusCode']}\n{headers}\n{body}".rstrip()


def report(line: str) -> None:
    """Print a line to standard error. Standard output is only for the answer."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
