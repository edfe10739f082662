"""The same in a page of another origin in a real browser, which decides by itself what a script may read."""

from collections import Counter
from pathlib import Path

import httpx2
import pytest

from tests.auth.clock import Clock
from tests.frontend import expectations
from tests.frontend.conftest import Serve
from tests.frontend.host import hosting
from tests.frontend.test_node_client import NO_DATABASE
from tests.frontend.toolchain import told
from tests.support.people import Person

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
UNREADABLE = {"unreadable": "Network Error"}


@pytest.mark.spec("SC-008", "NFR-023", "NFR-024", "FR-039", "US1-5", "EDGE-refresh-token-reuse")
def test_expired_tokens_keep_the_sign_in_and_a_sign_out_ends_it(
    frontend: Path, origin: str, serve: Serve, asked: Counter[str], chromium: dict[str, str]
) -> None:
    place = {"api": serve(), "frontend": origin}

    seen = told(frontend, "in_browser.mjs", "expiredTokens", place, **chromium)

    expectations.nobody_was_signed_out_by_accident(seen)
    expectations.everything_ended_with_the_sign_out(seen)
    assert asked["OPTIONS"] >= 5  # list, task, toggle, refresh, sign-out: Chromium remembers an address's preflight
    assert asked["GET"] + asked["POST"] + asked["PATCH"] > 12 * expectations.CYCLES


@pytest.mark.spec("SC-008", "SC-004", "SC-017", "FR-034", "FR-035", "FR-039", "NFR-024", "NFR-027")
def test_a_script_can_read_every_error(
    frontend: Path, origin: str, serve: Serve, asked: Counter[str], chromium: dict[str, str]
) -> None:
    place = {"api": serve(signin_failures_per_account_and_address=1), "frontend": origin}

    seen = told(frontend, "in_browser.mjs", "everyError", place, serve(**NO_DATABASE), **chromium)

    expectations.every_error_could_be_read(seen)
    assert asked["OPTIONS"] >= 5


@pytest.mark.spec("FR-039", "NFR-024", "NFR-004")
def test_a_page_of_a_foreign_origin_reads_nothing_and_changes_nothing(
    frontend: Path, serve: Serve, asked: Counter[str], clock: Clock, chromium: dict[str, str]
) -> None:
    api = serve()
    with httpx2.Client(base_url=api) as http, hosting(frontend, clock) as foreign:
        ada = Person.sign_up(http)
        posted = asked["POST"]

        seen = told(frontend, "in_browser.mjs", "foreignPage", {"api": api, "frontend": foreign}, ada.auth, **chromium)

        assert set(seen) == {"simple", "list", "create", "withCredentials", "signIn"}
        assert all(outcome == UNREADABLE for outcome in seen.values())
        assert (asked["OPTIONS"], asked["POST"]) == (3, posted)  # list, create and sign-in were asked for, and not sent
        assert ada.tasks() == []
