"""The error family: every error that the HTTP contract names, with status, sentence and headers.

It knows no framework. `web/error_handlers.py` turns an error into an answer, `web/openapi.py` documents the operations
with the same classes, so that the OpenAPI document and the answers cannot differ.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

BODY_LIMIT_BYTES = 64 * 1024


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one member of the request's body."""

    field: str
    message: str


class ApiError(Exception):
    """The base of the family. Subclasses give the status and the sentence.

    :param message: another sentence than the one of the class
    :param headers: what the answer carries besides the usual headers
    """

    status: ClassVar[int] = 500
    message: ClassVar[str] = "Something went wrong on our side. Please try again."

    def __init__(self, message: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        self.detail = message or self.message
        self.headers = dict(headers or {})
        super().__init__(self.detail)

    def body(self) -> dict[str, Any]:
        """The answer's body."""
        return {"detail": self.detail}


class InternalError(ApiError):
    """A bug in this API. The log has the details, the answer has none (NFR-007)."""


class AnswerTooLarge(InternalError):
    """The answer is larger than Lambda delivers. Only a list that was stored without the limits can be so large."""

    message = (
        "Your list is too large to be sent in one answer. Please delete some of your tasks, or shorten their "
        "descriptions. If you cannot open them, please ask the operator of this service."
    )


class MalformedRequest(ApiError):
    """The body is not JSON, or is not declared as JSON (FR-033)."""

    status = 400
    message = "The request body must be a JSON document, sent with 'Content-Type: application/json'."


class PreflightRefused(MalformedRequest):
    """A CORS preflight request whose origin, method or header is not allowed (FR-039)."""

    message = "This page may not call the API in this way: its origin, the method or a header is not allowed."


class NotAuthenticated(ApiError):
    """The token is missing, expired, tampered with, spent or signed out (FR-030)."""

    status = 401
    message = "You are not signed in, or your sign-in has ended. Please sign in."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"})  # RFC 9110, 11.6.1


class NotFound(ApiError):
    """Unknown, malformed and foreign ids are all 404, so that nothing is disclosed (FR-019, FR-031)."""

    status = 404
    message = "There is nothing here. Please check the address."


class MethodNotAllowed(ApiError):
    """The path exists, but not with this method."""

    status = 405
    message = "This address does not support that method."


class Conflict(ApiError):
    """The request contradicts what is stored."""

    status = 409
    message = "This contradicts what is stored. Please reload and try again."


class PreconditionFailed(ApiError):
    """`If-Match` names another version than the stored one (RFC 9110, 13.1.1)."""

    status = 412
    message = "This was changed in the meantime. Please reload it and try again."


class PayloadTooLarge(ApiError):
    """The body is larger than anything the API could store."""

    status = 413
    message = f"The request body is too large: at most {BODY_LIMIT_BYTES // 1024} KiB are accepted."


class Unprocessable(ApiError):
    """The body is JSON, but not what the operation takes (FR-029)."""

    status = 422
    message = "The request is not valid."

    def __init__(self, errors: list[FieldError] | None = None) -> None:
        self.errors = errors or [FieldError(field="body", message="cannot be stored")]
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in self.errors))

    def body(self) -> dict[str, Any]:
        """The sentence, and what is wrong with each member."""
        return super().body() | {"errors": [asdict(error) for error in self.errors]}


class RateLimited(ApiError):
    """Too many attempts (NFR-005).

    The sentence says how long to wait, because frontends show it and do not read `Retry-After`.
    """

    status = 429
    message = "Too many attempts. Please try again in 12 minutes."

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            f"Too many attempts. Please try again in {_in_words(retry_after_seconds)}.",
            headers={"Retry-After": str(retry_after_seconds)},
        )


class Unavailable(ApiError):
    """The database does not answer. It recovers without any action by the client."""

    status = 503
    message = "The service is unavailable for a moment. Please try again."


def _in_words(seconds: int) -> str:
    """A time in its largest unit, rounded up: `45 seconds`, `1 minute`, `3 hours`."""
    count, unit = seconds, "second"
    for larger in ("minute", "hour"):
        if count >= 60:
            count, unit = math.ceil(count / 60), larger
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
