"""`make traceability`: writes docs/traceability.md, which names the tests of each line of the specification.

A test says so itself: `@pytest.mark.spec("FR-019", "US2-4", "EDGE-empty-task-list")`.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SPECIFICATION = CHECKOUT / "specs" / "002-backend-api" / "spec.md"
TABLE = CHECKOUT / "docs" / "traceability.md"

STORY = re.compile(r"### User Story (\d+)")
SCENARIO = re.compile(r"(\d+)\. (\*\*Given\*\*.*)")
EDGE_CASE = re.compile(r"- \*\*([^*]+)\*\*: (.*)")
REQUIREMENT = re.compile(r"- \*\*((?:FR|SC|NFR)-\d{3})\*\*: (.*)")
HEAD = ("| | requirement | tests |", "| --- | --- | --- |")
INTRODUCTION = (
    "Every requirement, success criterion, acceptance scenario and edge case of the"
    " [specification](../specs/002-backend-api/spec.md), and the tests that prove it. `make traceability` writes this"
    " page from the tests' `spec` markers. A test fails when a line has no test, or when this page is outdated. Tests"
    " *in italics* run in `make test-long`, the others in `make test`. The test “a sign out is confirmed” is the"
    " function `test_a_sign_out_is_confirmed`."
)

Proofs = Mapping[str, Iterable[tuple[str, bool]]]
"""The tests of each id: pytest's node ids without parameters, and whether the test is marked `long`."""


def requirements(specification: str) -> dict[str, str]:
    """The lines of the specification that need a test, by id, in its order."""
    found: dict[str, str] = {}
    story, in_edge_cases = "", False
    for line in specification.splitlines():
        if heading := STORY.match(line):
            story = heading[1]
        elif line.startswith("### "):
            in_edge_cases = line == "### Edge Cases"
        elif scenario := SCENARIO.match(line):
            found[f"US{story}-{scenario[1]}"] = scenario[2]
        elif in_edge_cases and (case := EDGE_CASE.match(line)):
            found[_edge_id(case[1])] = f"{case[1]}: {case[2]}"
        elif requirement := REQUIREMENT.match(line):
            found[requirement[1]] = requirement[2]
    return found


def proofs() -> dict[str, list[tuple[str, bool]]]:
    """The tests by the ids that they prove. A separate pytest collects them, including the long ones."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-p", "tests.support.traceability"]
    command += ["-m", "", "--numprocesses", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    run = subprocess.run(command, check=False, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    found: dict[str, list[tuple[str, bool]]] = json.loads(run.stdout.splitlines()[-1])
    return {identifier: [(test, is_long) for test, is_long in tests] for identifier, tests in found.items()}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Runs as a plugin of that pytest: print the collected tests as one line of JSON."""
    found: dict[str, dict[str, bool]] = {}
    for item in session.items:
        name = item.nodeid.partition("[")[0]
        for mark in item.iter_markers("spec"):
            for identifier in mark.args:
                tests = found.setdefault(identifier, {})
                tests[name] = tests.get(name, True) and item.get_closest_marker("long") is not None
    session.config.add_cleanup(
        lambda: print(json.dumps({identifier: sorted(tests.items()) for identifier, tests in found.items()}))
    )


def table(owed: Mapping[str, str], proven: Proofs) -> str:
    """The page as Markdown."""
    rows = [f"| {identifier} | {text} | {_links(proven.get(identifier, ()))} |" for identifier, text in owed.items()]
    return "\n".join(["# From the specification to its tests", "", INTRODUCTION, "", *HEAD, *rows, ""])


def _links(tests: Iterable[tuple[str, bool]]) -> str:
    links = []
    for test, is_long in tests:
        path, _, name = test.partition("::")
        link = f"[{name.replace('::', '.').removeprefix('test_').replace('_', ' ')}](../{path})"
        links.append(f"*{link}*" if is_long else link)
    return "<br>".join(links)


def _edge_id(title: str) -> str:
    return "EDGE-" + "-".join(re.findall(r"[a-z]+", title.lower().replace("'", "")))


if __name__ == "__main__":
    TABLE.write_text(table(requirements(SPECIFICATION.read_text(encoding="utf-8")), proofs()), encoding="utf-8")
    print(f"written to {TABLE.relative_to(CHECKOUT)}")
