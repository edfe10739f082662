"""What SQLAlchemy needs to know of our connection, so that it asks the server nothing of its own."""

from typing import Any

from sqlalchemy.dialects.postgresql.base import PGCompiler, PGIdentifierPreparer
from sqlalchemy.dialects.postgresql.pg8000 import PGDialect_pg8000

from backend.postgres.network import ConnectFailed, ConnectionLost
from backend.postgres.sqlstates import CONNECTION_ENDED, sqlstate


class Dialect(PGDialect_pg8000):
    """SQLAlchemy's pg8000 dialect, without the questions it asks a new server: start-up has answered them."""

    driver = "oneflight"
    supports_statement_cache = True
    statement_compiler = PGCompiler  # type: ignore[assignment]  # pg8000's would double every %, for another paramstyle
    preparer = PGIdentifierPreparer  # type: ignore[assignment]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # what PostgreSQL itself reads

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        version = _parameter_statuses(connection)["server_version"].split()[0]
        return tuple(int(part) for part in version.split(".") if part.isdigit())

    def _get_default_schema_name(self, connection: Any) -> str:
        return "public"

    def get_default_isolation_level(self, dbapi_conn: Any) -> Any:
        """PostgreSQL's default. `create_engine(isolation_level=…)` must not be used: it leaks through a pooler."""
        return "READ COMMITTED"

    def _set_backslash_escapes(self, connection: Any) -> None:
        self._backslash_escapes = _parameter_statuses(connection).get("standard_conforming_strings") == "off"

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Check a pooled connection without asking the server anything."""
        return bool(dbapi_connection.is_quiet)

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Whether the connection is of no more use: the server ended it, even if it could say why (57P01)."""
        return isinstance(e, ConnectFailed | ConnectionLost) or (sqlstate(e) or "").startswith(CONNECTION_ENDED)


def _parameter_statuses(connection: Any) -> dict[str, str]:
    statuses: dict[str, str] = connection.connection.dbapi_connection.parameter_statuses
    return statuses
