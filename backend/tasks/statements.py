"""SQL statements on tasks. Each is built once, because building it takes more than half as long as running it.

Every statement takes the owner, `owner_id`; one on a single task also takes `task_id`. Values to store are called
`new_…`, because SQLAlchemy reserves the columns' own names.
"""

from typing import Any

from pydantic import BaseModel
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import array
from sqlmodel import col

from backend.database.columns import TIMESTAMP_FORMAT
from backend.tasks.models import Task
from backend.tasks.schemas import TaskPublic

TABLE = Task.metadata.tables["tasks"]
OWNER = cast(bindparam("owner_id"), Uuid)
IS_OWN = col(Task.user_id) == OWNER
IS_THE_TASK = and_(IS_OWN, col(Task.id) == bindparam("task_id"))
HAS_VERSION = col(Task.version) == any_(
    func.coalesce(cast(bindparam("versions"), ARRAY(Integer)), array([col(Task.version)]))
)
"""One of `versions`; null allows any."""


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
GET = select(Task).where(IS_THE_TASK)

_values = (cast(bindparam("new_title"), Text), cast(bindparam("new_description"), Text), OWNER)
_if_there_is_room = select(*_values).where(func.has_room_for_task(bindparam("limit")))
CREATE = select(Task).from_statement(
    insert(TABLE)
    .from_select(["title", "description", "user_id"], _if_there_is_room, include_defaults=False)
    .returning(TABLE)
)
"""No row where the user has `limit` tasks already."""

_change = update(TABLE).where(IS_THE_TASK, HAS_VERSION).values(version=TABLE.c.version + 1).returning(TABLE)
_edit = _change.values({name: bindparam(f"new_{name}") for name in ("title", "description", "completed")})
EDIT = select(Task).from_statement(_edit).execution_options(populate_existing=True)
TOGGLE = select(Task).from_statement(_change.values(completed=~TABLE.c.completed))
DELETE = delete(TABLE).where(IS_THE_TASK, HAS_VERSION)
