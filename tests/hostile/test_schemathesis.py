"""Valid and invalid requests, generated from the OpenAPI document. Every answer is compared with the document.

Schemathesis generates them: first for each operation, from examples, boundaries and at random; then sequences of
operations, by the document's links. All of its checks are on. The seed and the number of requests are fixed
(schemathesis.toml), so that every run finds the same failures.

It runs in a process of its own: in pytest's process, it removes the values from every report of Hypothesis.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dev.openapi import PATH
from dev.paths import CHECKOUT
from tests.support.people import Person

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.spec("SC-009", "SC-003", "SC-005", "SC-019", "FR-019", "FR-022", "FR-036", "NFR-004", "NFR-016")
def test_the_api_conforms_to_its_openapi_document(server: str, user: Person, tmp_path: Path) -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
            *("--config-file", CONFIGURATION, "--no-color", "run", PATH, "--url", server),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT), "API": server, "EMAIL": user.email, "PASSWORD": user.password},
        capture_output=True,
        text=True,
        check=False,
    )

    if run.returncode != 0:
        pytest.fail(run.stdout + run.stderr, pytrace=False)  # an `assert` would shorten it
