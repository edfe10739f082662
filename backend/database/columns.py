"""Columns that tables share, and how constraints are named."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import PlainSerializer, WithJsonSchema
from sqlalchemy import DateTime, text
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.model_config["defer_build"] = True  # no row is validated, and building the validators takes time at the start

NEW_ID = text("uuid_v7()")
"""Ids sort by creation time (RFC 9562, 5.7), which keeps new index entries together."""
NOW = text("now()")
TIMESTAMP_FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
"""`rfc3339` as PostgreSQL's to_char writes it, for a time in UTC."""


def rfc3339(time: datetime) -> str:
    """A time as every endpoint writes it: RFC 3339, UTC, microseconds, `Z`."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


Timestamp = Annotated[
    datetime,
    PlainSerializer(rfc3339, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "description": "In UTC, with microseconds."}),
]


def new_id() -> Any:
    """A primary key that the database fills in."""
    return Field(default=None, primary_key=True, sa_column_kwargs={"server_default": NEW_ID})


def timestamp(*, with_default: bool = True) -> Any:
    """A column for a time in UTC.

    :param with_default: the database fills in the start of the transaction
    """
    options = {"server_default": NOW} if with_default else {}
    return Field(default=None, sa_type=DateTime(timezone=True), nullable=False, sa_column_kwargs=options)
