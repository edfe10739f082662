"""`make invoke`, and `sam local`: both handle one event with a fresh database and without an AWS account."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.postgres.url import DatabaseUrl
from dev.local_lambda import events, invoke
from dev.local_lambda.events import http_event
from dev.local_lambda.sam import from_container
from dev.paths import CHECKOUT
from dev.user_error import UserError
from tests.conftest import SECRET

FAKE_SAM = """#!{python}
import json, sys
options = dict(zip(sys.argv[1:], sys.argv[2:]))
passed = {{name: json.load(open(options[name])) for name in ("--event", "--env-vars")}}
print(json.dumps({{"arguments": sys.argv[1:4], "network": options.get("--docker-network"), **passed}}))
"""


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A copy of this checkout, without its data and without its `.env`."""
    pytest.importorskip("awslambdaric")
    with tempfile.TemporaryDirectory(prefix="todo-test-") as path:
        Path(path).chmod(0o711)
        for part in ("backend", "dev", "events"):
            shutil.copytree(CHECKOUT / part, Path(path, part), ignore=shutil.ignore_patterns("__pycache__"))
        yield Path(path)


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(checkout: Path) -> Run:
    """Runs a program of `dev` in that copy."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        variables = {"PATH": f"{checkout}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/")}
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=checkout,
            env=variables,
            timeout=100,
        )

    return run


def test_prints_status_headers_and_body_of_an_event_with_a_fresh_token(run: Run) -> None:
    ran = run("dev.local_lambda.invoke", "events/get-task.json")

    assert ran.returncode == 0, ran.stderr
    head, _, body = ran.stdout.partition("\n\n")
    status, *headers = head.splitlines()
    assert status == "200"
    assert 'etag: "1"' in headers
    assert json.loads(body)["title"] == "Buy milk"
    assert '"route":"/api/tasks/{task_id}"' in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Which event?"),
        (("events/nothing.json",), "There is no events/nothing.json; there are events/"),
        (("dev/local_lambda/invoke.py",), "dev/local_lambda/invoke.py is not JSON"),
    ],
)
def test_an_unusable_event_file_is_reported_in_one_line(
    arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(CHECKOUT)

    assert invoke.main(list(arguments)) == 1

    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="SAM gets another network on other systems")
def test_sam_local_gets_a_filled_event_and_a_database(run: Run, checkout: Path) -> None:
    (checkout / "sam").write_text(FAKE_SAM.format(python=sys.executable))
    (checkout / "sam").chmod(0o755)

    ran = run("dev.local_lambda.sam", "invoke", "events/list-tasks.json")

    assert ran.returncode == 0, ran.stderr
    passed = json.loads(ran.stdout)
    assert passed["arguments"] == ["local", "invoke", "ApiFunction"]
    assert passed["network"] == "host"
    assert "<" not in passed["--event"]["headers"]["authorization"]
    assert set(passed["--env-vars"]["ApiFunction"]) == {"DATABASE_URL", "BETTER_AUTH_SECRET", "FRONTEND_URL"}


def test_a_docker_desktop_container_reaches_the_database_on_the_host() -> None:
    url = from_container("postgresql://todo_api:p%40ss@127.0.0.1:54321/todo")

    assert url == "postgresql://todo_api:p%40ss@host.docker.internal:54321/todo?sslmode=disable"
    assert DatabaseUrl.parse(url, sam_local=True).tls_context() is None


def fail_if_asked(event: dict[str, Any]) -> dict[str, Any]:
    raise AssertionError(f"nothing had to be asked: {event}")


def test_an_event_without_placeholders_stays_as_it_is() -> None:
    event = http_event("GET", "/")

    assert events.fill(event, send=fail_if_asked, secret=SECRET) == event


def test_a_function_that_refuses_to_prepare_an_event_is_quoted() -> None:
    event = http_event("GET", "/api/tasks", token="<access_token>")

    with pytest.raises(UserError, match=r'cannot be prepared: the function answers \{"detail": "no"\}'):
        events.fill(event, send=lambda _: {"statusCode": 503, "body": '{"detail": "no"}'}, secret=SECRET)
