"""A session with each generated client: from sign-up to sign-out, and every error that the contract names."""

from typing import Any

import pytest

from tests.clients.toolchain import PythonClient, TypeScriptClients
from tests.frontend.expectations import SENTENCES

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def check(seen: dict[str, Any]) -> None:
    """Fail unless the session went as it has to."""
    refusals = seen.pop("refusals")
    assert seen == {
        "name": "Ada",
        "samePerson": True,
        "tokens": ["bearer", 900, True],
        "numbersOfTasks": [0, 1, 0],
        "tasks": [
            ["Water the plants", "the tall one too", False],
            ["Water the flowers", None, False],
            ["Water the flowers", None, True],
            ["Water the flowers", "all of them", True],
        ],
        "isListed": True,
        "timesAreValid": True,
        "signedOut": "Signed out",
        "wrongMembers": [
            {"field": "title", "message": "must not be empty"},
            {"field": "description", "message": "must be at most 2000 characters"},
        ],
    }
    assert sorted(refusals) == ["400", "401", "404", "409", "412", "413", "422", "429", "500", "503"]
    assert refusals.pop("422") == "title: must not be empty; description: must be at most 2000 characters"
    assert refusals.pop("429").startswith("Too many attempts.")
    assert refusals == {status: SENTENCES[status] for status in refusals}


@pytest.mark.spec("SC-009", "SC-004", "NFR-019", "NFR-026", "NFR-027", "FR-020")
@pytest.mark.parametrize("client", ["openapi_fetch", "hey_api", "orval"])
def test_a_session_with_a_client_in_typescript(
    typescript: TypeScriptClients, apis: dict[str, str], client: str
) -> None:
    check(typescript.run_script("main", [client, apis]))


@pytest.mark.spec("SC-009", "SC-004", "NFR-019", "NFR-027", "FR-020")
def test_a_session_with_the_client_in_python(python: PythonClient, apis: dict[str, str]) -> None:
    check(python.session(apis))
