"""`make invoke`: it handles one event with a database of its own and without an AWS account, and leaves nothing."""

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from dev.local_lambda import events, invoke
from dev.local_lambda.events import http_event
from dev.local_lambda.runtime_api import InitFailed, LambdaInstance
from dev.paths import CHECKOUT
from dev.user_error import UserError
from tests.conftest import ORIGIN, SECRET
from tests.support.checkout_copy import CheckoutCopy, copied_checkout
from tests.support.database_copy import DatabaseCopy

OUR_CLIENT = "dev.local_lambda.runtime_client"


@pytest.fixture
def checkout() -> Iterator[CheckoutCopy]:
    pytest.importorskip("awslambdaric")
    with copied_checkout() as copy:
        yield copy


def test_prints_status_headers_and_body_of_an_event_with_a_fresh_token(checkout: CheckoutCopy) -> None:
    ran = checkout.run("dev.local_lambda.invoke", "events/get-task.json")

    assert ran.returncode == 0, ran.stderr
    head, _, body = ran.stdout.partition("\n\n")
    status, *headers = head.splitlines()
    assert status == "200"
    assert 'etag: "1"' in headers
    assert json.loads(body)["title"] == "Buy milk"
    assert '"route":"/api/tasks/{task_id}"' in ran.stderr


def test_a_list_has_a_task_and_nothing_is_left_behind(checkout: CheckoutCopy) -> None:
    ran = checkout.run("dev.local_lambda.invoke", "events/list-tasks.json")

    [task] = json.loads(ran.stdout.partition("\n\n")[2])
    assert task["title"] == "Buy milk"
    assert not (checkout.folder / ".data").exists()
    assert list(checkout.temporary.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_can_be_stopped_and_leaves_nothing_behind(checkout: CheckoutCopy, how: signal.Signals) -> None:
    process = checkout.start("dev.local_lambda.invoke", "events/list-tasks.json")
    assert process.stderr is not None
    while process.stderr.readline() != "Starting the function\n":
        assert process.poll() is None

    process.send_signal(how)
    _, errors = process.communicate(timeout=60)

    assert errors == "Stopped.\n"
    assert list(checkout.temporary.iterdir()) == []


class TestOurRuntimeClient:
    """Where AWS publishes no awslambdaric, as for macOS."""

    @pytest.fixture
    def variables(self, fresh_database: DatabaseCopy) -> dict[str, str]:
        return {"DATABASE_URL": fresh_database.url, "BETTER_AUTH_SECRET": SECRET, "FRONTEND_URL": ORIGIN}

    def test_it_is_taken_where_there_is_no_other(
        self, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(invoke, "find_spec", lambda _: None)

        with invoke.start_function(variables) as function:
            assert OUR_CLIENT in function.process.args  # type: ignore[operator]
            health = function.invoke(events.read(CHECKOUT / "events/health.json"))

        assert health.value["statusCode"] == 200
        assert json.loads(health.value["body"]) == {"status": "ok"}

    def test_what_the_handler_raises_is_reported_and_the_next_event_handled(self, variables: dict[str, str]) -> None:
        with LambdaInstance(CHECKOUT, variables, handler="json.dumps", client=OUR_CLIENT) as function:
            answers = [function.invoke({}) for _ in range(2)]

        assert [answer.error["errorType"] for answer in answers] == ["TypeError", "TypeError"]

    def test_what_stops_the_start_is_reported(self) -> None:
        with pytest.raises(InitFailed, match="DATABASE_URL"):
            LambdaInstance(CHECKOUT, {}, client=OUR_CLIENT)


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


def fail_if_asked(event: dict[str, Any]) -> dict[str, Any]:
    raise AssertionError(f"nothing had to be asked: {event}")


def test_an_event_without_placeholders_stays_as_it_is() -> None:
    event = http_event("GET", "/")

    assert events.fill(event, send=fail_if_asked, secret=SECRET) == event


def test_a_function_that_refuses_to_prepare_an_event_is_quoted() -> None:
    event = http_event("GET", "/api/tasks", token="<access_token>")

    with pytest.raises(UserError, match=r'cannot be prepared: the function answers \{"detail": "no"\}'):
        events.fill(event, send=lambda _: {"statusCode": 503, "body": '{"detail": "no"}'}, secret=SECRET)
