"""The session of session.ts with openapi-python-client's package `todo_api_client`.

`python session.py '{"api": …, "unavailable": …, "broken": …}'` prints what it saw. mypy checks it with `--strict`.
"""

import json
import sys
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from uuid import UUID, uuid4

import httpx
from todo_api_client import AuthenticatedClient, Client
from todo_api_client.api.auth import refresh, sign_in, sign_out, sign_up
from todo_api_client.api.status import health, info
from todo_api_client.api.tasks import create_task, delete_task, edit_task, get_task, list_tasks, toggle_task
from todo_api_client.models import (
    ErrorBody,
    Refresh,
    SignIn,
    SignOut,
    SignUp,
    TaskCreate,
    TaskPublic,
    TaskUpdate,
    ValidationErrorBody,
)
from todo_api_client.types import Response

Body = TypeVar("Body")
Errors = ErrorBody | ValidationErrorBody


@dataclass
class Apis:
    """The URLs of an API, of one without a database, and of one whose `GET /` has a bug."""

    api: str
    unavailable: str
    broken: str


def body_of(answer: Response[Any], kind: type[Body], status: int = 200) -> Body:
    assert answer.status_code == status, answer
    assert isinstance(answer.parsed, kind), answer
    return answer.parsed


def sentence(answer: Response[Any], status: int) -> str:
    if status == 422:
        return body_of(answer, ValidationErrorBody, status).detail
    return body_of(answer, ErrorBody, status).detail


def declare_as_text(request: httpx.Request) -> None:
    request.headers["Content-Type"] = "text/plain"


def task_of(answer: Response[TaskPublic | Errors] | Response[TaskPublic | ErrorBody], status: int = 200) -> TaskPublic:
    return body_of(answer, TaskPublic, status)


def session(apis: Apis) -> dict[str, Any]:
    anonymous = Client(base_url=apis.api)
    without_json = Client(base_url=apis.api, httpx_args={"event_hooks": {"request": [declare_as_text]}})
    email, password = f"{uuid4()}@example.com", "correct horse"
    signed_up = sign_up.sync(client=anonymous, body=SignUp(email=email, password=password, name="Ada"))
    signed_in = sign_in.sync(client=anonymous, body=SignIn(email=email, password=password))
    assert not isinstance(signed_up, Errors | None)
    assert not isinstance(signed_in, Errors | None)
    client = AuthenticatedClient(base_url=apis.api, token=signed_in.access_token)

    before = list_tasks.sync(client=client)
    body = TaskCreate(title="Water the plants", description="the tall one too")
    created = task_of(create_task.sync_detailed(client=client, body=body), 201)
    changes = TaskUpdate(title="Water the flowers", description=None)
    renamed = task_of(edit_task.sync_detailed(created.id, client=client, body=changes))
    toggled = task_of(toggle_task.sync_detailed(created.id, client=client))
    described = TaskUpdate(description="all of them")
    kept = task_of(edit_task.sync_detailed(created.id, client=client, body=described, if_match='"3"'))
    listed = list_tasks.sync(client=client)
    assert isinstance(before, list)
    assert isinstance(listed, list)

    wrong = SignIn(email=email, password="not the password")
    not_completed, wrong_twice = TaskUpdate(completed=False), TaskUpdate(title="", description="y" * 2001)
    refused = edit_task.sync_detailed(created.id, client=client, body=wrong_twice)
    refusals: dict[int, Response[Any]] = {
        400: sign_in.sync_detailed(client=without_json, body=SignIn(email=email, password=password)),
        404: get_task.sync_detailed(UUID("00000000-0000-7000-8000-000000000000"), client=client),
        409: sign_up.sync_detailed(client=anonymous, body=SignUp(email=email, password=password)),
        412: edit_task.sync_detailed(created.id, client=client, body=not_completed, if_match='"1"'),
        413: create_task.sync_detailed(client=client, body=TaskCreate(title="x", description="x" * 70_000)),
        422: refused,
        429: [sign_in.sync_detailed(client=anonymous, body=wrong) for _ in range(2)][-1],
        500: info.sync_detailed(client=Client(base_url=apis.broken)),
        503: health.sync_detailed(client=Client(base_url=apis.unavailable)),
    }

    assert delete_task.sync_detailed(created.id, client=client).status_code == 204
    refreshed = refresh.sync(client=anonymous, body=Refresh(refresh_token=signed_in.refresh_token))
    assert not isinstance(refreshed, Errors | None)
    client = AuthenticatedClient(base_url=apis.api, token=refreshed.access_token)
    after = list_tasks.sync(client=client)
    assert isinstance(after, list)
    signed_out = sign_out.sync(client=client, body=SignOut(refresh_token=refreshed.refresh_token))
    assert not isinstance(signed_out, Errors | None)
    refusals[401] = list_tasks.sync_detailed(client=client)

    token_type: Literal["bearer"] = signed_in.token_type
    return {
        "name": signed_up.user.name,
        "samePerson": {signed_up.user.email, signed_in.user.email, refreshed.user.email} == {email},
        "tokens": [token_type, signed_in.expires_in, refreshed.refresh_token != signed_in.refresh_token],
        "numbersOfTasks": [len(before), len(listed), len(after)],
        "tasks": [[task.title, task.description, task.completed] for task in (created, renamed, toggled, kept)],
        "isListed": listed == [kept],
        "timesAreValid": all(time.utcoffset() is not None for time in (created.created_at, kept.updated_at)),
        "signedOut": signed_out.detail,
        "refusals": {str(status): sentence(answer, status) for status, answer in refusals.items()},
        "wrongMembers": [error.to_dict() for error in body_of(refused, ValidationErrorBody, 422).errors],
    }


if __name__ == "__main__":
    print(json.dumps(session(Apis(**json.loads(sys.argv[1])))))
