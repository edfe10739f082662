"""What a sign-in takes besides hashing the password, and whether a refusal tells who has an account."""

from collections.abc import Callable

from backend.auth import passwords
from benchmarks.laboratory import Laboratory
from benchmarks.measure import Finding, Section, interleave, milliseconds
from dev.local_lambda.events import http_event
from tests.support.people import PASSWORD

TARGET_RATIO = 1.2
BARE = "one bare verification"
RIGHT, WRONG, UNKNOWN = "sign-in", "wrong password", "unknown e-mail"


def measure(laboratory: Laboratory, say: Callable[[str], None]) -> Section:
    """A right sign-in and both kinds of wrong ones, against hashing alone."""
    function = laboratory.ours.function(laboratory.through_pooler(laboratory.ours))
    email, rounds = laboratory.people.readers[0].email, laboratory.budget.sign_in_rounds
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
            UNKNOWN: signing_in("nobody@example.com", "not the password", 401),
        },
    )
    rows = []
    for name in (RIGHT, WRONG, UNKNOWN):
        takes, bare, times = milliseconds(medians[name]), milliseconds(medians[BARE]), medians[name] / medians[BARE]
        say(f"{name}: {takes} against {bare} of hashing, {times:.2f}")
        rows.append((name, takes, bare, f"{times:.2f}"))
    telling = medians[WRONG] / medians[UNKNOWN]
    rows.append(("wrong password, against unknown e-mail", rows[1][1], rows[2][1], f"{telling:.2f}"))
    ratio = medians[RIGHT] / medians[BARE]
    return Section(
        "Sign-in",
        "Through Mangum, in process, with a fresh TLS 1.3 and SCRAM connection through PgBouncer, rate limits included;"
        f" against one argon2id verification with the same parameters. Medians of {rounds} rounds.",
        ("request", "takes", "against", "ratio"),
        rows,
        [Finding.at_most("sign-in against one bare verification", ratio, TARGET_RATIO)],
    )
