"""docs/logs.md: the function writes the lines that the page shows."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from backend import telemetry
from backend.app import create_app
from backend.aws.handler import GatewayHandler
from backend.tasks import service
from dev.local_lambda.events import http_event
from dev.paths import CHECKOUT
from tests.aws.conftest import Context, Handle
from tests.conftest import MakeSettings
from tests.support.people import PASSWORD

pytestmark = pytest.mark.spec("NFR-015")

Lines = list[dict[str, Any]]
NewLines = Callable[[], Lines]
STABLE_MEMBERS = (
    "level",
    "message",
    "method",
    "route",
    "status",
    "reason",
    "nothing_was_written",
    "source",
    "detail_type",
)
"""Members that have the same value in every run."""


def documented_lines(heading: str) -> Lines:
    """The lines that the page shows below this heading."""
    section = (CHECKOUT / "docs" / "logs.md").read_text().partition(f"## {heading}")[2]
    block = re.search(r"```json\n(.*?)```", section, re.DOTALL)
    assert block is not None, f"docs/logs.md shows no {heading}"
    return [json.loads(line.replace("{…}", "{}")) for line in block[1].splitlines()]


def stable_parts(lines: Lines) -> list[object]:
    """What can be compared: first the counted metrics, then the logged lines, which use another stream here."""
    counted = [{"counted": sorted(line.keys() - {"_aws", "service"})} for line in lines if "_aws" in line]
    logged = [
        {name: line[name] for name in STABLE_MEMBERS if name in line} | {"is_user_known": "user_id" in line}
        for line in lines
        if "_aws" not in line
    ]
    return [*counted, *logged]


@pytest.fixture
def new_lines(logged: NewLines, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> NewLines:
    """Gives the lines that were written since the last call, on an instance that is not in its first invocation."""
    monkeypatch.setattr(telemetry, "_is_first_invocation", False)
    asked = [0]

    def since_last_call() -> Lines:
        lines, asked[0] = logged()[asked[0] :], len(logged())
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()] + lines

    return since_last_call


def sign_up(handle: Handle, email: str) -> str:
    """Sign up. Gives the access token."""
    answer = handle(http_event("POST", "/api/auth/signup", body={"email": email, "password": PASSWORD}))
    token: str = json.loads(answer["body"])["access_token"]
    return token


def test_a_sign_up_on_a_new_instance(handle: Handle, new_lines: NewLines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "_is_first_invocation", True)

    sign_up(handle, "logs-201@example.com")

    lines, page = new_lines(), documented_lines("A sign-up")
    assert stable_parts(lines) == stable_parts(page)
    assert lines[-1].keys() == page[-1].keys()


def test_a_401(handle: Handle, new_lines: NewLines) -> None:
    handle(http_event("GET", "/api/tasks"))

    assert stable_parts(new_lines()) == stable_parts(documented_lines("401"))


def test_a_429(make_settings: MakeSettings, new_lines: NewLines) -> None:
    once = make_settings(database_pool_size=0, signin_failures_per_account_and_address=1)
    handler = GatewayHandler(create_app(once))
    event = http_event("POST", "/api/auth/signin", body={"email": "logs-429@example.com", "password": PASSWORD})
    handler(event, Context())
    new_lines()

    assert handler(event, Context())["statusCode"] == 429

    assert stable_parts(new_lines()) == stable_parts(documented_lines("429"))


def test_a_503(handle: Handle, make_settings: MakeSettings, new_lines: NewLines) -> None:
    token = sign_up(handle, "logs-503@example.com")
    unreachable = make_settings(database_url="postgresql://todo_api:password@127.0.0.1:1/todo", database_pool_size=0)
    new_lines()

    GatewayHandler(create_app(unreachable))(http_event("GET", "/api/tasks", token=token), Context())

    assert stable_parts(new_lines()) == stable_parts(documented_lines("503"))


def test_a_500(handle: Handle, new_lines: NewLines, monkeypatch: pytest.MonkeyPatch) -> None:
    token = sign_up(handle, "logs-500@example.com")
    monkeypatch.setattr(service, "list_as_json", lambda _: 1 / 0)
    new_lines()

    handle(http_event("GET", "/api/tasks", token=token))

    assert stable_parts(new_lines()) == stable_parts(documented_lines("500"))


def test_another_event(handle: Handle, new_lines: NewLines) -> None:
    handle({"source": "aws.events", "detail-type": "Scheduled Event"})

    assert stable_parts(new_lines()) == stable_parts(documented_lines("What is not a request")[:1])
