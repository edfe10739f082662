"""The handler answers every event: those of AWS's consoles, of function URLs, and any JSON.

The answer to an event that looks like an HTTP request is always one that API Gateway can use.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dev.local_lambda.events import http_event
from dev.paths import CHECKOUT
from tests.aws.conftest import Handle
from tests.aws.test_handler import format_1_event

HELLO_WORLD = {"key1": "value1", "key2": "value2", "key3": "value3"}
"""The event that Lambda's console offers first."""
PROXY_TEMPLATE = {
    "body": "eyJ0ZXN0IjoiYm9keSJ9",
    "resource": "/{proxy+}",
    "path": "/path/to/resource",
    "httpMethod": "POST",
    "isBase64Encoded": True,
    "queryStringParameters": {"foo": "bar"},
    "multiValueQueryStringParameters": {"foo": ["bar"]},
    "pathParameters": {"proxy": "/path/to/resource"},
    "stageVariables": {"baz": "qux"},
    "headers": {"Accept": "text/html", "Host": "1234567890.execute-api.us-east-1.amazonaws.com"},
    "multiValueHeaders": {"Accept": ["text/html"], "Host": ["0123456789.execute-api.us-east-1.amazonaws.com"]},
    "requestContext": {
        "accountId": "123456789012",
        "resourceId": "123456",
        "stage": "prod",
        "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "identity": {"cognitoIdentityPoolId": None, "apiKey": None, "sourceIp": "127.0.0.1", "user": None},
        "path": "/prod/path/to/resource",
        "resourcePath": "/{proxy+}",
        "httpMethod": "POST",
        "apiId": "1234567890",
        "protocol": "HTTP/1.1",
    },
}
"""The console's template "API Gateway AWS Proxy"."""
TEST_BUTTON = format_1_event(
    "GET",
    "/",
    resource="/",
    headers=None,
    multiValueHeaders=None,
    pathParameters=None,
    stageVariables=None,
    requestContext={
        "stage": "test-invoke-stage",
        "path": "/",
        "requestId": "one",
        "identity": {"sourceIp": "test-invoke-source-ip", "userArn": None},
    },
)
"""What the button Test in API Gateway's console sends."""
HTTP_TEMPLATE = http_event("GET", "/") | {
    "cookies": ["cookie1", "cookie2"],
    "pathParameters": None,
    "stageVariables": None,
    "queryStringParameters": None,
}
"""The console's template "API Gateway HTTP API"."""
FUNCTION_URL = http_event("GET", "/") | {
    "requestContext": {
        "accountId": "anonymous",
        "apiId": "abc",
        "domainName": "abc.lambda-url.eu-central-1.on.aws",
        "domainPrefix": "abc",
        "authentication": None,
        "http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "2001:db8::1", "userAgent": "curl"},
        "requestId": "one",
        "routeKey": "$default",
        "stage": "$default",
        "timeEpoch": 1760000000000,
    },
    "body": None,
}
ANSWERED = {
    "the button Test": (TEST_BUTTON, 200),
    "the template AWS Proxy": (PROXY_TEMPLATE, 404),
    "the template HTTP API": (HTTP_TEMPLATE, 200),
    "HTTP API, all optional members null": (
        HTTP_TEMPLATE | dict.fromkeys(("headers", "cookies", "rawQueryString", "body", "isBase64Encoded")),
        200,
    ),
    "a function URL": (FUNCTION_URL, 200),
}
LOAD_BALANCER = {
    "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:…:targetgroup/x"}},
    "httpMethod": "GET",
    "path": "/",
    "queryStringParameters": {},
    "headers": {"host": "x.elb.amazonaws.com", "x-forwarded-for": "203.0.113.9"},
    "body": "",
    "isBase64Encoded": False,
}
REAL_EVENTS: list[Any] = [
    *(event for event, _ in ANSWERED.values()),
    *(json.loads(path.read_text()) for path in sorted((CHECKOUT / "events").glob("*.json"))),
    HELLO_WORLD,
    LOAD_BALANCER,
    {name: value for name, value in PROXY_TEMPLATE.items() if name != "resource"},
]

budget = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
names = st.sampled_from(
    [*("requestContext", "http", "httpMethod", "method", "path", "version", "resource", "headers", "source", "elb")]
) | st.text(max_size=5)
any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["2.0", "1.0", "GET", "/", "\ud800", "[::1]:1", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=12,
)


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every member of an event, at any depth."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*above, name)
        yield from places(member, (*above, name))


changed_events = st.sampled_from(REAL_EVENTS).flatmap(
    lambda event: st.builds(changed, st.just(event), st.sampled_from([*places(event)] or [()]), any_json)
)


def changed(event: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The event with another value in this place."""
    event = copy.deepcopy(event)
    parent = event
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = value
    return event


def check_answer(event: Any, answer: dict[str, Any]) -> None:
    """Fail unless Lambda can return the answer, and API Gateway can use it where it asked."""
    json.dumps(answer, allow_nan=False)
    context = event.get("requestContext") if isinstance(event, dict) else None
    if isinstance(event, dict) and ("httpMethod" in event or (isinstance(context, dict) and "http" in context)):
        assert type(answer["statusCode"]) is int
        assert 200 <= answer["statusCode"] < 500
        assert all(isinstance(text, str) for header in answer["headers"].items() for text in header)
        assert isinstance(answer["body"], str)
        assert isinstance(answer["isBase64Encoded"], bool)
    else:
        assert answer == {"detail": "Not an HTTP request: nothing was done"}


@pytest.mark.parametrize(("event", "status"), ANSWERED.values(), ids=ANSWERED)
def test_a_console_s_test_event_is_answered(handle: Handle, event: dict[str, Any], status: int) -> None:
    answer = handle(event)

    check_answer(event, answer)
    assert answer["statusCode"] == status


@pytest.mark.parametrize("event", [HELLO_WORLD, LOAD_BALANCER, *REAL_EVENTS[-1:]], ids=["hello", "ALB", "no resource"])
def test_an_event_that_is_not_for_this_function_is_answered(handle: Handle, event: dict[str, Any]) -> None:
    check_answer(event, handle(event))


@pytest.mark.spec("FR-033", "FR-034")
@pytest.mark.parametrize("event", REAL_EVENTS, ids=range(len(REAL_EVENTS)))
def test_a_real_event_with_null_in_any_one_place_is_answered(handle: Handle, event: dict[str, Any]) -> None:
    for place in places(event):
        with_null = changed(event, place, None)
        check_answer(with_null, handle(with_null))


@pytest.mark.spec("FR-033", "FR-034")
@budget
@given(any_json)
@example(None)
@example({"requestContext": {"http": None}})
@example({"httpMethod": [[[]]], "requestContext": {}})
@example({"source": {"a": 1}, "requestContext": []})
def test_any_json_is_answered(handle: Handle, event: Any) -> None:
    check_answer(event, handle(event))


@pytest.mark.spec("FR-033", "FR-034")
@budget
@given(changed_events)
def test_a_real_event_with_any_json_in_some_place_is_answered(handle: Handle, event: Any) -> None:
    check_answer(event, handle(event))
