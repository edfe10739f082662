"""`make migration NAME=add_note`: write the migration that brings the schema to the models.

Alembic compares the models with a new database that has every migration so far.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations.ops import MigrationScript
from alembic.script import Script
from alembic.util import CommandError

from backend.migrations.apply import alembic_config, owner_engine
from backend.postgres import DatabaseUrl
from dev.embedded_postgres.server import EmbeddedPostgres
from dev.user_error import UserError

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""The part of the file's name after its number. Alembic cuts what is longer than 40 characters."""
USAGE = "make migration NAME=add_note"
WHAT_ALEMBIC_DOES_NOT_SEE = "CHECK constraints, triggers, policies, grants"
NOTHING_TO_DO = (
    "Nothing to do: the migrations already give what the models say. "
    f"For what Alembic does not see ({WHAT_ALEMBIC_DOES_NOT_SEE}), {USAGE} EMPTY=yes writes an empty one"
)


def write(name: str, *, is_empty: bool = False) -> Path:
    """Write the next migration, and return its path.

    :param name: lower-case words joined by underscores
    :param is_empty: do not compare anything, and leave both directions to be written by hand
    :raises UserError: the name or the numbers of the migrations are wrong, or there is nothing to migrate
    """
    if not NAME.fullmatch(name):
        raise UserError(f"NAME must be up to 40 of a-z, 0-9 and _, beginning with a letter, not {name!r}: {USAGE}")
    config = alembic_config()
    config.cmd_opts = argparse.Namespace(quiet=True)
    number = next_number(Path(config.get_main_option("script_location") or "", "versions"))
    message = name.replace("_", " ").capitalize()
    try:
        script = (
            command.revision(config, message, rev_id=number) if is_empty else _autogenerate(config, message, number)
        )
    except CommandError as error:
        raise UserError(f"Alembic: {error}") from error
    if not isinstance(script, Script):
        raise UserError(NOTHING_TO_DO)
    path = Path(script.path)
    _format(path)
    return path


def next_number(versions: Path) -> str:
    """The number after the last migration's. Revisions are numbered, so that their order is visible.

    :raises UserError: the numbers have a gap, or two migrations have the same
    """
    numbers = sorted(path.name.partition("_")[0] for path in versions.glob("[0-9]*.py"))
    if numbers != [f"{number:04}" for number in range(1, len(numbers) + 1)]:
        raise UserError(
            f"The migrations are numbered {', '.join(numbers)}: renumber the one that was merged last "
            "(its file's name, revision and down_revision)"
        )
    return f"{len(numbers) + 1:04}"


def _autogenerate(config: Config, message: str, number: str) -> Script | list[Script | None] | None:
    with _migrated_database(config):
        return command.revision(
            config, message, autogenerate=True, rev_id=number, process_revision_directives=_write_no_empty_one
        )


@contextmanager
def _migrated_database(config: Config) -> Iterator[None]:
    """Connect Alembic to a new database with every migration so far, while the block runs."""
    with TemporaryDirectory(prefix="todo-api-migration-") as directory:
        Path(directory).chmod(0o711)  # root's PostgreSQL runs as `nobody`, which must be able to enter it
        with EmbeddedPostgres(Path(directory, "postgres"), {"fsync": "off"}) as server:
            engine = owner_engine(DatabaseUrl.parse(server.url()))
            with engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                yield


def _write_no_empty_one(_: MigrationContext, __: object, scripts: list[MigrationScript]) -> None:
    if all(script.upgrade_ops is None or script.upgrade_ops.is_empty() for script in scripts):
        scripts.clear()


def _format(path: Path) -> None:
    """Remove imports that this migration does not use, and format it as `make check` requires."""
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--quiet", "--select=F401,I", "--fix", path], check=True)
    subprocess.run([*ruff, "format", "--quiet", path], check=True)


def main(arguments: list[str]) -> int:
    """Write the migration that the command line names. Returns the exit code."""
    is_empty = "--empty" in arguments
    name = " ".join(argument for argument in arguments if argument != "--empty")
    try:
        if not name:
            raise UserError(f"The migration needs a name: {USAGE}")
        path = write(name, is_empty=is_empty)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{path}\n  Read it and complete it, then run `make schema` (CONTRIBUTING.md, Adding a column)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
