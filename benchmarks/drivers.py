"""The applications that are compared, by name, and the drivers with which the stock ones reach PostgreSQL."""

from enum import StrEnum
from typing import Any

from sqlalchemy import URL, Engine, NullPool, QueuePool, create_engine

from backend.settings import Settings

OURS = "this project"
"""The name of this application in every table and chart."""


class Driver(StrEnum):
    """The driver of PostgreSQL, and how it makes TLS connections. The value names the application in the report."""

    PG8000 = "stock"
    """As pg8000's documentation shows, with `ssl_context=True`. Then pg8000 makes a TLS context for every connection,
    which reads all of the system's CA certificates and verifies nothing with them. It does the same by default."""
    PG8000_ONE_TLS_CONTEXT = "stock, one TLS context"
    """One verifying context for the process, as SQLAlchemy's documentation of pg8000 shows."""
    PSYCOPG = "psycopg 3"
    """With its C extension (`psycopg[binary]`), which verifies the certificate. Behind a transaction pooler it prepares
    no statements, as its documentation says."""


class StockDatabase:
    """The engine, with one of the drivers."""

    def __init__(self, settings: Settings, driver: Driver) -> None:
        url = settings.database()
        size = settings.database_pool_size
        pool = {"poolclass": QueuePool, "pool_size": size, "max_overflow": 0} if size else {"poolclass": NullPool}
        arguments: dict[str, Any]
        if driver is Driver.PSYCOPG:
            name, arguments = "postgresql+psycopg", {"sslmode": "disable", "prepare_threshold": None}
            if url.tls:
                arguments |= {"sslmode": "verify-full", "sslrootcert": settings.database_ca_file or "system"}
        else:
            context = url.tls_context() if driver is Driver.PG8000_ONE_TLS_CONTEXT else True
            name, arguments = "postgresql+pg8000", {"ssl_context": context if url.tls else False}
        location = URL.create(name, url.user, url.password, url.host, url.port, url.database)
        self.engine: Engine = create_engine(location, connect_args=arguments, **pool)

    def close(self) -> None:
        """Close the pool's idle connections."""
        self.engine.dispose()
