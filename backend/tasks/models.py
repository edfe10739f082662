"""Tasks, as PostgreSQL keeps them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, false, text
from sqlmodel import Field, SQLModel

from backend.database.columns import new_id, timestamp

TITLE_MAX_LENGTH = 200
DESCRIPTION_MAX_LENGTH = 2000


class Task(SQLModel, table=True):
    """One person's task. `version` counts its changes: an update names the version that it read."""

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint(f"char_length(title) between 1 and {TITLE_MAX_LENGTH} and btrim(title) <> ''", name="title"),
        CheckConstraint(f"char_length(description) <= {DESCRIPTION_MAX_LENGTH}", name="description"),
        Index(None, "user_id", "created_at", "id"),
    )

    id: UUID = new_id()
    title: str = Field(sa_type=Text)
    description: str | None = Field(default=None, sa_type=Text)
    completed: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    version: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    created_at: datetime = timestamp()
    updated_at: datetime = timestamp()


class TaskTotals(SQLModel, table=True):
    """How much one person has stored. Only triggers write it (migration 0004); no role of the application reads it."""

    __tablename__ = "task_totals"

    user_id: UUID = Field(primary_key=True, foreign_key="users.id", ondelete="CASCADE")
    tasks: int
    bytes: int = Field(sa_type=BigInteger)
    """The size of the list of tasks, as PostgreSQL writes it, but one less for its brackets and commas. It is counted
    as if no task were completed."""
