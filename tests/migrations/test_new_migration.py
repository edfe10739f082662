"""`make migration`: what it writes, what it refuses, and that what it has written works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dev import new_migration
from dev.user_error import UserError
from tests.support.database_copy import DatabaseCopy

CHECKOUT = Path(__file__).resolve().parents[2]
VERSIONS = CHECKOUT / "backend" / "migrations" / "versions"
NEXT = f"{len(list(VERSIONS.glob('[0-9]*.py'))) + 1:04}"
COLUMN = "column_of_a_test"
COMPLETED = "    completed: bool = "
"""A line of the class Task, in front of which a new column is put."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what this command reads and writes."""
    for part in ("backend", "dev"):
        shutil.copytree(CHECKOUT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    return tmp_path


def run(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the copy, with variables besides PATH only."""
    command = [sys.executable, "-m", *arguments]
    environment = {"PATH": os.environ["PATH"]} | variables
    return subprocess.run(command, check=False, cwd=checkout, env=environment, capture_output=True, text=True)


def versions(checkout: Path) -> list[str]:
    """The names of the migrations' files."""
    return sorted(path.name for path in (checkout / "backend" / "migrations" / "versions").glob("*.py"))


def add_a_column_to_tasks(checkout: Path) -> None:
    model = checkout / "backend" / "tasks" / "models.py"
    text = model.read_text()
    assert text.count(COMPLETED) == 1
    column = f"    {COLUMN}: str | None = Field(default=None, sa_type=Text)\n"
    model.write_text(text.replace(COMPLETED, column + COMPLETED))


def has_the_column(database: DatabaseCopy) -> bool:
    [columns] = database.query("select column_name from information_schema.columns where table_name = 'tasks'")
    return [COLUMN] in columns


@pytest.mark.long
def test_a_new_column_becomes_a_migration_that_goes_forward_and_back(
    checkout: Path, fresh_database: DatabaseCopy
) -> None:
    before = versions(checkout)
    fresh_database.query(
        "insert into users (email, password_hash, name) values ('ada@example.com', 'x', 'Ada')",
        "insert into tasks (title, user_id) select 'Water the plants', id from users",
    )
    urls = {"DATABASE_URL": fresh_database.owner_url, "DATABASE_DIRECT_URL": fresh_database.owner_url}
    add_a_column_to_tasks(checkout)

    written = run(checkout, "dev.new_migration", "add_a_column")

    assert (written.returncode, written.stderr) == (0, "")
    assert versions(checkout) == [*before, f"{NEXT}_add_a_column.py"]
    path = checkout / "backend" / "migrations" / "versions" / f"{NEXT}_add_a_column.py"
    text = path.read_text()
    assert str(path) in written.stdout
    assert text.startswith(f'"""Add a column\n\nRevision ID: {NEXT}\nRevises: {before[-1][:4]}\n')
    assert f'op.add_column("tasks", sa.Column("{COLUMN}", sa.Text(), nullable=True))' in text
    assert len(re.findall(r"\bop\.\w+\(", text)) == 2, "it also has operations for what has not changed"
    assert "Alembic does not see: CHECK constraints, triggers, policies and grants" in text
    for check in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        assert run(checkout, "ruff", *check, str(path)).returncode == 0

    upgraded = run(checkout, "backend.migrations", **urls)
    assert f"Schema: revision {NEXT} (was {before[-1][:4]})" in upgraded.stdout, upgraded.stderr
    assert has_the_column(fresh_database)

    downgraded = run(checkout, "alembic", "downgrade", "-1", **urls)
    assert downgraded.returncode == 0, downgraded.stderr
    assert not has_the_column(fresh_database)
    assert fresh_database.query("select title from tasks") == [[["Water the plants"]]]


def test_models_that_the_schema_already_has_give_no_migration(checkout: Path) -> None:
    before = versions(checkout)

    refused = run(checkout, "dev.new_migration", "add_note")

    assert refused.returncode == 1
    assert refused.stderr.startswith("Nothing to do: ")
    assert refused.stderr.count("\n") == 1
    assert refused.stdout == ""
    assert versions(checkout) == before


def test_an_empty_migration_is_written_when_that_is_asked_for(checkout: Path) -> None:
    written = run(checkout, "dev.new_migration", "close_tasks", "--empty")

    path = checkout / "backend" / "migrations" / "versions" / f"{NEXT}_close_tasks.py"
    assert (written.returncode, written.stderr) == (0, "")
    assert "op." not in path.read_text()
    assert run(checkout, "ruff", "check", "--no-cache", str(path)).returncode == 0


def test_without_a_name_it_says_how_to_give_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert new_migration.main([]) == 1
    assert capsys.readouterr().err == "The migration needs a name: make migration NAME=add_note\n"


@pytest.mark.parametrize(
    "name", ["Add_note", "add-note", "add note", "1st", "_note", "../note", "nöte", "n" * 41, "a\n"]
)
def test_a_name_that_is_no_file_s_name_is_refused_in_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert new_migration.main([name]) == 1

    line = capsys.readouterr().err
    assert line.startswith("NAME must be up to 40 of a-z, 0-9 and _")
    assert line.count("\n") == 1


def test_migrations_are_numbered_without_a_gap() -> None:
    assert new_migration.next_number(VERSIONS) == NEXT


@pytest.mark.parametrize(
    "names", [["0001_a.py", "0003_b.py"], ["0001_a.py", "0002_b.py", "0002_c.py"]], ids=["a gap", "two of a number"]
)
def test_two_branches_that_took_the_same_number_are_noticed(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()

    with pytest.raises(UserError, match="renumber the one that was merged last"):
        new_migration.next_number(tmp_path)
