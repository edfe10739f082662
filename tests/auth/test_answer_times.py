"""How long a refusal takes, measured with production's password parameters: `pytest -m long -s tests/auth`."""

import statistics
import time

import pytest

from tests.auth.guesses import sign_in, some_email
from tests.conftest import NO_LIMITS, MakeClient
from tests.support.people import Person

ATTEMPTS = 60


@pytest.mark.long
@pytest.mark.real_passwords
@pytest.mark.spec("US3-4", "FR-006", "NFR-009")
@pytest.mark.parametrize("pool_size", [0, 5])
def test_a_known_and_an_unknown_email_are_refused_after_the_same_time(make_client: MakeClient, pool_size: int) -> None:
    """Prints the medians, and compares no times. test_passwords.py compares the work: statements and hashes."""
    person = Person.sign_up(make_client(database_pool_size=pool_size, **NO_LIMITS))
    seconds: dict[str, list[float]] = {"known": [], "unknown": []}
    for attempt in range(2 * ATTEMPTS):
        kind = ("known", "unknown")[(attempt + attempt // 2) % 2]  # so that neither kind always follows the other
        email = person.email if kind == "known" else some_email()
        started = time.perf_counter()
        answer = sign_in(person.http, email)
        seconds[kind].append(time.perf_counter() - started)
        assert answer.status_code == 401

    known, unknown = (statistics.median(seconds[kind]) * 1000 for kind in ("known", "unknown"))
    print(f"\npool of {pool_size}: known {known:.1f} ms, unknown {unknown:.1f} ms, ratio {known / unknown:.3f}")
    assert [len(times) for times in seconds.values()] == [ATTEMPTS, ATTEMPTS]
