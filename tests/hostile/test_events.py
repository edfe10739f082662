"""Events that API Gateway could send, and events that it never would.

The first are requests: each gets an answer in the contract's shape. Of the others the function refuses what it cannot
read, in one line of the log; it never fails, and nothing of any event is in the log.
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
from tests.aws.test_handler import version_1
from tests.conftest import ORIGIN
from tests.hostile.judge import MARK, Answer, check, check_refusal

Logged = Callable[[], list[dict[str, Any]]]

budget = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

CREDENTIALS = {"email": "ada@example.com", "password": MARK}


def request_event(**members: Any) -> dict[str, Any]:
    """A sign-in from the frontend's page, with a secret wherever there may be one."""
    event = http_event("POST", "/api/auth/signin", body=CREDENTIALS, token=MARK)
    event["headers"] |= {"origin": ORIGIN, "content-length": "58", "x-amzn-trace-id": "Root=1-67890abc-12345678"}
    return event | {"cookies": [f"session={MARK}"], "rawQueryString": f"token={MARK}"} | members


def older_event() -> dict[str, Any]:
    """The same in payload format 1.0."""
    headers = {"Content-Type": "application/json", "Origin": ORIGIN, "Authorization": MARK}
    lists = {name: [value] for name, value in headers.items()}
    body = json.dumps(CREDENTIALS)
    return version_1("POST", "/api/auth/signin", headers=headers, multiValueHeaders=lists, body=body)


def answered(answer: dict[str, Any]) -> Answer:
    """What API Gateway would make of the function's answer."""
    body = answer["body"].encode()
    return Answer(
        answer["statusCode"], answer["headers"], base64.b64decode(body) if answer["isBase64Encoded"] else body
    )


@pytest.fixture
def all_output(capfd: pytest.CaptureFixture[str], logged: Logged) -> Iterator[Callable[[], str]]:
    """Gives all that was written or logged since it was last asked, by whomever."""
    everything = io.StringIO()
    root = logging.getLogger()
    handler = logging.StreamHandler(everything)
    root.addHandler(handler)
    yield lambda: f"{capfd.readouterr()}{json.dumps(logged())}{everything.getvalue()}"
    root.removeHandler(handler)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(["", "%00", "%ff", "é", MARK])
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
        event = request_event(rawPath=path, rawQueryString=query, isBase64Encoded=body is not None)
        event["body"] = None if body is None else base64.b64encode(body).decode()
        event["headers"] |= headers | {"content-type": content_type}
        event["requestContext"]["http"] |= {"method": method, "path": path, "sourceIp": address}

        answer = answered(handle(event))

        check(answer, method=b"GET")

    one_request()
    assert MARK not in all_output()


EVENTS = [
    request_event(),
    older_event(),
    request_event(requestContext={**request_event()["requestContext"], "stage": "dev"}),
]


def places(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths to all members of an event."""
    for name, member in value.items():
        yield (*above, name)
        if isinstance(member, dict):
            yield from places(member, (*above, name))


GONE = object()
rubbish = st.one_of(
    st.just(GONE),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    st.sampled_from(["\ud800", "[::1]:8000", "x" * 100_000, "2.0", "1.0", "true"]),
    st.lists(st.none() | st.integers() | texts, max_size=3),
    st.dictionaries(texts, st.none() | st.integers() | texts, max_size=3),
    st.just({MARK: {MARK: [MARK]}}),
    st.just([[MARK]]),
)
mutations = st.sampled_from(EVENTS).flatmap(
    lambda event: st.tuples(
        st.just(event), st.lists(st.tuples(st.sampled_from(list(places(event))), rubbish), min_size=1, max_size=3)
    )
)


def mutated(event: dict[str, Any], changes: list[tuple[tuple[str, ...], Any]]) -> dict[str, Any]:
    """The event with these members replaced or gone, as far as they are still there."""
    event = copy.deepcopy(event)
    for (*above, name), value in changes:
        parent: Any = event
        for step in above:
            parent = parent.get(step) if isinstance(parent, dict) else None
        if not isinstance(parent, dict):
            continue
        if value is GONE:
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
                check_refusal(answered(answer))

    one_event()
    assert MARK not in all_output()
    assert {line["level"] for line in logged()} <= {"INFO", "WARNING"}


@pytest.mark.spec("NFR-004", "NFR-007")
@budget
@given(rubbish | st.dictionaries(st.sampled_from(["requestContext", "version", "httpMethod", "source"]), rubbish))
@example({"requestContext": {"requestId": {MARK: MARK}}})
def test_an_event_that_is_no_request_is_answered(handle: Handle, event: Any) -> None:  # noqa: F811
    assert set(handle({} if event is GONE else event)) in (
        {"detail"},
        {"statusCode", "headers", "body", "isBase64Encoded"},
    )
