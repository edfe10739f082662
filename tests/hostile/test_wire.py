"""Bodies, headers, paths and methods that no browser sends, over real connections.

Malformed HTTP is refused by uvicorn itself (`Answer.is_from_uvicorn`); API Gateway would not forward it. The
application answers everything else: without a 500, without hanging, and each refusal in the contract's shape.
"""

import json
import time
from collections.abc import Iterator

import pytest

from tests.conftest import ORIGIN
from tests.hostile import hostile_values
from tests.hostile.contract_check import SECRET_MARK, Answer, check_contract
from tests.hostile.wire import Header, ask, connected, message
from tests.support.people import Person

FROM_A_PAGE: Header = (b"Origin", ORIGIN.encode())
JSON: Header = (b"Content-Type", b"application/json")
UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def bearer(user: Person) -> Header:
    return (b"Authorization", user.headers["Authorization"].encode())


@pytest.fixture(autouse=True)
def _server_still_answers(server: str) -> Iterator[None]:
    """After each test, the server still answers the next client."""
    yield
    answer = ask(server, message(b"GET", b"/api/health", [FROM_A_PAGE]))
    assert answer is not None
    assert answer.status == 200


def answer_to(server: str, method: bytes, target: bytes, headers: list[Header], body: bytes | None = None) -> Answer:
    """The application's answer, which keeps to the contract."""
    answer = ask(server, message(method, target, [FROM_A_PAGE, *headers], body), method)
    assert answer is not None, "the server hung up"
    assert not answer.is_from_uvicorn
    check_contract(answer, method=method)
    return answer


@pytest.mark.spec("FR-033", "FR-035", "FR-036", "US3-8", "NFR-004")
def test_a_body_that_is_not_json_is_400(server: str, bearer: Header, subtests: pytest.Subtests) -> None:
    for name, body in hostile_values.NOT_JSON.items():
        for content_type in (b"application/json", b"application/json; charset=utf-16", b"application/vnd.x+json"):
            with subtests.test(name, content_type=content_type):
                headers = [bearer, (b"Content-Type", content_type)]

                assert answer_to(server, b"POST", b"/api/tasks", headers, body).status == 400


@pytest.mark.spec("FR-029", "FR-036", "SC-005", "NFR-004")
def test_a_json_body_that_is_no_task_is_422(server: str, bearer: Header, subtests: pytest.Subtests) -> None:
    for name, body in hostile_values.NOT_A_TASK.items():
        with subtests.test(name):
            assert answer_to(server, b"POST", b"/api/tasks", [bearer, JSON], body).status == 422


@pytest.mark.spec("FR-036", "EDGE-special-characters-in-task-data")
def test_a_task_in_unusual_json_is_accepted(server: str, bearer: Header, subtests: pytest.Subtests) -> None:
    for name, body in hostile_values.TASKS.items():
        with subtests.test(name):
            assert answer_to(server, b"POST", b"/api/tasks", [bearer, JSON], body).status == 201


@pytest.mark.spec("FR-033", "FR-036")
def test_a_body_is_read_as_json_when_it_is_declared_as_json(
    server: str, bearer: Header, subtests: pytest.Subtests
) -> None:
    body = hostile_values.TASK.encode()
    for status, content_types in ((201, hostile_values.JSON_TYPES), (400, hostile_values.OTHER_TYPES)):
        for content_type in content_types:
            with subtests.test(content_type=content_type[:80]):
                headers = [bearer, (b"Content-Type", content_type)]

                assert answer_to(server, b"POST", b"/api/tasks", headers, body).status == status


@pytest.mark.spec("FR-031", "NFR-004")
def test_an_unknown_path_is_404(server: str, bearer: Header, subtests: pytest.Subtests) -> None:
    *unknown, root = hostile_values.UNKNOWN_TARGETS
    for target in unknown:
        with subtests.test(target=target[:80]):
            assert answer_to(server, b"GET", target, [bearer]).status == 404
    assert answer_to(server, b"GET", root, [bearer]).status == 200


@pytest.mark.long
@pytest.mark.spec("FR-019", "FR-031", "NFR-007")
def test_malformed_and_unknown_ids_get_the_same_404(server: str, bearer: Header, subtests: pytest.Subtests) -> None:
    for method, suffix in ((b"GET", ""), (b"PUT", ""), (b"DELETE", ""), (b"PATCH", "/toggle")):
        for task_id in (UNKNOWN_ID, UNKNOWN_ID.upper(), *hostile_values.NOT_IDS):
            with subtests.test(method=method, task_id=task_id[:80]):
                target = f"/api/tasks/{task_id}{suffix}".encode()

                refused = answer_to(server, method, target, [bearer, JSON], hostile_values.TASK.encode())
                unknown_to_strangers = answer_to(server, method, target, [JSON], hostile_values.TASK.encode())

                assert (refused.status, refused.json()) == (404, {"detail": "Task not found."})
                assert unknown_to_strangers.status == 401


@pytest.mark.long
@pytest.mark.spec("NFR-016", "FR-035")
def test_a_method_that_a_path_does_not_have_is_405(server: str, subtests: pytest.Subtests) -> None:
    for method in hostile_values.OTHER_METHODS:
        with subtests.test(method=method[:80]):
            answer = answer_to(server, method, b"/api/tasks", [])

            assert answer.status == 405
            assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.spec("FR-030", "NFR-025")
def test_only_one_well_formed_authorization_header_is_accepted(
    server: str, bearer: Header, subtests: pytest.Subtests
) -> None:
    name, token = bearer
    mark = SECRET_MARK.encode()
    for lines in (
        *([bearer, bearer], [bearer, (name, b"")], [(name, b"Basic x"), bearer], [bearer, (name, b"Bearer " + mark)]),
        *(
            [(name, value)]
            for value in (b"", b"Bearer", b"Bearer ", b"bearer" + mark, b"Bearer \xff", b"Bearer \xc3\xa9")
        ),
        *([(name, value)] for value in (b"Token " + token, token + b" x", token + b"=", token + b"\xff", b"Bearer ..")),
        *([(name, b"Bearer " + value * 20_000)] for value in (b"x", b".", b"e30.", b"{", b"\xe4")),
        [(b"Proxy-Authorization", token)],
    ):
        with subtests.test(lines=[value[:80] for _, value in lines]):
            answer = answer_to(server, b"GET", b"/api/tasks", lines)

            assert answer.status == 401
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.spec("EDGE-concurrent-task-updates")
def test_several_if_match_headers_are_one_list(server: str, user: Person, bearer: Header) -> None:
    toggle = f"/api/tasks/{user.create_task()['id']}/toggle".encode()

    def toggled_if(*values: bytes) -> int:
        return answer_to(server, b"PATCH", toggle, [bearer, *((b"If-Match", value) for value in values)]).status

    assert toggled_if(b'"7"', b'"1"') == 200
    assert toggled_if(b'"2"', b'"7"') == 200
    assert toggled_if(b'"1"', b'"2"') == 412
    for nonsense in (b"\xff", b'"', b'""', b"W/", b'"' + b"9" * 50_000 + b'"', b'"3"' * 10_000, b"," * 50_000):
        assert toggled_if(nonsense) == 412
    assert toggled_if(b'"3"') == 200


@pytest.mark.long
@pytest.mark.spec("FR-039", "NFR-024")
def test_a_request_with_two_origins_gets_no_cors_headers(server: str) -> None:
    for others in ([b"http://evil.example"], [ORIGIN.encode()], [b""], [b"\xff"]):
        headers = [FROM_A_PAGE, *((b"Origin", other) for other in others)]

        answer = ask(server, message(b"GET", b"/", headers))

        assert answer is not None
        check_contract(answer, origin=None)


@pytest.mark.long
@pytest.mark.spec("NFR-004")
def test_other_headers_change_nothing(server: str, subtests: pytest.Subtests) -> None:
    for header in (
        *((b"X-Forwarded-For", b"127.0.0.1"), (b"X-Forwarded-Proto", b"\xff"), (b"X-HTTP-Method-Override", b"DELETE")),
        *((b"X-Original-URL", b"/api/tasks"), (b"Forwarded", b"for=_"), (b"X-Request-ID", SECRET_MARK.encode())),
        *((b"Accept", b"text/html"), (b"Accept-Encoding", b"\xff, gzip;q=x"), (b"Accept-Language", b"x" * 50_000)),
        *(
            (b"Range", b"bytes=0-1"),
            (b"If-None-Match", b"*"),
            (b"If-Modified-Since", b"never"),
            (b"Cookie", b"\xff=;;"),
        ),
        *((b"Upgrade", b"websocket"), (b"Connection", b"close, close"), (b"X", b""), (b"X" * 60_000, b"x")),
    ):
        with subtests.test(header=[part[:80] for part in header]):
            answer = answer_to(server, b"GET", b"/", [header])

            assert answer.status == 200
            assert SECRET_MARK not in str(answer.headers)
    assert answer_to(server, b"GET", b"/", [(b"X-%d" % number, b"x") for number in range(2000)]).status == 200


CHUNKED: Header = (b"Transfer-Encoding", b"chunked")
BODY = hostile_values.TASK.encode()
CHUNKED_BODIES = {
    "one chunk": b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    "a chunk for each byte": b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
    "an extension": b'%x;name="%b"\r\n%b\r\n0\r\n\r\n' % (len(BODY), SECRET_MARK.encode(), BODY),
    "trailers": b"%x\r\n%b\r\n0\r\nAuthorization: Bearer x\r\n\r\n" % (len(BODY), BODY),
}
TOO_LARGE_BODIES = {
    "a huge chunk": b"%x\r\n%b\r\n0\r\n\r\n" % (1_000_000, b"x" * 1_000_000),
    "many chunks": b"3e8\r\n%b\r\n" % (b"x" * 1000) * 200 + b"0\r\n\r\n",
}
BROKEN_CHUNKS = {
    "no length": b"\r\n%b\r\n0\r\n\r\n" % BODY,
    "a length that is no number": b"xyz\r\n%b\r\n0\r\n\r\n" % BODY,
    "a negative length": b"-1\r\n%b\r\n0\r\n\r\n" % BODY,
    "an endless length": b"f" * 100_000 + b"\r\n",
    "a chunk longer than it says": b"1\r\n%b\r\n0\r\n\r\n" % BODY,
}


@pytest.mark.spec("FR-033", "NFR-004")
def test_a_body_may_come_in_chunks(server: str, bearer: Header, subtests: pytest.Subtests) -> None:
    head = message(b"POST", b"/api/tasks", [FROM_A_PAGE, bearer, JSON, CHUNKED])
    for status, bodies in ((201, CHUNKED_BODIES), (413, TOO_LARGE_BODIES)):
        for name, body in bodies.items():
            with subtests.test(name):
                answer = ask(server, head + body)

                assert answer is not None
                check_contract(answer)
                assert answer.status == status


@pytest.mark.long
@pytest.mark.spec("NFR-004")
def test_malformed_http_never_reaches_the_application(
    server: str, user: Person, bearer: Header, subtests: pytest.Subtests
) -> None:
    head = message(b"POST", b"/api/tasks", [FROM_A_PAGE, bearer, JSON, CHUNKED])
    length = (b"Content-Length", b"%d" % len(BODY))
    requests = {
        **{name: head + body for name, body in BROKEN_CHUNKS.items()},
        "two lengths": message(b"POST", b"/api/tasks", [bearer, JSON, length, (b"Content-Length", b"1")]) + BODY,
        "a negative length": message(b"POST", b"/api/tasks", [bearer, JSON, (b"Content-Length", b"-1")]) + BODY,
        "a length that is no number": message(b"POST", b"/api/tasks", [bearer, (b"Content-Length", b"1_0")]) + BODY,
        "another coding": message(b"POST", b"/api/tasks", [bearer, JSON, (b"Transfer-Encoding", b"gzip")]) + BODY,
        "two hosts": message(b"GET", b"/", [(b"Host", b"other.example")]),
        "no host": b"GET / HTTP/1.1\r\n\r\n",
        "100 KiB of headers": message(b"GET", b"/", [(b"X", b"x" * 100_000)]),
        "a path that is not ASCII": message(b"GET", "/é".encode()),
        "a path with a space": message(b"GET", b"/a b"),
        "a header without a name": message(b"GET", b"/", [(b"", b"x")]),
        "a header with a zero": message(b"GET", b"/", [(b"X", b"a\0b")]),
        "a folded header": b"GET / HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        "noise": bytes(range(255, -1, -1)) * 10 + b"\r\n\r\n",
    }
    for name, request in requests.items():
        with subtests.test(name), connected(server) as wire:
            wire.send(request)
            wire.finish()

            answer = wire.answer()

            assert answer is None or answer.is_from_uvicorn
    assert user.tasks() == []


@pytest.mark.long
@pytest.mark.spec("NFR-004")
def test_two_equal_content_length_headers_are_accepted(server: str, bearer: Header) -> None:
    length = (b"Content-Length", b"%d" % len(BODY))

    assert answer_to(server, b"POST", b"/api/tasks", [bearer, JSON, length], BODY).status == 201


@pytest.mark.long
def test_a_client_may_expect_100_continue(server: str, bearer: Header) -> None:
    headers = [FROM_A_PAGE, bearer, JSON, (b"Expect", b"100-continue"), (b"Content-Length", b"%d" % len(BODY))]
    with connected(server) as wire:
        wire.send(message(b"POST", b"/api/tasks", headers))
        interim = wire.incoming.peek()
        wire.send(BODY)
        answer = wire.answer(b"POST")

    assert interim.startswith(b"HTTP/1.1 100 ")
    assert answer is not None
    assert answer.status == 201


@pytest.mark.long
def test_a_client_may_send_slowly_and_half_close_the_connection(server: str, bearer: Header) -> None:
    request = message(b"POST", b"/api/tasks", [FROM_A_PAGE, bearer, JSON], BODY)
    with connected(server) as wire:
        for start in range(0, len(request), 16):
            wire.send(request[start : start + 16])
            time.sleep(0.005)
        wire.finish()
        answer = wire.answer(b"POST")

    assert answer is None or answer.status == 201  # uvicorn treats a half-closed connection as a closed one


@pytest.mark.long
def test_a_client_may_hang_up_in_the_middle_of_a_request(server: str, user: Person, bearer: Header) -> None:
    request = message(b"POST", b"/api/tasks", [FROM_A_PAGE, bearer, JSON], BODY)
    for end in range(1, len(request), 16):
        with connected(server) as wire:
            wire.send(request[:end])

    assert user.tasks() == []


def test_requests_may_be_pipelined(server: str, bearer: Header) -> None:
    create = message(b"POST", b"/api/tasks", [FROM_A_PAGE, bearer, JSON], BODY)
    unknown = message(b"GET", b"/nothing", [FROM_A_PAGE])
    wrong = message(b"POST", b"/api/tasks", [FROM_A_PAGE, bearer, JSON], b"{")
    with connected(server) as wire:
        wire.send((create + unknown + wrong) * 3)
        answers = [wire.answer() for _ in range(9)]

    assert [answer and answer.status for answer in answers] == [201, 404, 400] * 3


@pytest.mark.long
def test_a_refusal_repeats_nothing_of_a_sign_in_request(server: str) -> None:
    for path in (b"/api/auth/signin", b"/api/auth/signup", b"/api/auth/refresh"):
        for value in (
            SECRET_MARK,
            [SECRET_MARK],
            {SECRET_MARK: SECRET_MARK},
            1,
            None,
            f"{SECRET_MARK}\0",
            f"{SECRET_MARK}\ud800",
        ):
            for member in ("email", "password", "refresh_token", "name"):
                body = {
                    "email": "ada@example.com",
                    "password": SECRET_MARK,
                    "refresh_token": SECRET_MARK,
                    member: value,
                }

                answer = answer_to(server, b"POST", path, [JSON], json.dumps(body).encode())

                assert answer.status in {201, 401, 409, 422}
