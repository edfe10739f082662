"""The task endpoints. They translate between HTTP and the service; all tasks are those of the signed-in user."""

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import BeforeValidator
from pydantic.json_schema import SkipJsonSchema

from backend.auth.current_user import AuthenticatedUser
from backend.errors import (
    AnswerTooLarge,
    MalformedRequest,
    NotAuthenticated,
    PayloadTooLarge,
    PreconditionFailed,
    Unavailable,
    Unprocessable,
)
from backend.tasks import service
from backend.tasks.limits import TaskLimits, TooManyTasks, TooMuchText
from backend.tasks.schemas import TaskCreate, TaskPublic, TaskUpdate
from backend.tasks.service import OverlappingUpdate, TaskNotFound, TaskRow, Versions
from backend.web.openapi import error_responses
from backend.web.parts import part
from backend.web.routing import ApiRoute, base_path

COMMON_ERRORS = (NotAuthenticated, PayloadTooLarge, Unavailable)
ERRORS_WITH_BODY = (*COMMON_ERRORS, MalformedRequest, Unprocessable)

ETAG_PATTERN = re.compile(r'"([1-9]\d{0,8})"')
"""An entity tag as this API writes them. A weak one never matches (RFC 9110, 13.1.1)."""

UUID_PATTERN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""The spelling of RFC 9562, 4. Pydantic accepts three more, but a task must have only one address."""

WITH_ETAG: dict[str, Any] = {"headers": {"ETag": {}}}
WITH_ETAG_AND_LOCATION: dict[str, Any] = {"headers": {"ETag": {}, "Location": {}}}
TASK_LINKS = {
    name: {"operationId": name, "parameters": {"task_id": "$response.body#/id"}}
    for name in ("get_task", "edit_task", "toggle_task", "delete_task")
}
"""OpenAPI links from a new task to the operations on it, for clients that follow links."""

router = APIRouter(prefix="/api/tasks", tags=["tasks"], route_class=ApiRoute)


def parse_task_id(text: str) -> UUID:
    """The task id in a path.

    :raises TaskNotFound: it is not a UUID, so no task has it; raised before the rest of the request is validated
    """
    if not UUID_PATTERN.fullmatch(text):
        raise TaskNotFound
    return UUID(text)


async def allowed_versions(
    if_match: Annotated[
        str | SkipJsonSchema[None],
        Header(
            alias="If-Match",
            description="The `ETag` of the task as you know it. The request is 412 if the task has changed since.",
        ),
    ] = None,
) -> Versions:
    """The versions of the task that `If-Match` allows to change; None allows any: no header, or `*`."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (ETAG_PATTERN.fullmatch(tag.strip()) for tag in if_match.split(","))
    return [int(tag[1]) for tag in tags if tag]


TaskId = Annotated[UUID, BeforeValidator(parse_task_id), Path(description="The `id` of one of your tasks.")]
AllowedVersions = Annotated[Versions, Depends(allowed_versions)]
Limits = Annotated[TaskLimits, Depends(part(TaskLimits))]


@router.get(
    "",
    summary="List your tasks",
    response_description="Your tasks.",
    response_model=list[TaskPublic],
    responses=error_responses(*COMMON_ERRORS, AnswerTooLarge),
)
def list_tasks(user: AuthenticatedUser) -> Response:
    """Gives all of your tasks, oldest first. The list is empty if you have none."""
    tasks = service.list_as_json(user)
    return Response(tasks, media_type="application/json")


@router.post(
    "",
    status_code=201,
    summary="Create a task",
    response_description="The new task.",
    response_model=TaskPublic,
    responses={
        **error_responses(*ERRORS_WITH_BODY, TooManyTasks, TooMuchText),
        201: {**WITH_ETAG_AND_LOCATION, "links": TASK_LINKS},
    },
)
def create_task(body: TaskCreate, user: AuthenticatedUser, limits: Limits, request: Request) -> Response:
    """Creates a task of yours, which is not completed yet."""
    task = service.create(user, title=body.title, description=body.description, limits=limits)
    answer = _task_response(task, 201)
    answer.headers["Location"] = f"{base_path(request)}{router.prefix}/{task.id}"  # RFC 9110, 15.3.2
    return answer


@router.get(
    "/{task_id}",
    summary="Get a task",
    response_description="The task.",
    response_model=TaskPublic,
    responses={**error_responses(*COMMON_ERRORS, TaskNotFound), 200: WITH_ETAG},
)
def get_task(task_id: TaskId, user: AuthenticatedUser) -> Response:
    """Gives one of your tasks. An id that is unknown, or that of another user's task, is 404."""
    task = service.get(user, task_id)
    return _task_response(task)


@router.put(
    "/{task_id}",
    summary="Change a task",
    response_description="The changed task.",
    response_model=TaskPublic,
    responses={
        **error_responses(*ERRORS_WITH_BODY, TaskNotFound, OverlappingUpdate, TooMuchText, PreconditionFailed),
        200: WITH_ETAG,
    },
)
def edit_task(
    task_id: TaskId, body: TaskUpdate, user: AuthenticatedUser, allowed: AllowedVersions, limits: Limits
) -> Response:
    """Changes some members of a task. What is left out is kept; `"description": null` clears it."""
    task = service.edit(user, task_id, body.changes(), allowed=allowed, limits=limits)
    return _task_response(task)


@router.patch(
    "/{task_id}/toggle",
    summary="Complete a task, or take that back",
    response_description="The changed task.",
    response_model=TaskPublic,
    responses={**error_responses(*COMMON_ERRORS, TaskNotFound, PreconditionFailed), 200: WITH_ETAG},
)
def toggle_task(task_id: TaskId, user: AuthenticatedUser, allowed: AllowedVersions) -> Response:
    """Turns `completed` over. Requests at the same moment all count: two of them change nothing."""
    task = service.toggle(user, task_id, allowed=allowed)
    return _task_response(task)


@router.delete(
    "/{task_id}",
    status_code=204,
    summary="Delete a task",
    response_description="The task is deleted.",
    response_class=Response,
    responses=error_responses(*COMMON_ERRORS, TaskNotFound, PreconditionFailed),
)
def delete_task(task_id: TaskId, user: AuthenticatedUser, allowed: AllowedVersions) -> None:
    """Deletes a task for good."""
    service.remove(user, task_id, allowed=allowed)


def _task_response(task: TaskRow, status_code: int = 200) -> Response:
    """The answer with a task and its `ETag`. Serialised here, because FastAPI would use another thread for that."""
    return Response(
        TaskPublic.model_validate(task).model_dump_json(),
        status_code,
        {"ETag": f'"{task.version}"'},
        "application/json",
    )
