"""The rules of tasks. Every function takes the session of an authenticated user, and names that user in its query.

PostgreSQL enforces the same by row level security: a query that forgot the condition would still find no task of
another user (FR-019, FR-023).
"""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from backend.auth.current_user import UserSession
from backend.errors import Conflict, NotFound, PreconditionFailed
from backend.tasks import statements
from backend.tasks.models import Task

Versions = Collection[int] | None
"""The versions that `If-Match` allows; None allows any."""


class TaskNotFound(NotFound):
    """The id is unknown, or the task belongs to another user. The answer is the same, so that nothing is disclosed."""

    message = "Task not found."


class TooManyTasks(Conflict):
    """The user has reached `tasks_per_user`, which keeps a list within the size of one answer."""

    message = "You have as many tasks as can be stored. Please delete some first."


class OverlappingUpdate(Conflict):
    """Two updates read the same version; this is the later one, and it changed nothing."""

    message = "This task was changed at the same moment by another request. Please reload it and try again."


def list_as_json(user_session: UserSession) -> str:
    """All tasks of the user, oldest first, as the JSON text of `list[TaskPublic]` (FR-017, SC-007).

    PostgreSQL writes the JSON, because parsing a thousand rows only to print them again takes ten times as long.
    """
    members = (
        user_session.session.connection().execute(statements.LIST, {"owner_id": user_session.user_id}).scalar_one()
    )
    return f"[{members or ''}]"


def create(user_session: UserSession, *, title: str, description: str | None, tasks_per_user: int) -> Task:
    """Store a new task of the user (FR-015, FR-016).

    :raises TooManyTasks: the user has `tasks_per_user` of them already
    """
    values = {"new_title": title, "new_description": description or None, "limit": tasks_per_user}
    task: Task | None = user_session.session.scalar(statements.CREATE, {"owner_id": user_session.user_id, **values})
    if task is None:
        raise TooManyTasks
    return task


def get(user_session: UserSession, task_id: UUID) -> Task:
    """One task of the user (FR-018).

    :raises TaskNotFound: the id is unknown, or the task belongs to another user (FR-019)
    """
    task = user_session.session.scalar(statements.GET, {"owner_id": user_session.user_id, "task_id": task_id})
    if task is None:
        raise TaskNotFound
    return task


def edit(user_session: UserSession, task_id: UUID, changes: Mapping[str, Any], *, allowed: Versions) -> Task:
    """Change some of a task's members (FR-020).

    :raises TaskNotFound: the id is unknown, or the task belongs to another user
    :raises PreconditionFailed: its version is not among the allowed ones
    :raises OverlappingUpdate: another request changed it after it was read
    """
    read = get(user_session, task_id)
    if allowed is not None and read.version not in allowed:
        raise PreconditionFailed
    members = {"title": read.title, "description": read.description, "completed": read.completed, **changes}
    values = {
        "new_title": members["title"],
        "new_description": members["description"] or None,
        "new_completed": members["completed"],
    }
    task: Task | None = user_session.session.scalar(
        statements.EDIT, _task_key(user_session, task_id, [read.version]) | values
    )
    if task is None:
        raise OverlappingUpdate
    return task


def toggle(user_session: UserSession, task_id: UUID, *, allowed: Versions) -> Task:
    """Invert `completed`, in one statement, so that concurrent toggles all count (FR-021).

    :raises TaskNotFound: the id is unknown, or the task belongs to another user
    :raises PreconditionFailed: its version is not among the allowed ones
    """
    task: Task | None = user_session.session.scalar(statements.TOGGLE, _task_key(user_session, task_id, allowed))
    if task is None:
        raise _not_found_or_changed(user_session, task_id)
    return task


def remove(user_session: UserSession, task_id: UUID, *, allowed: Versions) -> None:
    """Delete a task (FR-022).

    :raises TaskNotFound: the id is unknown, or the task belongs to another user
    :raises PreconditionFailed: its version is not among the allowed ones
    """
    if (
        user_session.session.connection().execute(statements.DELETE, _task_key(user_session, task_id, allowed)).rowcount
        == 0
    ):
        raise _not_found_or_changed(user_session, task_id)


def _not_found_or_changed(user_session: UserSession, task_id: UUID) -> NotFound | PreconditionFailed:
    """The error for a statement that matched no row."""
    try:
        get(user_session, task_id)
    except TaskNotFound as not_found:
        return not_found
    return PreconditionFailed()


def _task_key(user_session: UserSession, task_id: UUID, allowed: Versions) -> dict[str, Any]:
    return {"owner_id": user_session.user_id, "task_id": task_id, "versions": allowed}
