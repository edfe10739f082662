"""The rules of tasks. Every function takes the authenticated user, as whom its statement is run.

PostgreSQL enforces the same by row level security: a query that forgot the condition would still find no task of
another user (FR-019, FR-023).
"""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from backend.auth.current_user import CurrentUser
from backend.database.transactions import Rows
from backend.errors import ApiError, Conflict, NotFound, PreconditionFailed
from backend.tasks import statements
from backend.tasks.limits import TaskLimits

Versions = Collection[int] | None
"""The versions that `If-Match` allows; None allows any."""
TaskRow = Row[Any]
"""A task as a statement gives it: its columns as attributes."""


class TaskNotFound(NotFound):
    """The id is unknown, or the task belongs to another user. The answer is the same, so that nothing is disclosed."""

    message = "Task not found."


class OverlappingUpdate(Conflict):
    """Two updates read the same version; this is the later one, and it changed nothing."""

    message = "This task was changed at the same moment by another request. Please reload it and try again."


def list_as_json(user: CurrentUser) -> str:
    """All tasks of the user, oldest first, as the JSON text of `list[TaskPublic]` (FR-017, SC-007).

    PostgreSQL writes the JSON, because parsing a thousand rows only to print them again takes ten times as long.
    """
    [[members]] = user.read(statements.LIST)
    return f"[{members or ''}]"


def create(user: CurrentUser, *, title: str, description: str | None, limits: TaskLimits) -> TaskRow:
    """Store a new task of the user (FR-015, FR-016).

    :raises TooManyTasks: the user has as many tasks as the limits allow
    :raises TooMuchText: with this one, the user's tasks would be larger than the limits allow
    """
    [created] = limits.run(user, statements.CREATE, new_title=title, new_description=description or None)
    return created


def get(user: CurrentUser, task_id: UUID) -> TaskRow:
    """One task of the user (FR-018).

    :raises TaskNotFound: the id is unknown, or the task belongs to another user (FR-019)
    """
    found = user.read(statements.GET, task_id=task_id)
    if not found:
        raise TaskNotFound
    return found[0]


def edit(
    user: CurrentUser, task_id: UUID, changes: Mapping[str, Any], *, allowed: Versions, limits: TaskLimits
) -> TaskRow:
    """Change some of a task's members (FR-020).

    :raises TaskNotFound: the id is unknown, or the task belongs to another user
    :raises PreconditionFailed: its version is not among the allowed ones
    :raises OverlappingUpdate: another request changed it meanwhile
    :raises TooMuchText: it would become longer, and the user's tasks larger than the limits allow
    """
    new = {
        "new_title": changes.get("title"),
        "has_description": "description" in changes,
        "new_description": changes.get("description") or None,
        "new_completed": changes.get("completed"),
    }
    rows = limits.run(user, statements.EDIT, task_id=task_id, versions=allowed, **new)
    return _changed(rows, allowed, OverlappingUpdate)


def toggle(user: CurrentUser, task_id: UUID, *, allowed: Versions) -> TaskRow:
    """Invert `completed`, in one statement, so that concurrent toggles all count (FR-021).

    :raises TaskNotFound: the id is unknown, or the task belongs to another user
    :raises PreconditionFailed: its version is not among the allowed ones
    """
    return _changed(user.run(statements.TOGGLE, task_id=task_id, versions=allowed), allowed, TaskNotFound)


def remove(user: CurrentUser, task_id: UUID, *, allowed: Versions) -> None:
    """Delete a task (FR-022).

    :raises TaskNotFound: the id is unknown, or the task belongs to another user
    :raises PreconditionFailed: its version is not among the allowed ones
    """
    _changed(user.run(statements.DELETE, task_id=task_id, versions=allowed), allowed, TaskNotFound)


def _changed(rows: Rows, allowed: Versions, overtaken: type[ApiError]) -> TaskRow:
    """The changed task. If the statement changed nothing, the error that says why.

    :param rows: what the statement gave: no row if there is no such task; if nothing was changed, a row in which only
        `seen_version` is not null
    :param overtaken: the error if another request changed or deleted the task first
    """
    if not rows:
        raise TaskNotFound
    [task] = rows
    if task.id is not None:
        return task
    if allowed is not None and (task.seen_version not in allowed or overtaken is TaskNotFound):
        raise PreconditionFailed
    raise overtaken
