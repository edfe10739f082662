"""Alembic's environment. It uses the connection that `apply` hands over, or connects on the direct URL itself."""

from alembic import context
from sqlalchemy import Connection
from sqlmodel import SQLModel

import backend.auth.models
import backend.tasks.models  # noqa: F401  # importing the models fills the metadata that autogenerate compares
from backend.migrations.apply import owner_engine
from backend.migrations.repair import lock
from backend.settings import load_database_settings


def run(connection: Connection) -> None:
    """Run the migrations in one transaction, while no other upgrade runs."""
    context.configure(connection=connection, target_metadata=SQLModel.metadata, compare_server_default=True)
    with context.begin_transaction():
        # Locked before Alembic reads the current revision: the later of two upgrades then finds the revision that the
        # first one reached, and has nothing to do.
        lock(connection)
        context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Migrations read what is there (roles, rows), so there is no --sql mode; run them on a database.")

handed_over: Connection | None = context.config.attributes.get("connection")
if handed_over is not None:
    run(handed_over)
else:
    with owner_engine(load_database_settings().database_direct()).connect() as connection:
        run(connection)
