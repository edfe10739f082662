"""docs/logs.md: the function writes what it shows."""

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
Written = Callable[[], Lines]
ALIKE = ("level", "message", "method", "route", "status", "reason", "nothing_was_written", "source", "detail_type")
"""Members that have the same value in every run."""


def shown(heading: str) -> Lines:
    """The lines below a heading of the page."""
    section = (CHECKOUT / "docs" / "logs.md").read_text().partition(f"## {heading}")[2]
    block = re.search(r"```json\n(.*?)```", section, re.DOTALL)
    assert block is not None, f"docs/logs.md shows no {heading}"
    return [json.loads(line.replace("{…}", "{}")) for line in block[1].splitlines()]


def essence(lines: Lines) -> list[object]:
    """What was counted, and then what was logged, which goes to another stream here."""
    counted = [{"counted": sorted(line.keys() - {"_aws", "service"})} for line in lines if "_aws" in line]
    logged = [
        {name: line[name] for name in ALIKE if name in line} | {"is_user_known": "user_id" in line}
        for line in lines
        if "_aws" not in line
    ]
    return [*counted, *logged]


@pytest.fixture
def written(logged: Written, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Written:
    """Gives what was written since it was asked before, on an instance that has served others."""
    monkeypatch.setattr(telemetry, "_is_first_invocation", False)
    asked = [0]

    def since_then() -> Lines:
        lines, asked[0] = logged()[asked[0] :], len(logged())
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()] + lines

    return since_then


def sign_up(handle: Handle, email: str) -> str:
    """Gives the access token."""
    answer = handle(http_event("POST", "/api/auth/signup", body={"email": email, "password": PASSWORD}))
    token: str = json.loads(answer["body"])["access_token"]
    return token


def test_a_sign_up_on_a_new_instance(handle: Handle, written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "_is_first_invocation", True)

    sign_up(handle, "logs-201@example.com")

    lines, page = written(), shown("A sign-up")
    assert essence(lines) == essence(page)
    assert lines[-1].keys() == page[-1].keys()


def test_a_401(handle: Handle, written: Written) -> None:
    handle(http_event("GET", "/api/tasks"))

    assert essence(written()) == essence(shown("401"))


def test_a_429(make_settings: MakeSettings, written: Written) -> None:
    once = make_settings(database_pool_size=0, signin_failures_per_account_and_address=1)
    handler = GatewayHandler(create_app(once))
    event = http_event("POST", "/api/auth/signin", body={"email": "logs-429@example.com", "password": PASSWORD})
    handler(event, Context())
    written()

    assert handler(event, Context())["statusCode"] == 429

    assert essence(written()) == essence(shown("429"))


def test_a_503(handle: Handle, make_settings: MakeSettings, written: Written) -> None:
    token = sign_up(handle, "logs-503@example.com")
    nowhere = make_settings(database_url="postgresql://todo_api:password@127.0.0.1:1/todo", database_pool_size=0)
    written()

    GatewayHandler(create_app(nowhere))(http_event("GET", "/api/tasks", token=token), Context())

    assert essence(written()) == essence(shown("503"))


def test_a_500(handle: Handle, written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    token = sign_up(handle, "logs-500@example.com")
    monkeypatch.setattr(service, "list_as_json", lambda _: 1 / 0)
    written()

    handle(http_event("GET", "/api/tasks", token=token))

    assert essence(written()) == essence(shown("500"))


def test_another_event(handle: Handle, written: Written) -> None:
    handle({"source": "aws.events", "detail-type": "Scheduled Event"})

    assert essence(written()) == essence(shown("What is not a request")[:1])
