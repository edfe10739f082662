"""`make invoke EVENT=events/….json`: run the function on one event as Lambda would, without Docker."""

import json
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory
from typing import Any

from backend.migrations.apply import apply
from backend.postgres.url import DatabaseUrl
from backend.settings import ConfigurationError
from dev.embedded_postgres.server import EmbeddedPostgres
from dev.local_lambda import events
from dev.local_lambda.runtime_api import LambdaInstance
from dev.make_process import interrupt_on_sigterm
from dev.paths import CHECKOUT
from dev.start.database import connection_strings, temporary
from dev.user_error import UserError

FRONTEND_URL = "http://localhost:3000"
"""The origin of the sample events, and the frontend's usual one."""


def main(arguments: list[str]) -> int:
    """Run the function on the event in the file that the command line names. Returns the exit code."""
    try:
        if len(arguments) != 1:
            raise UserError("Which event? For example: make invoke EVENT=events/list-tasks.json")
        with ExitStack() as running:
            _invoke(events.read(Path(arguments[0])), running)
    except (UserError, ConfigurationError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        report("Stopped.")
    return 0


def _invoke(event: Any, running: ExitStack) -> None:
    folder = Path(running.enter_context(TemporaryDirectory(prefix="todo-api-invoke-")))
    variables = with_temporary_database(running)
    report("Starting the function")
    function = running.enter_context(start_function(variables, inside=folder))
    filled = events.fill(event, send=sender(function), secret=variables["BETTER_AUTH_SECRET"])
    logged_before = len(function.log())
    answer = sender(function)(filled)
    report(function.log()[logged_before:].rstrip())
    print(_as_text(answer))


def with_temporary_database(running: ExitStack) -> dict[str, str]:
    """The function's variables, for a migrated PostgreSQL of its own that exists until `running` is closed.

    An event changes the database, and counts towards rate limits. So nothing of it is kept.
    """
    report("Starting PostgreSQL")
    return migrated(running.enter_context(temporary()), token_urlsafe(36))


def migrated(postgres: EmbeddedPostgres, secret: str) -> dict[str, str]:
    """The function's variables, for this PostgreSQL with the newest schema."""
    urls = connection_strings(postgres)
    owner, login = DatabaseUrl.parse(urls["DATABASE_DIRECT_URL"]), DatabaseUrl.parse(urls["DATABASE_URL"])
    apply(owner, login, lambda _: None)
    return {"DATABASE_URL": urls["DATABASE_URL"], "BETTER_AUTH_SECRET": secret, "FRONTEND_URL": FRONTEND_URL}


def start_function(variables: dict[str, str], *, inside: Path | None = None) -> LambdaInstance:
    """The function of this checkout, in Lambda's runtime client, or in ours where AWS publishes none.

    :param inside: a folder that the caller removes. Ctrl-C while the function makes its own one leaves nothing then
    """
    client = "awslambdaric" if find_spec("awslambdaric") else "dev.local_lambda.runtime_client"
    return LambdaInstance(CHECKOUT, variables, client=client, inside=inside)


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
    interrupt_on_sigterm()
    sys.exit(main(sys.argv[1:]))
