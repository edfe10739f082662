"""SQL statements on tasks. Each is built once, because building it takes more than half as long as running it.

Every statement takes the owner, `owner_id`; one on a single task also takes `task_id`. Values to store are called
`new_…`, because SQLAlchemy reserves the columns' own names.
"""

from typing import Any

from pydantic import BaseModel
from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate
from sqlmodel import col

from backend.database.columns import TIMESTAMP_FORMAT
from backend.tasks.models import Task
from backend.tasks.schemas import TaskPublic

TABLE = Task.metadata.tables["tasks"]
OWNER = cast(bindparam("owner_id"), Uuid)
IS_OWN = col(Task.user_id) == OWNER
IS_THE_TASK = and_(IS_OWN, col(Task.id) == bindparam("task_id"))


def select_json_list(model: type[BaseModel]) -> Select[tuple[str | None]]:
    """A query for the members of a JSON list, joined by commas. It selects all columns of the model."""
    rows = (
        select(*(_json_column(name) for name in model.model_fields))
        .where(IS_OWN)
        .order_by(TABLE.c.created_at, TABLE.c.id)
        .subquery()
    )
    return select(func.string_agg(cast(func.row_to_json(rows.table_valued()), Text), ",")).select_from(rows)


def _json_column(name: str) -> ColumnElement[Any]:
    """A column as the JSON needs it: times in the format of all endpoints, all else as PostgreSQL writes it."""
    column: ColumnElement[Any] = TABLE.columns[name]
    if isinstance(column.type, DateTime):
        return func.to_char(func.timezone("UTC", column), literal(TIMESTAMP_FORMAT, Text)).label(name)
    return column


LIST = select_json_list(TaskPublic)
GET = select(TABLE).where(IS_THE_TASK)

_NEW_TASK = select(cast(bindparam("new_title"), Text), cast(bindparam("new_description"), Text), OWNER)
CREATE = (
    insert(TABLE).from_select(["title", "description", "user_id"], _NEW_TASK, include_defaults=False).returning(TABLE)
)
"""`values` would also name the columns for which the model has a default, and the user may not set those."""

_SEEN = select(TABLE.c.id, TABLE.c.version).where(IS_THE_TASK).cte("seen").prefix_with("materialized")
_IS_SEEN = and_(IS_OWN, TABLE.c.id == _SEEN.c.id)
_IS_ALLOWED = TABLE.c.version == any_(
    func.coalesce(cast(bindparam("versions"), ARRAY(Integer)), array([TABLE.c.version]))
)
"""Its version is one of `versions`; null allows any."""
_NEW_VERSION = {"version": TABLE.c.version + 1}


def _with_seen_version(change: ReturningUpdate[Any] | ReturningDelete[Any]) -> Select[Any]:
    """A statement that makes the change, and gives one row: `seen_version` and the columns of the changed task.

    If there is no row, there is no such task. If the columns are null, the task was not changed.

    `seen_version` is the task's version when the statement began. A change may have to wait for another change of the
    same task. It then checks its own condition on the task as the other change left it.
    """
    changed = change.cte("changed")
    return select(_SEEN.c.version.label("seen_version"), changed).select_from(_SEEN.outerjoin(changed, true()))


EDIT = _with_seen_version(
    update(TABLE)
    .where(_IS_SEEN, _IS_ALLOWED, TABLE.c.version == _SEEN.c.version)
    .values(
        title=func.coalesce(cast(bindparam("new_title"), Text), TABLE.c.title),
        description=case(
            (cast(bindparam("has_description"), Boolean), cast(bindparam("new_description"), Text)),
            else_=TABLE.c.description,
        ),
        completed=func.coalesce(cast(bindparam("new_completed"), Boolean), TABLE.c.completed),
        **_NEW_VERSION,
    )
    .returning(TABLE)
)
"""Changes nothing where another update came first. What is null in place of a title or `completed` is kept."""
TOGGLE = _with_seen_version(
    update(TABLE).where(_IS_SEEN, _IS_ALLOWED).values(completed=~TABLE.c.completed, **_NEW_VERSION).returning(TABLE)
)
DELETE = _with_seen_version(delete(TABLE).where(_IS_SEEN, _IS_ALLOWED).returning(TABLE.c.id))
