"""What the existing frontend does, in Node: no browser between it and the API."""

from pathlib import Path

import pytest

from tests.frontend import expectations
from tests.frontend.conftest import Serve
from tests.frontend.toolchain import told

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
NO_DATABASE = {"database_url": "postgresql://todo_api:x@127.0.0.1:1/none"}


@pytest.mark.spec("NFR-023", "SC-001", "SC-008", "US1-5", "EDGE-refresh-token-reuse", "FR-011", "FR-012", "US1-4")
def test_expired_tokens_keep_the_sign_in_and_a_sign_out_ends_it(frontend: Path, origin: str, serve: Serve) -> None:
    place = {"api": serve(), "frontend": origin}  # the usual limits: 60 refreshes a sign-in

    seen = told(frontend, "in_node.mjs", "expiredTokens", place)

    expectations.nobody_was_signed_out_by_accident(seen)
    expectations.everything_ended_with_the_sign_out(seen)


@pytest.mark.spec("NFR-023", "NFR-027", "SC-004", "FR-035")
def test_every_error_has_a_status_and_a_sentence(frontend: Path, origin: str, serve: Serve) -> None:
    place = {"api": serve(signin_failures_per_account_and_address=1), "frontend": origin}

    seen = told(frontend, "in_node.mjs", "everyError", place, serve(**NO_DATABASE))

    expectations.every_error_could_be_read(seen)
