"""Random events: such as API Gateway can send, and such as it cannot send.

The former are requests, and each gets an answer that keeps to the contract. Of the latter, the function refuses those
that it cannot read, and logs one line. It never fails, and it logs nothing of an event's contents.
"""

import base64
import copy
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backend.aws.handler import NOT_HTTP
from dev.local_lambda.events import http_event
from tests.aws.conftest import Handle, event_loop, handle  # noqa: F401  # pytest finds them here
from tests.aws.test_handler import format_1_event
from tests.conftest import ORIGIN
from tests.hostile.contract_check import SECRET_MARK, Answer, check_contract, check_refusal

Logged = Callable[[], list[dict[str, Any]]]

budget = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

CREDENTIALS = {"email": "ada@example.com", "password": SECRET_MARK}


def sign_in_event(**members: Any) -> dict[str, Any]:
    """A sign-in from the frontend's page, with a secret in every place that may have one."""
    event = http_event("POST", "/api/auth/signin", body=CREDENTIALS, token=SECRET_MARK)
    event["headers"] |= {"origin": ORIGIN, "content-length": "58", "x-amzn-trace-id": "Root=1-67890abc-12345678"}
    return event | {"cookies": [f"session={SECRET_MARK}"], "rawQueryString": f"token={SECRET_MARK}"} | members


def format_1_sign_in_event() -> dict[str, Any]:
    """The same sign-in in payload format 1.0."""
    headers = {"Content-Type": "application/json", "Origin": ORIGIN, "Authorization": SECRET_MARK}
    lists = {name: [value] for name, value in headers.items()}
    body = json.dumps(CREDENTIALS)
    return format_1_event("POST", "/api/auth/signin", headers=headers, multiValueHeaders=lists, body=body)


def as_answer(answer: dict[str, Any]) -> Answer:
    """The HTTP answer that API Gateway makes of the function's answer."""
    body = answer["body"].encode()
    return Answer(
        answer["statusCode"], answer["headers"], base64.b64decode(body) if answer["isBase64Encoded"] else body
    )


@pytest.fixture
def all_output(capfd: pytest.CaptureFixture[str], logged: Logged) -> Iterator[Callable[[], str]]:
    """Gives everything that was printed or logged since the last call."""
    everything = io.StringIO()
    root = logging.getLogger()
    handler = logging.StreamHandler(everything)
    root.addHandler(handler)
    yield lambda: f"{capfd.readouterr()}{json.dumps(logged())}{everything.getvalue()}"
    root.removeHandler(handler)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["", "%00", "%ff", "é", SECRET_MARK]
)
possible_headers = st.dictionaries(
    st.sampled_from(["accept", "if-match", "x-forwarded-for", "cookie", "content-encoding", "x-request-id", "range"]),
    texts | st.just('"1","2"'),
    max_size=4,
)
content_types = st.sampled_from(["application/json", "application/json,application/json", "text/plain", "", "\xff"])
addresses = st.ip_addresses().map(str) | st.just("fe80::1%eth0")


@pytest.mark.long
@pytest.mark.spec("FR-033", "FR-034", "FR-035", "NFR-004", "NFR-007", "NFR-015", "SC-018")
def test_every_possible_gateway_request_is_answered_by_the_contract(
    handle: Handle,  # noqa: F811
    all_output: Callable[[], str],
) -> None:
    @settings(budget, max_examples=600)
    @given(
        method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "LINK"]),
        path=st.sampled_from(["/", "/api/tasks", "/api/auth/signin", "/api/auth/signup", "/api/tasks/1"])
        | texts.map("/".__add__),
        body=st.none() | st.binary(max_size=60) | st.just(json.dumps(CREDENTIALS).encode()),
        headers=possible_headers,
        content_type=content_types,
        address=addresses,
        query=texts,
    )
    def one_request(
        method: str, path: str, body: bytes | None, headers: dict[str, str], content_type: str, address: str, query: str
    ) -> None:
        event = sign_in_event(rawPath=path, rawQueryString=query, isBase64Encoded=body is not None)
        event["body"] = None if body is None else base64.b64encode(body).decode()
        event["headers"] |= headers | {"content-type": content_type}
        event["requestContext"]["http"] |= {"method": method, "path": path, "sourceIp": address}

        answer = as_answer(handle(event))

        check_contract(answer, method=method.encode())

    one_request()
    assert SECRET_MARK not in all_output()


EVENTS = [
    sign_in_event(),
    format_1_sign_in_event(),
    sign_in_event(requestContext={**sign_in_event()["requestContext"], "stage": "dev"}),
]


def member_paths(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths to all members of an event but the request id: API Gateway makes it, and the log must have it."""
    for name, member in value.items():
        if name == "requestId":
            continue
        yield (*above, name)
        if isinstance(member, dict):
            yield from member_paths(member, (*above, name))


REMOVED = object()
any_value = st.one_of(
    st.just(REMOVED),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    st.sampled_from(["\ud800", "[::1]:8000", "x" * 100_000, "2.0", "1.0", "true"]),
    st.lists(st.none() | st.integers() | texts, max_size=3),
    st.dictionaries(texts, st.none() | st.integers() | texts, max_size=3),
    st.just({SECRET_MARK: {SECRET_MARK: [SECRET_MARK]}}),
    st.just([[SECRET_MARK]]),
)
mutations = st.sampled_from(EVENTS).flatmap(
    lambda event: st.tuples(
        st.just(event),
        st.lists(st.tuples(st.sampled_from(list(member_paths(event))), any_value), min_size=1, max_size=3),
    )
)


def mutated(event: dict[str, Any], changes: list[tuple[tuple[str, ...], Any]]) -> dict[str, Any]:
    """The event with these members replaced or removed, as far as they still exist."""
    event = copy.deepcopy(event)
    for (*above, name), value in changes:
        parent: Any = event
        for step in above:
            parent = parent.get(step) if isinstance(parent, dict) else None
        if not isinstance(parent, dict):
            continue
        if value is REMOVED:
            parent.pop(name, None)
        else:
            parent[name] = value
    return event


@pytest.mark.long
@pytest.mark.spec("FR-033", "NFR-004", "NFR-007", "NFR-015", "SC-018")
def test_an_impossible_event_is_refused_and_nothing_of_it_is_logged(
    handle: Handle,  # noqa: F811
    all_output: Callable[[], str],
    logged: Logged,
) -> None:
    @settings(budget, max_examples=1500)
    @given(mutations)
    def one_event(mutation: tuple[dict[str, Any], list[tuple[tuple[str, ...], Any]]]) -> None:
        answer = handle(mutated(*mutation))

        if answer != {"detail": NOT_HTTP}:
            assert answer["statusCode"] < 500
            if answer["statusCode"] >= 400:
                check_refusal(as_answer(answer))

    one_event()
    assert SECRET_MARK not in all_output()
    assert {line["level"] for line in logged()} <= {"INFO", "WARNING"}


@pytest.mark.spec("NFR-004", "NFR-007")
@budget
@given(any_value | st.dictionaries(st.sampled_from(["requestContext", "version", "httpMethod", "source"]), any_value))
@example({"requestContext": {"requestId": {SECRET_MARK: SECRET_MARK}}})
def test_an_event_that_is_no_request_is_answered(handle: Handle, event: Any) -> None:  # noqa: F811
    assert set(handle({} if event is REMOVED else event)) in (
        {"detail"},
        {"statusCode", "headers", "body", "isBase64Encoded"},
    )
