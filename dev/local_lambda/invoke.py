"""`make invoke EVENT=events/….json`: has the function handle one event as on Lambda, without Docker."""

import json
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from backend.migrations.apply import apply
from backend.postgres.url import DatabaseUrl
from backend.settings import ConfigurationError
from dev.embedded_postgres.server import CHECKOUT
from dev.local_lambda import events
from dev.local_lambda.runtime_api import LambdaInstance
from dev.start.database import embedded, environment
from dev.start.secret import kept_secret
from dev.user_error import UserError

DATA = CHECKOUT / ".data"


def main(arguments: list[str]) -> int:
    """Handle the event of the file that is named, and print the answer. Gives the exit code."""
    try:
        if len(arguments) != 1:
            raise UserError("Which event? For example: make invoke EVENT=events/list-tasks.json")
        if find_spec("awslambdaric") is None:
            raise UserError("awslambdaric is not installed: AWS publishes Lambda's runtime client for Linux only")
        with ExitStack() as running:
            _invoke(events.read(Path(arguments[0])), running)
    except (UserError, ConfigurationError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _invoke(event: Any, running: ExitStack) -> None:
    variables = environment_with_database(running)
    say("Starting the function")
    function = running.enter_context(LambdaInstance(CHECKOUT, variables))
    filled = events.fill(event, send=sender(function), secret=variables["BETTER_AUTH_SECRET"])
    already_said = len(function.log())
    answer = sender(function)(filled)
    say(function.log()[already_said:].rstrip())
    print(_as_text(answer))


def environment_with_database(running: ExitStack) -> dict[str, str]:
    """The function's variables, with a migrated database of this checkout's own that serves while `running` is open."""
    DATA.mkdir(exist_ok=True)
    DATA.chmod(0o711)  # PostgreSQL's account has to get through
    urls = environment(running.enter_context(embedded(DATA, 0, say)))
    apply(DatabaseUrl.parse(urls["DATABASE_DIRECT_URL"]), DatabaseUrl.parse(urls["DATABASE_URL"]), say)
    return {
        "DATABASE_URL": urls["DATABASE_URL"],
        "BETTER_AUTH_SECRET": kept_secret(DATA / "better_auth_secret"),
        "FRONTEND_URL": "http://localhost:3000",
    }


def sender(function: LambdaInstance) -> events.Send:
    """Has the function handle an event; a failure of it is a problem."""

    def send(event: object) -> Any:
        answer = function.invoke(event)
        if answer.error is not None:
            raise UserError(f"The function failed: {answer.error.get('errorMessage')}")
        return answer.value

    return send


def _as_text(answer: Any) -> str:
    """The answer as it would go over the wire, with its JSON laid out to be read."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return json.dumps(answer, indent=2)
    headers = "".join(f"{name}: {value}\n" for name, value in sorted(answer.get("headers", {}).items()))
    try:
        body = json.dumps(json.loads(answer.get("body", "")), indent=2, ensure_ascii=False)
    except ValueError:
        body = answer.get("body", "")
    return f"{answer['statusCode']}\n{headers}\n{body}".rstrip()


def say(line: str) -> None:
    """Tell the developer; the answer alone goes to standard output."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
