"""What SQLAlchemy needs to know of our connection, so that it asks the server nothing of its own."""

from typing import Any

from sqlalchemy.dialects.postgresql.base import PGCompiler, PGIdentifierPreparer
from sqlalchemy.dialects.postgresql.pg8000 import PGDialect_pg8000

from backend.postgres.exceptions import ConnectFailed, ConnectionLost, ServerError


class Dialect(PGDialect_pg8000):
    """SQLAlchemy's pg8000 dialect, without the questions that it asks a new server. It opens no connection for itself.

    The execution option `flight` says how a statement is sent (`flight.py`).
    """

    driver = "oneflight"
    supports_statement_cache = True
    statement_compiler = PGCompiler  # type: ignore[assignment]  # pg8000's would double every %, for another paramstyle
    preparer = PGIdentifierPreparer  # type: ignore[assignment]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # what PostgreSQL itself reads

    def initialize(self, connection: Any) -> None:
        """What SQLAlchemy would ask the server. The oldest version that is supported is enough for our statements."""
        self.server_version_info = (16, 0)
        self.default_schema_name = "public"
        self.default_isolation_level = "READ COMMITTED"
        self._backslash_escapes = False  # every flight sets standard_conforming_strings

    def on_connect(self) -> Any:
        """Nothing: a connection brings its converters with it."""
        return None

    def get_default_isolation_level(self, dbapi_conn: Any) -> Any:
        """PostgreSQL's default. `create_engine(isolation_level=…)` must not be used: it leaks through a pooler."""
        return "READ COMMITTED"

    def do_execute(self, cursor: Any, statement: Any, parameters: Any, context: Any = None) -> None:
        """Run a statement as the execution option `flight` says."""
        cursor.execute(statement, parameters, flight=context.execution_options.get("flight"))

    def do_execute_no_params(self, cursor: Any, statement: Any, context: Any = None) -> None:
        """The same, for a statement without parameters."""
        self.do_execute(cursor, statement, (), context)

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Check a pooled connection without asking the server anything."""
        return bool(dbapi_connection.is_quiet)

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Whether the connection is of no more use: the server ended it, even if it could say why (57P01)."""
        return isinstance(e, ConnectFailed | ConnectionLost) or (isinstance(e, ServerError) and e.ends_connection)
