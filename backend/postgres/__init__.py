"""A PostgreSQL driver that runs a transaction in one network round trip. See the end for how it is used."""

from functools import partial
from typing import Any

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.dialects import registry

from backend.postgres.connection import Connection
from backend.postgres.exceptions import (
    CheckFailed,
    ConnectFailed,
    ConnectionLost,
    Late,
    LoginRefused,
    OutOfTime,
    ServerError,
    ServerNotTrusted,
)
from backend.postgres.flight import Check, Flight, Opening
from backend.postgres.sqlstates import sqlstate
from backend.postgres.url import DatabaseUrl, InvalidDatabaseUrl

DRIVER = "oneflight"

registry.register(f"postgresql.{DRIVER}", "backend.postgres.dialect", "Dialect")


def engine(url: DatabaseUrl, *, opening: Opening | None = None, **pool: Any) -> Engine:
    """An SQLAlchemy engine whose connections are this driver's. Opens no connection.

    :param opening: what every flight begins with; None for ordinary transactions of several statements
    :param pool: how connections are kept, as `sqlalchemy.create_engine` takes it
    """
    return create_engine(
        URL.create(f"postgresql+{DRIVER}"),
        creator=partial(Connection, url, opening=opening),
        hide_parameters=True,
        **pool,
    )


__all__ = [
    "Check",
    "CheckFailed",
    "ConnectFailed",
    "Connection",
    "ConnectionLost",
    "DatabaseUrl",
    "Flight",
    "InvalidDatabaseUrl",
    "Late",
    "LoginRefused",
    "Opening",
    "OutOfTime",
    "ServerError",
    "ServerNotTrusted",
    "engine",
    "sqlstate",
]
