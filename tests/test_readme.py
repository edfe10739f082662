"""The README's commands, run exactly as they are printed."""

import re
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from backend.app import create_app
from benchmarks.__main__ import REPORT
from benchmarks.report import with_targets
from tests.conftest import MakeSettings
from tests.migrations.migrating import HEAD
from tests.support.database_copy import DatabaseCopy
from tests.support.serving import serving

README = Path(__file__).parents[1] / "README.md"
CHANGING = re.compile(r'(?<=")(?:[0-9a-f-]{36}|[0-9T:.-]{26}Z|eyJ[\w.-]+)(?=")|(?<="ada-)[0-9-]+(?=@)')
"""Ids, times and tokens, and what makes the e-mail another one each time."""
COUNT = re.compile(r"^=+ (\d{4}) passed, (\d+) skipped in [\d.]+s \(0:0\d:\d\d\) =+$", re.MULTILINE)
"""How pytest ends for a newcomer, who lacks some programs."""


def block(name: str) -> str:
    """The code block after the comment of this name."""
    found = re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None, f"README.md has no block {name!r}"
    return found[1]


@pytest.mark.spec("SC-001", "SC-011", "US1-1", "US1-4", "US2-1", "US2-6", "US2-7")
def test_two_people_at_once_see_what_the_readme_shows(
    make_settings: MakeSettings, fresh_database: DatabaseCopy
) -> None:
    app = create_app(make_settings(database_url=fresh_database.url))

    with serving(app) as url:
        session = block("session").replace("http://127.0.0.1:8000", url)
        people = [Popen(["bash", "-euo", "pipefail", "-c", session], stdout=PIPE, text=True) for _ in range(2)]
        printed = [person.communicate()[0] for person in people]

    for text in printed:
        assert CHANGING.sub("…", text) == block("output")


def test_the_readme_shows_the_revision_that_a_newcomer_sees() -> None:
    assert f"\nSchema: revision {HEAD} (was empty)\n" in README.read_text()


def test_the_readme_shows_how_many_tests_a_newcomer_sees() -> None:
    assert COUNT.search(README.read_text()), "the last line of `make test`, on a machine without the programs of CI"


def test_the_figures_of_the_readme_are_those_of_the_last_measurement() -> None:
    readme = README.read_text()

    assert "| throughput, 16 clients" in readme
    assert with_targets(readme, REPORT.read_text()) == readme, "run `make bench`"
