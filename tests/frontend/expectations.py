"""What a frontend must have seen at the end of its stories, wherever it runs."""

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
    "429": "Too many attempts. Please wait before you try again.",
    "500": "Something went wrong on our side. Please try again.",
    "503": "The service is unavailable for a moment. Please try again.",
}


def nobody_was_signed_out_by_accident(seen: dict[str, Any]) -> None:
    """Of twenty times four calls with an expired token, each refreshed for itself and was then answered."""
    calls = CYCLES * CALLS_AT_ONCE
    counted = seen["counted"]
    assert seen["answers"] == calls
    assert (counted["refreshes"], counted["retries"], counted["signOuts"]) == (calls, calls, 0)
    assert counted["mostAtOnce"] == CALLS_AT_ONCE
    assert seen["completed"] is (CYCLES % 2 == 1)
    assert seen["isSamePerson"]
    assert seen["members"] == ["access_token", "expires_in", "refresh_token", "token_type", "user"]


def everything_ended_with_the_sign_out(seen: dict[str, Any]) -> None:
    """The last access token, the last refresh token, and the client without any."""
    assert [(answer["status"], answer["detail"]) for answer in seen["afterwards"]] == [(401, SIGNED_OUT)] * 3


def every_error_could_be_read(seen: dict[str, Any]) -> None:
    """Status, sentence, request id, and when to come back."""
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
