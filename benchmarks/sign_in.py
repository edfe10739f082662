"""Measures sign-ins against hashing alone, and whether the time of a refusal discloses that an account exists."""

from collections.abc import Callable

from backend.auth import passwords
from benchmarks.measure import Finding, Section, interleave, milliseconds
from benchmarks.testbed import Testbed
from dev.local_lambda.events import http_event
from tests.support.people import PASSWORD

MAX_RATIO = 1.08
REASON = (
    "a sign-in takes 1.1 % more instructions than its verification. The rest is waiting for the pooler and PostgreSQL,"
    " and depends on the machine's load"
)
BARE = "one bare verification"
RIGHT, WRONG, UNKNOWN = "sign-in", "wrong password", "unknown e-mail"


def measure(testbed: Testbed, log_progress: Callable[[str], None]) -> Section:
    """Measure a sign-in with the right password, a wrong one and an unknown e-mail."""
    function = testbed.ours.function(testbed.through_pooler(testbed.ours))
    email, rounds = testbed.accounts.readers[0].email, testbed.budget.sign_in_rounds
    stored_hash = passwords.hash_password(PASSWORD)

    def signing_in(email: str, password: str, status: int) -> Callable[[], None]:
        event = http_event("POST", "/api/auth/signin", body={"email": email, "password": password})

        def sign_in() -> None:
            answer = function(event)
            assert answer["statusCode"] == status, answer["body"]

        return sign_in

    medians = interleave(
        rounds,
        {
            BARE: lambda: passwords.verify_password(PASSWORD, stored_hash),
            RIGHT: signing_in(email, PASSWORD, 200),
            WRONG: signing_in(email, "not the password", 401),
            UNKNOWN: signing_in("unknown@example.com", "not the password", 401),
        },
    )
    rows = []
    for name in (RIGHT, WRONG, UNKNOWN):
        takes, bare, ratio = milliseconds(medians[name]), milliseconds(medians[BARE]), medians[name] / medians[BARE]
        log_progress(f"{name}: {takes} against {bare} of hashing, {ratio:.2f}")
        rows.append((name, takes, bare, f"{ratio:.2f}"))
    wrong_to_unknown = medians[WRONG] / medians[UNKNOWN]
    rows.append(("wrong password, against unknown e-mail", rows[1][1], rows[2][1], f"{wrong_to_unknown:.2f}"))
    return Section(
        "Sign-in",
        "Through Mangum, in process, with a new connection through PgBouncer (TLS 1.3 and SCRAM) and with rate limits,"
        f" compared with one argon2id verification with the same parameters. Medians of {rounds} rounds.",
        ("request", "takes", "against", "ratio"),
        rows,
        [
            Finding.at_most(
                "sign-in against one bare verification", medians[RIGHT] / medians[BARE], MAX_RATIO, reason=REASON
            )
        ],
    )
