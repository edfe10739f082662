"""The function's entry point, with the events that API Gateway and others send."""

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from mangum import Mangum

from backend import telemetry
from backend.aws.handler import GatewayHandler
from dev.local_lambda.events import http_event
from tests.aws.conftest import Context, Handle
from tests.support.people import PASSWORD

Logged = Callable[[], list[dict[str, Any]]]


def stage_event(stage: str, path: str) -> dict[str, Any]:
    event = http_event("GET", path)
    event["requestContext"] |= {"stage": stage}
    return event


def format_1_event(method: str, path: str, **members: Any) -> dict[str, Any]:
    """The same request in payload format 1.0."""
    request_context = {"identity": {"sourceIp": "203.0.113.9"}, "requestId": "one", "stage": "$default", "path": path}
    return {
        "version": "1.0",
        "resource": "$default",
        "httpMethod": method,
        "path": path,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": request_context,
        "body": None,
        "isBase64Encoded": False,
        **members,
    }


def seen_scope(event: dict[str, Any]) -> dict[str, Any]:
    """The ASGI scope that the handler makes of the event."""
    seen: dict[str, Any] = {}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope, body=(await receive())["body"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    assert GatewayHandler(application)(event, Context())["statusCode"] == 204
    return seen


@pytest.mark.spec("FR-038")
def test_an_http_api_event_is_answered_by_the_application(handle: Handle) -> None:
    answer = handle(http_event("GET", "/"))

    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["status"] == "ok"
    assert answer["headers"]["content-type"] == "application/json"
    assert answer["isBase64Encoded"] is False


def test_payload_format_1_0_is_answered_too(handle: Handle) -> None:
    answer = handle(format_1_event("GET", "/api/health"))

    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"status": "ok"}


def test_a_base64_body_is_decoded(handle: Handle) -> None:
    credentials = {"email": "base64@example.com", "password": PASSWORD}
    event = http_event("POST", "/api/auth/signup", body=credentials)
    event |= {"body": base64.b64encode(event["body"].encode()).decode(), "isBase64Encoded": True}

    assert handle(event)["statusCode"] == 201


def test_repeated_query_parameters_and_cookies_arrive() -> None:
    event = http_event("GET", "/") | {"rawQueryString": "a=1&a=2&b=%C3%A9", "cookies": ["x=1", "y=2"]}

    scope = seen_scope(event)

    assert scope["query_string"] == b"a=1&a=2&b=%C3%A9"
    assert [b"cookie", b"x=1; y=2"] in scope["headers"]


def test_repeated_query_parameters_of_payload_format_1_0_arrive() -> None:
    event = format_1_event("GET", "/", multiValueQueryStringParameters={"a": ["1", "2"]})

    assert seen_scope(event)["query_string"] == b"a=1&a=2"


@pytest.mark.parametrize(
    ("stage", "path", "known_as"),
    [
        ("$default", "/api/tasks", "/api/tasks"),
        ("dev", "/dev/api/tasks", "/api/tasks"),
        ("dev", "/dev", "/"),
        ("dev", "/dev/", "/"),
        ("dev", "/development/api", "/development/api"),
        ("dev", "/api/tasks", "/api/tasks"),
        ("api", "/api/api/tasks", "/api/tasks"),
    ],
)
def test_the_stage_is_removed_from_the_path(stage: str, path: str, known_as: str) -> None:
    assert seen_scope(stage_event(stage, path))["path"] == known_as


def test_payload_format_1_0_loses_the_stage_only_where_the_path_has_it() -> None:
    http_api = format_1_event("GET", "/dev/api/tasks")
    http_api["requestContext"] |= {"stage": "dev"}
    rest_api = format_1_event("GET", "/api/tasks")
    rest_api["requestContext"] |= {"stage": "api", "path": "/api/api/tasks"}

    assert seen_scope(http_api)["path"] == "/api/tasks"
    assert seen_scope(rest_api)["path"] == "/api/tasks"


@pytest.mark.spec("FR-015", "FR-018")
@pytest.mark.parametrize(("stage", "prefix"), [("$default", ""), ("dev", "/dev"), ("api", "/api")])
def test_the_location_of_a_new_task_has_the_stage(handle: Handle, stage: str, prefix: str) -> None:
    credentials = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    token = json.loads(handle(http_event("POST", "/api/auth/signup", body=credentials))["body"])["access_token"]
    create = http_event("POST", f"{prefix}/api/tasks", body={"title": "Buy milk"}, token=token)
    create["requestContext"] |= {"stage": stage}

    created = handle(create)
    location = created["headers"]["location"]
    found = http_event("GET", location, token=token)
    found["requestContext"] |= {"stage": stage}

    assert location == f"{prefix}/api/tasks/{json.loads(created['body'])['id']}"
    assert handle(found)["statusCode"] == 200


@pytest.mark.spec("NFR-005")
def test_the_clients_address_comes_from_the_gateway_and_not_a_header() -> None:
    event = http_event("GET", "/")
    event["requestContext"]["http"]["sourceIp"] = "203.0.113.9"
    event["headers"]["x-forwarded-for"] = "198.51.100.1"

    assert seen_scope(event)["client"] == ("203.0.113.9", 0)


@pytest.mark.parametrize(
    "event",
    [
        {"source": "serverless-plugin-warmup"},
        {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {"password": "hunter2"}},
        {"Records": [{"eventSource": "aws:sqs", "body": "hunter2"}]},
        {"source": ["hunter2"], "detail-type": {"password": "hunter2"}},
        {"requestContext": {"connectionId": "a websocket's", "routeKey": "$connect"}},
        {"requestContext": "hunter2"},
        {},
        [],
        "hunter2",
        None,
    ],
)
@pytest.mark.spec("NFR-015", "NFR-007")
def test_another_event_is_answered_and_logged_without_its_contents(handle: Handle, logged: Logged, event: Any) -> None:
    assert handle(event) == {"detail": "Not an HTTP request: nothing was done"}

    [line] = [line for line in logged() if "message" in line]
    assert line["message"] == "Not an HTTP request: nothing was done"
    assert "hunter2" not in json.dumps(line)


def without(event: dict[str, Any], *path: str) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(event))
    place = copy
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return copy


@pytest.mark.parametrize(
    "event",
    [
        without(http_event("GET", "/"), "requestContext", "http", "method"),
        without(http_event("GET", "/"), "requestContext", "http", "path"),
        without(http_event("GET", "/"), "requestContext", "http", "sourceIp"),
        without(http_event("GET", "/"), "version"),
        without(format_1_event("GET", "/"), "path"),
        without(without(format_1_event("GET", "/"), "version"), "resource"),
        format_1_event("GET", "/", httpMethod=["GET"]),
        http_event("GET", "/") | {"requestContext": {"http": {"method": {}, "path": "/", "sourceIp": "::1"}}},
        http_event("GET", "/") | {"headers": []},
        http_event("GET", "/") | {"requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "GET"},
        {"httpMethod": "GET", "path": "/", "headers": {}, "requestContext": {"elb": {"targetGroupArn": "arn"}}},
        {"httpMethod": "GET", "path": "/"},
        {"httpMethod": None, "requestContext": "hunter2"},
        http_event("GET", "/") | {"headers": {"host": "[::1]:8000"}},
        http_event("GET", "/") | {"requestContext": {"http": None}},
        http_event("POST", "/") | {"body": "not base64", "isBase64Encoded": True},
    ],
)
@pytest.mark.spec("FR-033")
def test_a_malformed_http_event_is_a_400_and_one_log_line(handle: Handle, logged: Logged, event: Any) -> None:
    answer = handle(event)

    assert answer["statusCode"] == 400
    assert json.loads(answer["body"]) == {"detail": "The request could not be read."}
    [line] = [line for line in logged() if "message" in line]
    assert line["message"] == "Malformed HTTP event"


@pytest.mark.spec("FR-034", "NFR-015")
def test_an_answer_that_cannot_be_passed_on_is_a_500_and_an_error(logged: Logged) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"\xff")]})
        await send({"type": "http.response.body"})

    answer = GatewayHandler(application)(http_event("GET", "/"), Context())

    assert answer["statusCode"] == 500
    assert json.loads(answer["body"]) == {"detail": "Something went wrong on our side. Please try again."}
    assert [line["level"] for line in logged() if line.get("message") == "Unhandled error"] == ["ERROR"]


@pytest.mark.spec("NFR-015")
def test_every_log_line_names_its_invocation(handle: Handle, logged: Logged) -> None:
    event = http_event("GET", "/api/tasks")
    event["requestContext"]["requestId"] = "the gateway's id"

    answer = handle(event)

    [line] = [line for line in logged() if line.get("message") == "Request"]
    assert answer["headers"]["x-request-id"] == "the gateway's id"
    assert line["correlation_id"] == line["request_id"] == "the gateway's id"
    assert line["function_name"] == "todo-api"
    assert line["function_version"] == "7"
    assert line["function_request_id"] == Context().aws_request_id
    assert (line["method"], line["route"], line["status"]) == ("GET", "/api/tasks", 401)
    assert line["duration_ms"] >= 0


@pytest.mark.spec("NFR-007", "NFR-015")
@pytest.mark.parametrize(
    "request_id", [{"password": "hunter2"}, ["hunter2"], "hunter2\r\nX: y", "hunter2é", "x" * 200, 1, ""]
)
def test_an_invalid_request_id_is_neither_logged_nor_answered(handle: Handle, logged: Logged, request_id: Any) -> None:
    event = http_event("GET", "/")
    event["requestContext"]["requestId"] = request_id

    answer = handle(event)

    assert answer["statusCode"] == 200
    assert len(answer["headers"]["x-request-id"]) == 32
    assert "hunter2" not in json.dumps(logged())


def test_the_request_id_is_not_logged_for_the_next_invocation(handle: Handle, logged: Logged) -> None:
    handle(http_event("GET", "/"))
    handle(None)

    last = logged()[-1]
    assert "request_id" not in last
    assert "correlation_id" not in last


def test_the_first_invocation_is_logged_and_counted_as_a_cold_start(
    handle: Handle, logged: Logged, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(telemetry, "_is_first_invocation", True)

    handle(http_event("GET", "/"))
    handle(http_event("GET", "/"))

    assert [line["cold_start"] for line in logged() if line.get("message") == "Request"] == [True, False]
    assert capsys.readouterr().out.count('"ColdStart":[1.0]') == 1


def test_a_provisioned_instance_has_no_cold_start(
    handle: Handle, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "_is_first_invocation", True)
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "provisioned-concurrency")

    handle(http_event("GET", "/"))

    assert [line["cold_start"] for line in logged() if line.get("message") == "Request"] == [False]


def test_the_lifespan_is_off(handle: Handle) -> None:
    """By default, Mangum would start and stop the application for each request."""
    mangum = GatewayHandler(lambda *_: None)._mangum  # type: ignore[arg-type]

    assert isinstance(mangum, Mangum)
    assert mangum.lifespan == "off"
