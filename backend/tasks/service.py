"""The rules of tasks. Every function takes the session of an authenticated user, and names that user in its query.

PostgreSQL enforces the same once more by row level security, so a condition forgotten here would find nothing of
anybody else's (FR-019, FR-023).
"""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    Text,
    bindparam,
    cast,
    func,
    insert,
    inspect,
    literal,
    select,
    update,
)
from sqlmodel import col, delete

from backend.auth.current_user import UserSession
from backend.database.model import TIMESTAMP_FORMAT
from backend.errors import Conflict, NotFound, PreconditionFailed
from backend.tasks.models import Task
from backend.tasks.schemas import TaskPublic

Versions = Collection[int] | None
"""The versions that `If-Match` allows; None allows any."""


class TaskNotFound(NotFound):
    """The id is unknown, or somebody else's."""

    message = "Task not found."


class TooManyTasks(Conflict):
    """The limit that keeps a list within what one answer can carry."""

    message = "You have as many tasks as can be stored. Please delete some first."


class OverlappingUpdate(Conflict):
    """Two updates read the same version; this is the later one, and it changed nothing."""

    message = "This task was changed at the same moment by another request. Please reload it and try again."


def list_as_json(own: UserSession) -> str:
    """All tasks of the user, oldest first, as the JSON text of `list[TaskPublic]` (FR-017, SC-007).

    PostgreSQL writes the JSON, because parsing a thousand rows only to print them again takes ten times as long.
    """
    members = own.session.connection().execute(_list_statement(), {"user_id": own.user_id}).scalar_one()
    return f"[{members or ''}]"


def create(own: UserSession, *, title: str, description: str | None, tasks_per_user: int) -> Task:
    """Store a new task of the user (FR-015, FR-016).

    :raises TooManyTasks: the user has `tasks_per_user` of them already
    """
    values = select(literal(title, Text), literal(description or None, Text), literal(own.user_id))
    task: Task | None = own.session.scalar(
        insert(Task)
        .from_select(
            ["title", "description", "user_id"],
            values.where(func.has_room_for_task(tasks_per_user)),
            include_defaults=False,
        )
        .returning(Task)
    )
    if task is None:
        raise TooManyTasks
    return task


def get(own: UserSession, task_id: UUID) -> Task:
    """One task of the user (FR-018).

    :raises TaskNotFound: unknown, or somebody else's (FR-019)
    """
    task = own.session.scalar(select(Task).where(_is_owned_by(own), col(Task.id) == task_id))
    if task is None:
        raise TaskNotFound
    return task


def edit(own: UserSession, task_id: UUID, changes: Mapping[str, Any], *, allowed: Versions) -> Task:
    """Change some of a task's members (FR-020).

    :raises TaskNotFound: unknown, or somebody else's
    :raises PreconditionFailed: its version is none of the allowed ones
    :raises OverlappingUpdate: somebody changed it after it was read
    """
    read = get(own, task_id)
    if allowed is not None and read.version not in allowed:
        raise PreconditionFailed
    values = dict(changes)
    if "description" in values:
        values["description"] = values["description"] or None
    task = _update(own, task_id, values, allowed=[read.version])
    if task is None:
        raise OverlappingUpdate
    return task


def toggle(own: UserSession, task_id: UUID, *, allowed: Versions) -> Task:
    """Turn `completed` over, in one statement, so that toggles at the same moment all count (FR-021).

    :raises TaskNotFound: unknown, or somebody else's
    :raises PreconditionFailed: its version is none of the allowed ones
    """
    task = _update(own, task_id, {"completed": ~col(Task.completed)}, allowed=allowed)
    if task is None:
        raise _why_nothing_matched(own, task_id)
    return task


def remove(own: UserSession, task_id: UUID, *, allowed: Versions) -> None:
    """Delete a task (FR-022).

    :raises TaskNotFound: unknown, or somebody else's
    :raises PreconditionFailed: its version is none of the allowed ones
    """
    statement = delete(Task).where(_is_owned_by(own), col(Task.id) == task_id, *_has_version(allowed))
    if own.session.connection().execute(statement).rowcount == 0:
        raise _why_nothing_matched(own, task_id)


def _update(own: UserSession, task_id: UUID, values: Mapping[str, Any], *, allowed: Versions) -> Task | None:
    statement = (
        update(Task)
        .where(_is_owned_by(own), col(Task.id) == task_id, *_has_version(allowed))
        .values(**values, version=col(Task.version) + 1)
        .returning(Task)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return own.session.scalar(statement)


def _why_nothing_matched(own: UserSession, task_id: UUID) -> NotFound | PreconditionFailed:
    try:
        get(own, task_id)
    except TaskNotFound as not_found:
        return not_found
    return PreconditionFailed()


@cache
def _list_statement() -> Select[tuple[str | None]]:
    """The list's members, joined by commas: columns by `TaskPublic`, so that a new one cannot be forgotten.

    Built once, because building it takes a fifth of what a short list takes.
    """
    rows = (
        select(*(_as_json_writes_it(name) for name in TaskPublic.model_fields))
        .where(col(Task.user_id) == bindparam("user_id"))
        .order_by(col(Task.created_at), col(Task.id))
        .subquery()
    )
    row = cast(func.row_to_json(rows.table_valued()), Text)
    return select(func.string_agg(row, ",")).select_from(rows)


def _is_owned_by(own: UserSession) -> ColumnElement[bool]:
    return col(Task.user_id) == own.user_id


def _has_version(allowed: Versions) -> list[ColumnElement[bool]]:
    return [] if allowed is None else [col(Task.version).in_(allowed)]


def _as_json_writes_it(name: str) -> ColumnElement[Any]:
    """A column as the JSON needs it: times as text of our own format, all else as PostgreSQL writes it."""
    column: ColumnElement[Any] = inspect(Task).columns[name]
    if isinstance(column.type, DateTime):
        return func.to_char(func.timezone("UTC", column), literal(TIMESTAMP_FORMAT, Text)).label(name)
    return column
