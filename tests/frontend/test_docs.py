"""`/docs` and `/redoc` in a real browser, used like by a developer who tries the API."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.frontend.conftest import Serve
from tests.frontend.toolchain import run_script
from tests.support.contract import OPERATIONS
from tests.support.people import Person

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.mark.spec("SC-009", "NFR-019", "FR-037", "NFR-025", "NFR-004")
def test_the_pages_send_an_authorized_request_and_load_only_our_files(
    frontend: Path, serve: Serve, chromium: dict[str, str]
) -> None:
    api = serve()
    with httpx2.Client(base_url=api) as http:
        ada = Person.sign_up(http)
        task = ada.create_task("Water the plants")

    seen: dict[str, Any] = run_script(frontend, "in_docs.mjs", api, ada.auth["access_token"], **chromium)

    docs = seen["docs"]
    assert docs["operations"] == len(OPERATIONS)
    assert (docs["status"].split()[0], docs["address"].split()[-1]) == ("200", f"{api}/api/tasks")
    assert json.loads(docs["body"]) == [task]
    assert docs["isForgotten"]
    assert ada.auth["access_token"] not in docs["stored"]
    for page in seen.values():
        assert page["complaints"] == []
        assert {
            address for address in page["requests"] if not address.startswith((f"{api}/", "data:", "blob:"))
        } == set()
