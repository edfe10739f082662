"""Random requests over real connections: any method, path, headers and body.

Every run makes the same choices, so that it finds the same failures. Cases that deserve a name are in test_wire.py.
"""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ORIGIN
from tests.hostile import hostile_values
from tests.hostile.contract_check import SECRET_MARK, check_contract
from tests.hostile.wire import Header, ask, message
from tests.support.contract import OPERATIONS
from tests.support.people import PASSWORD, Person

budget = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=1500,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

MEMBERS = ("email", "password", "name", "refresh_token", "title", "description", "completed", "user_id", "")
any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [SECRET_MARK, PASSWORD, "ada@example.com", "{token}", "x" * 3000, "\ud800", "\0", 10**400, -(2**63)]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
some_members = st.dictionaries(st.sampled_from(MEMBERS), any_json, max_size=6)
encodings = st.sampled_from(
    ["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7"]
)


def encode_json(value: Any, is_ascii: bool, encoding: str, rest: bytes) -> bytes:
    """A value as JSON in this encoding, followed by `rest`, which may make it invalid."""
    return (
        json.dumps(value, ensure_ascii=is_ascii).encode(encoding, "surrogatepass" if "utf" in encoding else "replace")
        + rest
    )


hostile_bodies = hostile_values.NOT_JSON | hostile_values.NOT_A_TASK | hostile_values.TASKS
bodies = st.one_of(
    st.none(),
    st.binary(max_size=200),
    st.sampled_from(list(hostile_bodies)),  # their names, because some bodies are too large for Hypothesis' report
    st.builds(
        encode_json,
        some_members | any_json,
        st.booleans(),
        encodings,
        st.sampled_from([b"", b"", b"", b" ", b"\0", b"{}"]),
    ),
)
values = st.one_of(
    st.binary(max_size=40).map(lambda value: bytes(byte for byte in value if byte >= 32 and byte != 127).strip()),
    st.sampled_from(
        [b"Bearer {token}", b"Bearer " + SECRET_MARK.encode(), b'"1"', b'W/"1"', b"*", b'"1", "2"', b"{long}"]
    ),
    st.sampled_from(
        [*hostile_values.JSON_TYPES, *hostile_values.OTHER_TYPES[:-1], b"gzip;q=0", b"identity;q=0", b"bytes=0-"]
    ),
)
names = st.sampled_from(
    [
        *(b"Authorization", b"Content-Type", b"If-Match", b"If-None-Match", b"Accept", b"Accept-Encoding", b"Cookie"),
        *(b"X-Request-ID", b"X-Forwarded-For", b"Access-Control-Request-Method", b"Range", b"Content-Encoding", b"X"),
    ]
)
usual = st.sampled_from([(b"Authorization", b"Bearer {token}"), (b"Content-Type", b"application/json")])
headers = st.lists(st.one_of(usual, usual, st.tuples(names, values)), max_size=6)

segments = st.sampled_from(
    ["api", "tasks", "auth", "signup", "{task_id}", "toggle", "health", "..", "%2e", "%00", "%ff", ""]
)
odd_targets = st.builds(
    lambda parts, query: "/" + "/".join(parts) + query,
    st.lists(st.one_of(segments, st.text("%aF0;:@&=+$,~", max_size=8)), max_size=6),
    st.sampled_from(["", "?", "?a=%ff&a=%00", "?title=x", "?" + "x" * 5000]),
)
requests_by_chance = st.tuples(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "LINK"]), odd_targets
)
requests_of_the_contract = st.sampled_from([(method, path) for method, path, _ in OPERATIONS])


@pytest.mark.long
@pytest.mark.spec("FR-029", "FR-033", "FR-034", "FR-035", "NFR-004", "NFR-007", "SC-004", "SC-018")
def test_random_requests_are_answered_by_the_contract(server: str, user: Person) -> None:
    task_id = user.create_task()["id"].encode()

    def fill_in(part: bytes) -> bytes:
        token = user.auth["access_token"].encode()
        return part.replace(b"{token}", token).replace(b"{task_id}", task_id).replace(b"{long}", b"x" * 9000)

    @budget
    @given(requests_of_the_contract | requests_by_chance, headers, bodies)
    def one_request(operation: tuple[str, str], headers: list[Header], body: bytes | str | None) -> None:
        nonlocal user
        method, target = (part.encode() for part in operation)
        headers = [(b"Origin", ORIGIN.encode()), *((name, fill_in(value)) for name, value in headers)]

        body = hostile_bodies[body] if isinstance(body, str) else body

        answer = ask(server, message(method, fill_in(target), headers, body), method)

        assert answer is not None, "the server hung up"
        assert not answer.is_from_uvicorn
        check_contract(answer, method=method)
        if answer.status == 200 and target.rstrip(b"/") == b"/api/auth/signout":
            user = user.sign_in_again()

    one_request()
