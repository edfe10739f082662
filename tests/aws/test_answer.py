"""An answer that is too large for Lambda becomes an error of ours, which a page can read."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from backend.aws import answer as answers
from backend.aws.answer import deliverable, encoded_bytes
from dev.local_lambda.events import http_event
from tests.aws.conftest import Handle
from tests.aws.runtime_json import LIMIT_BYTES, runtime_json_bytes
from tests.conftest import ORIGIN
from tests.support.people import Person
from tests.support.task_totals import add_tasks

Logged = Callable[[], list[dict[str, Any]]]
SENTENCE = (
    "Your list is too large to be sent in one answer. Please delete some of your tasks, or shorten their "
    "descriptions. If you cannot open them, please ask the operator of this service."
)
EMPTY = {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "", "isBase64Encoded": False}
EVERY_KIND = (
    "".join(map(chr, range(1, 0x250))) + "\u2027\u2028\u2029\u202a\ud7ff\ue000\ufeff\uffff🐘\U0010ffff" + '"\\' * 9
)

pytestmark = pytest.mark.spec("NFR-010", "FR-034", "NFR-015")


def with_body(body: str, **members: Any) -> dict[str, Any]:
    return {**EMPTY, "body": body, **members}


@pytest.mark.parametrize("python", ["3.12", "3.13", "3.14"])
@pytest.mark.parametrize(
    "text", ["", EVERY_KIND, "\u2028" * 9, EVERY_KIND * 3], ids=["empty", "every kind", "U+2028", "long"]
)
def test_the_counted_size_is_that_of_the_runtime_client(
    text: str, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = with_body(text, headers={"x-header": text, "etag": '"3"'}, cookies=[])

    assert encoded_bytes(answer) == runtime_json_bytes(answer, monkeypatch, python=python)


@pytest.mark.parametrize("is_base64", [False, True])
def test_an_answer_of_exactly_the_limit_is_passed_on_and_one_byte_more_is_not(is_base64: bool) -> None:
    empty = with_body("", isBase64Encoded=is_base64)
    fits = {**empty, "body": "x" * (LIMIT_BYTES - encoded_bytes(empty))}
    too_large = {**fits, "body": fits["body"] + "x"}

    assert deliverable(fits) is fits
    assert deliverable(too_large)["statusCode"] == 500


@pytest.mark.parametrize("character", ["x", '"', "\x01", "🐘", "\u2028"])
def test_the_exact_size_of_a_short_answer_is_not_counted(character: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "encoded_bytes", lambda _: pytest.fail("it was counted"))
    short = with_body(character * 1_000_000)

    assert deliverable(short) is short
    assert len(json.dumps(short, ensure_ascii=False).encode()) < LIMIT_BYTES


def test_the_error_keeps_the_headers_but_those_of_the_body(logged: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    kept = {"vary": "Origin", "x-request-id": "one"}
    of_the_old_body = {"content-encoding": "gzip", "content-length": "1", "content-type": "text/html", "etag": '"1"'}
    too_large = with_body("x" * LIMIT_BYTES, headers=kept | of_the_old_body, isBase64Encoded=True, cookies=[])

    answer = deliverable(too_large)

    body = json.dumps({"detail": SENTENCE})
    of_the_body = {"content-type": "application/json", "content-length": str(len(body))}
    assert answer == {
        "statusCode": 500, "headers": kept | of_the_body, "body": body, "isBase64Encoded": False, "cookies": [],
    }  # fmt: skip
    [line] = logged()
    assert (line["level"], line["message"]) == ("ERROR", "Answer too large for Lambda")
    assert (line["bytes"], line["limit"]) == (encoded_bytes(too_large), LIMIT_BYTES)
    assert '"AnswerTooLarge":[1.0]' in capsys.readouterr().out


@pytest.mark.spec("FR-036", "SC-004")
def test_a_list_that_lambda_cannot_deliver_is_a_500_with_a_sentence_and_cors(
    ada: Person, owner: OwnerConnection, handle: Handle, logged: Logged, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list was stored before there were limits. Words pass with gzip."""
    add_tasks(owner, ada.id, 3_500, description="Some words of a task. " * 90)
    event = http_event("GET", "/api/tasks", headers={"authorization": ada.headers["Authorization"], "origin": ORIGIN})
    with_gzip = http_event("GET", "/api/tasks", headers={**event["headers"], "accept-encoding": "gzip"})

    refused, packed = handle(event), handle(with_gzip)

    assert (refused["statusCode"], json.loads(refused["body"])) == (500, {"detail": SENTENCE})
    assert refused["headers"]["access-control-allow-origin"] == ORIGIN
    assert refused["headers"]["cache-control"] == "no-store"
    assert refused["headers"]["x-request-id"] == event["requestContext"]["requestId"]
    assert refused["headers"]["content-length"] == str(len(refused["body"]))
    [line] = [line for line in logged() if line["level"] == "ERROR"]
    assert line["correlation_id"] == event["requestContext"]["requestId"]
    assert capsys.readouterr().out.count('"AnswerTooLarge":[1.0]') == 1
    assert (packed["statusCode"], packed["headers"]["content-encoding"]) == (200, "gzip")


def test_a_server_delivers_a_list_of_any_size(ada: Person, owner: OwnerConnection, client: TestClient) -> None:
    add_tasks(owner, ada.id, 3_500, description="d" * 2000)

    assert len(ada.tasks()) == 3_500
