"""The schema as pg_dump prints it. After a new migration, `make schema` writes schema.sql."""

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from backend.migrations.apply import migrate
from dev.embedded_postgres.server import EmbeddedPostgres
from dev.paths import CHECKOUT
from tests.support.database_copy import DatabaseCopy

PATH = Path(__file__).with_name("schema.sql")
NOISE = re.compile(r"^(--|\\(un)?restrict|SET |SELECT pg_catalog\.set_config)")
"""Comments, which name versions; pg_dump's random tokens; the settings of pg_dump's session."""


def dump(database: DatabaseCopy) -> str:
    """The whole schema, without the names of owners. `alembic check` would miss half of it."""
    pg_dump = [str(database.server.binary("pg_dump")), "--schema-only", "--no-owner", f"--dbname={database.owner_url}"]
    dumped = subprocess.run(pg_dump, check=True, capture_output=True, text=True).stdout
    lines = (line for line in dumped.splitlines() if not NOISE.match(line))
    return re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip() + "\n"


def main() -> None:
    """Migrate an empty database, and write its schema."""
    with TemporaryDirectory() as directory, EmbeddedPostgres(Path(directory, "postgres"), is_temporary=True) as server:
        database = DatabaseCopy(server, "todo")
        database.create(source="template1")
        migrate(database.owner_url, database.url, print)
        PATH.write_text(dump(database))
    print(f"written to {PATH.relative_to(CHECKOUT)}")


if __name__ == "__main__":
    main()
