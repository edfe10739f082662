"""The expected results of the scenarios, in Node and in a browser."""

from typing import Any

CYCLES, CALLS_AT_ONCE = 20, 4
SIGNED_OUT = "You are not signed in, or your sign-in has ended. Please sign in."
SENTENCES = {
    "400": "The request body must be a JSON document, sent with 'Content-Type: application/json'.",
    "401": SIGNED_OUT,
    "404": "Task not found.",
    "405": "This address does not support that method.",
    "409": "There is an account with this e-mail already. Please sign in.",
    "412": "This was changed in the meantime. Please reload it and try again.",
    "413": "The request body is too large: at most 64 KiB are accepted.",
    "422": "title: must not be empty",
    "429": "Too many attempts. Please try again in 15 minutes.",
    "500": "Something went wrong on our side. Please try again.",
    "503": "The service is unavailable for a moment. Please try again.",
}


def check_no_accidental_sign_out(seen: dict[str, Any]) -> None:
    """Each of 20 times 4 calls with an expired token did a refresh of its own, and was then answered."""
    calls = CYCLES * CALLS_AT_ONCE
    counted = seen["counted"]
    assert seen["answers"] == calls
    assert (counted["refreshes"], counted["retries"], counted["signOuts"]) == (calls, calls, 0)
    assert counted["mostAtOnce"] == CALLS_AT_ONCE
    assert seen["completed"] is (CYCLES % 2 == 1)
    assert seen["isSamePerson"]
    assert seen["members"] == ["access_token", "expires_in", "refresh_token", "token_type", "user"]


def check_sign_out_ended_everything(seen: dict[str, Any]) -> None:
    """After the sign-out, the last access token, the last refresh token and the client without tokens are 401."""
    assert [(answer["status"], answer["detail"]) for answer in seen["afterwards"]] == [(401, SIGNED_OUT)] * 3


def check_every_error_is_readable(seen: dict[str, Any]) -> None:
    """A script can read each error's status, sentence, request id and `Retry-After`."""
    refused = seen["refused"]
    assert {status: str(answer["status"]) for status, answer in refused.items()} == {each: each for each in SENTENCES}
    assert {status: answer["detail"] for status, answer in refused.items()} == SENTENCES
    assert all(len(answer["requestId"]) == 32 for answer in refused.values())
    assert {status for status, answer in refused.items() if "retryAfter" in answer} == {"429", "503"}
    assert all(int(refused[status]["retryAfter"]) > 0 for status in ("429", "503"))
    assert (seen["etag"], len(seen["requestId"])) == ('"1"', 32)
    assert (seen["slash"], seen["removed"], seen["withCredentials"]) == (
        {"status": 200},
        {"status": 204},
        {"status": 200},
    )
