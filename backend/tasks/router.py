"""The task endpoints: HTTP in, service, HTTP out. All of them are the signed-in user's own."""

import re
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from backend.auth.current_user import AuthenticatedUser
from backend.database.retry import RetryingRoute
from backend.errors import (
    MalformedRequest,
    NotAuthenticated,
    PayloadTooLarge,
    PreconditionFailed,
    Unavailable,
    Unprocessable,
    documented,
)
from backend.tasks import service
from backend.tasks.models import Task
from backend.tasks.schemas import TaskCreate, TaskPublic, TaskUpdate
from backend.tasks.service import OverlappingUpdate, TaskNotFound, TooManyTasks, Versions

ALWAYS = (NotAuthenticated, PayloadTooLarge, Unavailable)
WITH_BODY = (*ALWAYS, MalformedRequest, Unprocessable)

ETAG = re.compile(r'"([1-9]\d{0,8})"')
"""An entity tag that this API gave out. A weak one never matches (RFC 9110, 13.1.1)."""

router = APIRouter(prefix="/api/tasks", tags=["tasks"], route_class=RetryingRoute)


async def allowed_versions(
    if_match: Annotated[str | None, Header(description="The `ETag` of the task as you know it, or `*`.")] = None,
) -> Versions:
    """The versions that `If-Match` allows to change; None when it says nothing, or `*`."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (ETAG.fullmatch(tag.strip()) for tag in if_match.split(","))
    return [int(tag[1]) for tag in tags if tag]


async def tasks_per_user(request: Request) -> int:
    """The most tasks one user may have."""
    limit: int = request.app.state.settings.tasks_per_user
    return limit


Allowed = Annotated[Versions, Depends(allowed_versions)]


@router.get("", summary="List your tasks", response_model=list[TaskPublic], responses=documented(*ALWAYS))
def list_tasks(user: AuthenticatedUser) -> Response:
    """All of your tasks, oldest first."""
    with user.transaction() as own:
        tasks = service.list_as_json(own)
    return Response(tasks, media_type="application/json")


@router.post(
    "",
    status_code=201,
    summary="Create a task",
    response_model=TaskPublic,
    responses=documented(*WITH_BODY, TooManyTasks),
)
def create_task(
    body: TaskCreate, user: AuthenticatedUser, limit: Annotated[int, Depends(tasks_per_user)], response: Response
) -> Task:
    """Create a task of yours, not completed yet."""
    with user.transaction() as own:
        task = service.create(own, title=body.title, description=body.description, tasks_per_user=limit)
    return _tagged(response, task)


@router.get("/{task_id}", summary="Get a task", response_model=TaskPublic, responses=documented(*ALWAYS, TaskNotFound))
def get_task(task_id: UUID, user: AuthenticatedUser, response: Response) -> Task:
    """One of your tasks."""
    with user.transaction() as own:
        task = service.get(own, task_id)
    return _tagged(response, task)


@router.put(
    "/{task_id}",
    summary="Change a task",
    response_model=TaskPublic,
    responses=documented(*WITH_BODY, TaskNotFound, OverlappingUpdate, PreconditionFailed),
)
def edit_task(task_id: UUID, body: TaskUpdate, user: AuthenticatedUser, allowed: Allowed, response: Response) -> Task:
    """Change some members of a task. What is left out is kept; `description: null` clears it."""
    with user.transaction() as own:
        task = service.edit(own, task_id, body.changes(), allowed=allowed)
    return _tagged(response, task)


@router.patch(
    "/{task_id}/toggle",
    summary="Complete a task, or take that back",
    response_model=TaskPublic,
    responses=documented(*ALWAYS, TaskNotFound, PreconditionFailed),
)
def toggle_task(task_id: UUID, user: AuthenticatedUser, allowed: Allowed, response: Response) -> Task:
    """Turn `completed` over. Toggles at the same moment all count."""
    with user.transaction() as own:
        task = service.toggle(own, task_id, allowed=allowed)
    return _tagged(response, task)


@router.delete(
    "/{task_id}",
    status_code=204,
    summary="Delete a task",
    response_class=Response,
    responses=documented(*ALWAYS, TaskNotFound, PreconditionFailed),
)
def delete_task(task_id: UUID, user: AuthenticatedUser, allowed: Allowed) -> None:
    """Delete a task for good."""
    with user.transaction() as own:
        service.remove(own, task_id, allowed=allowed)


def _tagged(response: Response, task: Task) -> Task:
    response.headers["ETag"] = f'"{task.version}"'
    return task
