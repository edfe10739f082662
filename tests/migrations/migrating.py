"""Migrations as tests run them: `make migrate` as a process of its own, and single steps."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from alembic.config import Config
from alembic.script import ScriptDirectory

from backend.migrations.apply import alembic_config, owner_engine
from backend.postgres.url import DatabaseUrl
from dev.paths import CHECKOUT
from tests.conftest import ORIGIN, SECRET
from tests.support.database_copy import DatabaseCopy

HEAD = ScriptDirectory.from_config(alembic_config()).get_current_head()
"""The revision of a database that is up to date."""


def start_migrating(direct_url: str, database_url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start what `make migrate` runs; with `--check`, what `make check-database` runs."""
    environment = {
        "DATABASE_URL": database_url,
        "DATABASE_DIRECT_URL": direct_url,
        "BETTER_AUTH_SECRET": SECRET,
        "FRONTEND_URL": ORIGIN,
        "PYTHONPATH": str(CHECKOUT),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "backend.migrations", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment,
        cwd="/",  # not the checkout, whose `.env` is a person's
    )  # fmt: skip


@contextmanager
def alembic(database: DatabaseCopy) -> Iterator[Config]:
    """Alembic's configuration for the database."""
    with owner_engine(DatabaseUrl.parse(database.owner_url)).connect() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        yield config
        connection.commit()
