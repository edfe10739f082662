"""The built bundle, run by Lambda's runtime client without other packages, with a database behind a pooler with TLS."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dev.local_lambda import events
from dev.local_lambda.runtime_api import InitFailed, LambdaInstance
from dev.paths import CHECKOUT
from tests.aws.conftest import Start
from tests.conftest import ORIGIN, SECRET
from tests.support.database_copy import DatabaseCopy
from tests.support.sample_events import BODIES, EVENT_FILES, STATUSES

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

WARM_INVOCATIONS = 200
GROWTH_LIMIT_BYTES = 10_000_000
"""50 kB for each invocation: more than the allocator keeps, and less than a leak would add."""


def send(instance: LambdaInstance, event: object) -> dict[str, Any]:
    answer = instance.invoke(event)
    assert answer.error is None, answer.error
    assert isinstance(answer.value, dict)
    return answer.value


def log_lines(instance: LambdaInstance) -> list[dict[str, Any]]:
    lines = [line for line in instance.log().splitlines() if line]
    assert [line for line in lines if not line.startswith("{")] == []  # CloudWatch could not query such lines
    return [json.loads(line) for line in lines]


def test_every_event_file_is_tested() -> None:
    assert {path.stem for path in EVENT_FILES} == set(STATUSES)


@pytest.mark.spec("SC-001", "SC-002", "SC-003", "SC-004", "SC-005", "SC-017")
def test_every_event_gets_its_status_headers_and_body(start: Start, variables: dict[str, str]) -> None:
    instance = start(variables)
    for path in EVENT_FILES:
        event = events.fill(events.read(path), send=lambda event: send(instance, event), secret=SECRET)

        answer = send(instance, event)

        name, status = path.stem, STATUSES[path.stem]
        assert answer.get("statusCode") == status, (name, answer)
        if status is None:
            assert answer == {"detail": "Not an HTTP request: nothing was done"}
            continue
        headers = answer["headers"]
        assert headers["access-control-allow-origin"] == ORIGIN, name
        assert headers["cache-control"] == "no-store", name
        assert headers["x-request-id"] == event["requestContext"]["requestId"], name
        assert answer["isBase64Encoded"] is False, name
        if status == 401:
            assert headers["www-authenticate"] == "Bearer", name
        if name in ("preflight", "delete-task"):
            continue
        body = json.loads(answer["body"])
        assert headers["content-type"] == "application/json", name
        if status >= 400:
            assert isinstance(body["detail"], str), name
        if name in ("sign-up", "sign-in", "refresh"):
            assert {"user", "access_token", "refresh_token", "token_type", "expires_in"} == set(body), name
        if name in BODIES:
            assert {member: body[member] for member in BODIES[name]} == BODIES[name], name

    assert not [line for line in log_lines(instance) if line.get("level") in ("ERROR", "CRITICAL")]


@pytest.mark.spec("SC-014")
def test_missing_variables_are_reported_in_one_line(start: Start) -> None:
    with pytest.raises(InitFailed, match=r"Configuration: DATABASE_URL is not set; .*; FRONTEND_URL is not set$"):
        start({})


def test_a_weak_secret_is_reported_in_one_line_without_it(start: Start, variables: dict[str, str]) -> None:
    with pytest.raises(InitFailed, match="BETTER_AUTH_SECRET: must be at least 32 characters") as refused:
        start(variables | {"BETTER_AUTH_SECRET": "hunter2"})
    assert "hunter2" not in str(refused.value)


def test_a_secret_id_without_boto3_is_reported_in_one_line(start: Start, variables: dict[str, str]) -> None:
    """Lambda provides boto3, and this instance does not: so this also shows that the bundle has none."""
    with pytest.raises(InitFailed, match="SECRET_ID needs boto3"):
        start(variables | {"SECRET_ID": "todo-api/test"})


def resident_bytes(instance: LambdaInstance) -> int:
    pages = int(Path(f"/proc/{instance.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_sockets(instance: LambdaInstance) -> int:
    count = 0
    for descriptor in Path(f"/proc/{instance.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += os.readlink(descriptor).startswith("socket:")
    return count


@pytest.mark.spec("NFR-013")
def test_warm_invocations_leave_no_connection_open_and_do_not_grow(
    start: Start, variables: dict[str, str], fresh_database: DatabaseCopy
) -> None:
    instance = start(variables)
    path = CHECKOUT / "events" / "create-task.json"
    event = events.fill(events.read(path), send=lambda event: send(instance, event), secret=SECRET)
    for _ in range(20):
        send(instance, event)
    sockets, memory = open_sockets(instance), resident_bytes(instance)

    for _ in range(WARM_INVOCATIONS):
        assert send(instance, event)["statusCode"] == 201

    assert open_sockets(instance) <= sockets
    assert resident_bytes(instance) - memory < GROWTH_LIMIT_BYTES


def test_every_log_line_is_json_and_only_the_first_invocation_is_cold(start: Start, variables: dict[str, str]) -> None:
    instance = start(variables)
    for _ in range(3):
        send(instance, events.http_event("GET", "/api/health"))

    lines = log_lines(instance)

    assert [line["cold_start"] for line in lines if line.get("message") == "Request"] == [True, False, False]
    assert sum("ColdStart" in line for line in lines) == 1


@pytest.mark.parametrize(("level", "messages"), [("WARNING", 0), ("DEBUG", 1)])
def test_the_log_level_comes_from_the_environment(
    start: Start, variables: dict[str, str], level: str, messages: int
) -> None:
    instance = start(variables | {"LOG_LEVEL": level})

    send(instance, events.http_event("GET", "/"))

    assert sum(line.get("message") == "Request" for line in log_lines(instance)) == messages


def test_lambdas_own_log_level_does_not_duplicate_lines(start: Start, variables: dict[str, str]) -> None:
    instance = start(variables | {"AWS_LAMBDA_LOG_LEVEL": "INFO"})

    send(instance, events.http_event("GET", "/"))

    assert [line["message"] for line in log_lines(instance) if "message" in line] == ["Request"]


def test_a_copy_of_a_snapshot_serves_requests(start: Start, variables: dict[str, str]) -> None:
    instance = start(variables, snap_start=True)
    assert open_sockets(instance) <= 3  # one of the runtime client, two of the event loop: none of a database

    instance.restore()

    assert send(instance, events.http_event("GET", "/api/health"))["statusCode"] == 200
