"""What the existing frontend does, run in Node without a browser."""

from pathlib import Path

import pytest

from tests.frontend import expectations
from tests.frontend.conftest import Serve
from tests.frontend.toolchain import run_script

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
NO_DATABASE = {"database_url": "postgresql://todo_api:x@127.0.0.1:1/none"}


@pytest.mark.spec("NFR-023", "SC-001", "SC-008", "US1-5", "EDGE-refresh-token-reuse", "FR-011", "FR-012", "US1-4")
def test_expired_tokens_keep_the_sign_in_and_a_sign_out_ends_it(frontend: Path, origin: str, serve: Serve) -> None:
    environment = {"api": serve(), "frontend": origin}  # with the usual limit: 60 refreshes for a sign-in

    seen = run_script(frontend, "in_node.mjs", "expiredTokens", environment)

    expectations.check_no_accidental_sign_out(seen)
    expectations.check_sign_out_ended_everything(seen)


@pytest.mark.spec("NFR-023", "NFR-027", "SC-004", "FR-035")
def test_every_error_has_a_status_and_a_sentence(frontend: Path, origin: str, serve: Serve) -> None:
    environment = {"api": serve(signin_failures_per_account_and_address=1), "frontend": origin}

    seen = run_script(frontend, "in_node.mjs", "everyError", environment, serve(**NO_DATABASE))

    expectations.check_every_error_is_readable(seen)
