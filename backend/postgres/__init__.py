"""A PostgreSQL driver on pg8000 that needs one network round trip for a statement. It imports nothing of `backend`.

The protocol lets many messages leave together. Stock pg8000 waits for an answer after each of them:

    stock pg8000: 4 round trips for a transaction's first statement     here: 1
    ---------------------------------------------------------------     -----------------------------------------
    client                                              server          client                              server
      | Parse, Bind, Execute "BEGIN", Sync  ----------->  |               | Parse, Bind, Execute "BEGIN"          |
      | <------------------------------  ReadyForQuery    |               | Parse, Bind, Execute "SET LOCAL ROLE" |
      | Parse, Sync  --------------------------------->   |               | Parse, Bind, Execute  the statement   |
      | <------------------------------  ReadyForQuery    |               | Sync  ----------------------------->  |
      | Describe, Sync  ------------------------------>   |               | <-----  all answers, ReadyForQuery    |
      | <------------------------------  ReadyForQuery    |
      | Bind, Execute, Sync  ------------------------->   |
      | <-----------------------  rows, ReadyForQuery     |

It is used through SQLAlchemy:

    engine(DatabaseUrl.parse("postgresql://…"), role="todo_auth", poolclass=NullPool)

What is promised:
- One round trip a statement, and one for COMMIT or ROLLBACK. BEGIN and the starting role ride with the first statement.
- All of a flight runs on one server connection, behind a transaction pooler too. So no other client's statement can run
  in between, and a statement cannot run outside its transaction or with another role.
- TLS verifies certificate and host name, unless the server is on this machine. `channel_binding=require` is enforced.
- Connecting takes at most 5 s, an answer 10 s, and both end with the request's deadline (`deadline.py`).
- A connection whose state is unknown is closed, never used again.

The files: `url` reads the connection string · `network` connects the socket · `scram` keeps what a password costs to
compute · `connection` sends the flights · `dialect` tells SQLAlchemy about it · `deadline` is the request's time ·
`sqlstates` names the errors. docs/decisions/0001-a-driver-of-our-own.md says why it exists.

Importing this package has two effects: SQLAlchemy knows the driver's name, and scramp (which logs pg8000 in) remembers.
"""

from functools import partial
from typing import Any

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.dialects import registry

from backend.postgres import scram
from backend.postgres.connection import Connection
from backend.postgres.network import ConnectFailed, ConnectionLost, OutOfTime, ServerNotTrusted
from backend.postgres.sqlstates import sqlstate
from backend.postgres.url import DatabaseUrl, InvalidDatabaseUrl

DRIVER = "oneflight"

scram.install()
registry.register(f"postgresql.{DRIVER}", "backend.postgres.dialect", "Dialect")


def engine(url: DatabaseUrl, *, role: str | None = None, **pool: Any) -> Engine:
    """An SQLAlchemy engine whose connections are this driver's. Opens no connection.

    :param role: the role that every transaction starts with; without one it is the login itself
    :param pool: how connections are kept, as `sqlalchemy.create_engine` takes it
    """
    return create_engine(
        URL.create(f"postgresql+{DRIVER}"),
        creator=partial(Connection.open, url, role=role),
        hide_parameters=True,
        **pool,
    )


__all__ = [
    "ConnectFailed",
    "Connection",
    "ConnectionLost",
    "DatabaseUrl",
    "InvalidDatabaseUrl",
    "OutOfTime",
    "ServerNotTrusted",
    "engine",
    "sqlstate",
]
