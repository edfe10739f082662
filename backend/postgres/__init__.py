"""A PostgreSQL driver that runs a transaction in one network round trip. It imports nothing of the rest of `backend`.

A flight is one transaction, sent as one group of messages that ends with Sync, and answered as one group:

    client                                                                        server
      | Parse Bind Execute   SHOW, SET TRANSACTION …, READ WRITE   (if it writes)     |
      | Parse Bind Execute   the opening: if in time, it sets role and settings       |
      | Parse Bind Execute   the check, which must give a row   (if there is one)     |
      | Parse Bind Describe Execute   the statement                                   |
      | Sync  ------------------------------------------------------------------->    |
      | <------------------  the answers to each, ReadyForQuery: committed, or undone |

Without BEGIN, everything up to Sync is one transaction. All of it reaches one server connection, behind a transaction
pooler too: no other client's statement can come in between.

Over TLS, a login takes two round trips after those of TCP and TLS. The second carries a flight, if that only reads:

    TCP 1 · SSLRequest 1 (none with sslnegotiation=direct) · TLS 1.3 1 (TLS 1.2: 2)
      | StartupMessage, SASLInitialResponse  ------------------------------------>    |
      | <-------------------------------  the list of mechanisms, SASLContinue        |
      | SASLResponse, a flight that only reads  --------------------------------->    |
      | <----  SASLFinal: the server's proof, AuthenticationOk, ReadyForQuery, answer |

So a first read takes 5 round trips, 4 with direct TLS; a first write takes one more. A later flight takes one.

What is believed when: the certificate is verified before StartupMessage leaves. SASLInitialResponse names
SCRAM-SHA-256, or SCRAM-SHA-256-PLUS if the URL requires channel binding or the server offered only that before. A
first read leaves before the server's proof, so the server sees its values; its answer is used only after the proof.
Without TLS, on this machine only, nothing is pipelined, and the server gets what it asks for, even the password.

How it is used, through SQLAlchemy:

    opening = Opening("todo_auth")
    with engine(DatabaseUrl.parse("postgresql://…"), opening=opening).connect() as connection:
        connection.execute(select(…), execution_options={"flight": Flight(reads=True)})

What is promised:
- When a flight's answer arrives, it is committed. An error undoes it. A check without a row makes the rest read-only.
- It runs as the opening's role, with the opening's settings, whatever another client has left on the connection.
- A flight that arrives after its deadline, because a pooler held it up, writes nothing: the opening sets no role, and
  makes it read-only. In a flight that arrives in time, PostgreSQL stops each statement that takes longer than was left.
- The deadline is by the server's clock, which each answer shows. A flight that was late only because the clocks differ
  is sent again. Before a process's first answer the difference counts as 0, so a server's clock that is behind gives a
  flight that much longer.
- What is marked as a read cannot write: PostgreSQL refuses it. Only reads leave before the server has proven itself. A
  write is sent again only if the server has answered that it did nothing: it was late, or ended before its statement.
- Over TLS the certificate and the host's name are verified, nothing but SCRAM is answered, and the server's proof is
  demanded. So over TLS no server is told the password, and none is believed without proof.
- The messages must be the expected ones, in their order, with nothing behind them. Anything else closes the connection.
- An attempt to connect takes at most 5 s, the name server included, and a login makes two at most. A flight takes at
  most 10 s, from its departure to the last byte of its answer. Both end with the request's time (`deadline.py`).
- Every error says whether something may have been written. The driver's own words name no host, user or statement;
  the server's words stay in the `args` of `LoginRefused` and `ServerError`.

What to know before changing it:
- A session's settings outlive the client behind a pooler: only `set_config(…, true)` is used, never SET.
- A SELECT cannot make a transaction writable that another client's setting made read-only: `flight.py` says what does.
- `socket.settimeout` counts for one read; every read here gets what is left of the deadline.
- An ORM load may send a second statement, which would have no check. Statements give Core rows.
- No server documents pipelined logins. If a pipelined message gets no answer within 1.5 s, the driver logs in on a
  second connection, and sends the message there when its turn comes. If that works, it pipelines no such message to
  this server for ten minutes (`login.py`, `memory.py`). `DATABASE_PIPELINE=off` turns it off.
- pg8000's converters are used, and SQLAlchemy's dialect for it: its version is pinned, and a test compares.

The files, from the wire up: `messages`, `wire` (whole messages within a deadline), `network` (name, TCP, TLS),
`scram`, `saslprep`, `channel_binding`, `login`, `memory`, `flight`, `answers`, `connection`, `cursor`, `dialect`,
`outgoing`. Beside them: `url`, `deadline`, `exceptions`, `sqlstates`, `poolers` (what errors of Neon's proxy and
PgBouncer mean).

Tried with PostgreSQL 18 (direct, TLS, direct TLS) and PgBouncer 1.18 (transaction pooling, TLS, SCRAM) in the tests.
Neon's proxy (commit 6a35a3e9), PgBouncer 1.24 and 1.25 were read in source; a stand-in speaks as Neon's proxy does.
docs/decisions/0001-a-driver-of-our-own.md says why this exists, what it costs, and how to do without it.
"""

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


def engine(
    url: DatabaseUrl, *, opening: Opening | None = None, answer_seconds: float | None = None, **pool: Any
) -> Engine:
    """An SQLAlchemy engine whose connections are this driver's. Opens no connection.

    :param opening: what every flight begins with; None for ordinary transactions of several statements
    :param answer_seconds: how long one answer may take; None: 10 s
    :param pool: how connections are kept, as `sqlalchemy.create_engine` takes it
    """
    return create_engine(
        URL.create(f"postgresql+{DRIVER}"),
        creator=partial(Connection, url, opening=opening, answer_seconds=answer_seconds),
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
