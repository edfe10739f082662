"""The scenarios of test_node_client.py in a real browser, which decides what a page's script may read."""

from collections import Counter
from pathlib import Path

import httpx2
import pytest

from tests.frontend import expectations
from tests.frontend.conftest import Serve
from tests.frontend.host import serve_frontend
from tests.frontend.test_node_client import NO_DATABASE
from tests.frontend.toolchain import run_script
from tests.support.clock import Clock
from tests.support.people import Person

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
UNREADABLE = {"unreadable": "Network Error"}


@pytest.mark.spec("SC-008", "NFR-023", "NFR-024", "FR-039", "US1-5", "EDGE-refresh-token-reuse")
def test_expired_tokens_keep_the_sign_in_and_a_sign_out_ends_it(
    frontend: Path, origin: str, serve: Serve, request_counts: Counter[str], chromium: dict[str, str]
) -> None:
    environment = {"api": serve(), "frontend": origin}

    seen = run_script(frontend, "in_browser.mjs", "expiredTokens", environment, **chromium)

    expectations.check_no_accidental_sign_out(seen)
    expectations.check_sign_out_ended_everything(seen)
    # List, task, toggle, refresh and sign-out: Chromium caches the answer to a preflight for each URL.
    assert request_counts["OPTIONS"] >= 5
    assert request_counts["GET"] + request_counts["POST"] + request_counts["PATCH"] > 12 * expectations.CYCLES


@pytest.mark.spec("SC-008", "SC-004", "SC-017", "FR-034", "FR-035", "FR-039", "NFR-024", "NFR-027")
def test_a_script_can_read_every_error(
    frontend: Path, origin: str, serve: Serve, request_counts: Counter[str], chromium: dict[str, str]
) -> None:
    environment = {"api": serve(signin_failures_per_account_and_address=1), "frontend": origin}

    seen = run_script(frontend, "in_browser.mjs", "everyError", environment, serve(**NO_DATABASE), **chromium)

    expectations.check_every_error_is_readable(seen)
    assert request_counts["OPTIONS"] >= 5


@pytest.mark.spec("FR-039", "NFR-024", "NFR-004")
def test_a_page_of_a_foreign_origin_reads_nothing_and_changes_nothing(
    frontend: Path, serve: Serve, request_counts: Counter[str], clock: Clock, chromium: dict[str, str]
) -> None:
    api = serve()
    with httpx2.Client(base_url=api) as http, serve_frontend(frontend, clock) as foreign:
        ada = Person.sign_up(http)
        posted = request_counts["POST"]

        seen = run_script(
            frontend, "in_browser.mjs", "foreignPage", {"api": api, "frontend": foreign}, ada.auth, **chromium
        )

        assert set(seen) == {"simple", "list", "create", "withCredentials", "signIn"}
        assert all(outcome == UNREADABLE for outcome in seen.values())
        # Chromium sent preflights for list, create and sign-in, and no requests after them.
        assert (request_counts["OPTIONS"], request_counts["POST"]) == (3, posted)
        assert ada.tasks() == []
