"""What documents, docstrings and comments name exists: links, paths, modules, commands and environment variables."""

import pytest

from tests.support.references import CHECKS, ELSEWHERE, anchors, problems, prose, read, sources

HERE = "docs/deploying.md"


@pytest.mark.parametrize("kind", CHECKS)
def test_what_documents_docstrings_and_comments_name_exists(kind: str) -> None:
    found = [problem for file in sources() for problem in problems(kind, file, read(file))]

    assert not found, f"{len(found)} {kind} (`make traceability` renews docs/traceability.md):\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("kind", "file", "text", "problem"),
    [
        ("links", HERE, "[a](nowhere.md)", "links to nowhere.md, which does not exist"),
        ("links", HERE, "[a](#nowhere)", "links to #nowhere, which is no heading of docs/deploying.md"),
        ("links", HERE, "[a](../README.md#nowhere)", "links to #nowhere, which is no heading of README.md"),
        ("paths", "backend/app.py", "pass  # see docs/nowhere.md", "names docs/nowhere.md, which does not exist"),
        ("paths", "backend/app.py", '"""As NOWHERE.md says."""', "names NOWHERE.md, which does not exist"),
        ("paths", "backend/web/text.py", '"""Unlike `postgres/nowhere.py`."""', "names postgres/nowhere.py"),
        ("paths", "backend/app.py", 'raise ValueError("`events/nowhere.json`")', "names events/nowhere.json"),
        ("paths", HERE, "as `web/nowhere` does", "names web/nowhere, which does not exist"),
        ("paths", HERE, "backend/main.py:9999", "names line 9999 of backend/main.py, which is shorter"),
        ("paths", HERE, "tests/nowhere/*.py and `events/nowhere-….json`", "names tests/nowhere/*.py"),
        ("paths", "pyproject.toml", 'folder = "%(here)s/backend/nowhere"', "names backend/nowhere"),
        ("modules", HERE, "`backend.nowhere`", "names backend.nowhere, but backend/__init__.py has no nowhere"),
        ("modules", "template.yaml", "Handler: backend.main.nowhere", "backend/main.py has no nowhere"),
        ("modules", HERE, "    python -m dev.nowhere", "runs dev.nowhere, which is no program"),
        ("modules", HERE, "`python3 -m backend.settings`", "runs backend.settings, which is no program"),
        ("modules", HERE, "`.venv/bin/nowhere --help`", "runs nowhere, which is not installed"),
        ("commands", HERE, "`make nowhere`", "names `make nowhere`, which is no target"),
        ("commands", HERE, "    make start && make nowhere  # now", "names `make nowhere`"),
        ("commands", ".github/workflows/ci.yml", "  - run: make nowhere", "names `make nowhere`"),
        ("commands", HERE, "`make deploy STAGE=prod`", "gives `make` STAGE, which the Makefile does not use"),
        ("variables", HERE, "`DATABASE_NOWHERE=1`", "names the variable DATABASE_NOWHERE, which nothing reads"),
        ("variables", ".env.example", "#NOWHERE=1", "names the variable NOWHERE, which nothing reads"),
    ],
)
def test_a_reference_to_nothing_is_noticed(kind: str, file: str, text: str, problem: str) -> None:
    found = "\n".join(problems(kind, file, f"\n{text}\n"))

    assert found.startswith(f"{file}:2: ")
    assert problem in found


@pytest.mark.parametrize("kind", CHECKS)
def test_what_exists_or_is_made_at_run_time_is_no_problem(kind: str) -> None:
    text = """
        [a](../README.md), [b](https://example.com/nowhere.md), `make deploy ENV=prod <<< y`, .data/nowhere,
        `.venv/bin/python -m dev.start`, `backend.main.handler`, events/*.json, `….json`, tests/<part>/test_….py,
        web/openapi.py, backend/main.py:1, `DATABASE_URL`, requirements*.in, pg8000/core.py, text/plain
    """

    assert problems(kind, HERE, text) == []


def test_every_exception_is_needed() -> None:
    everything = "".join(prose(file, read(file)) for file in sources())

    assert [name for name in ELSEWHERE if name not in everything] == []


def test_anchors_are_those_that_github_makes() -> None:
    text = "# What's `make start`, then?\n## Over -- there_1 (2.0)\n```\n# Code\n```\n### [Again](x.md)\n### Again\n"

    assert anchors(prose(HERE, text)) == {"whats-make-start-then", "over----there_1-20", "again", "again-1"}
