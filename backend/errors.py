"""The error family, and the one place that turns any exception into `{"detail": "<one sentence for a person>"}`.

An error knows its status, its sentence and its headers; the same classes document the operations (documentation.py), so
that the OpenAPI document cannot drift from what the API answers.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from backend import wording

BODY_LIMIT_BYTES = 64 * 1024
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class ErrorBody(BaseModel):
    """Every error's body."""

    detail: str = Field(description="One sentence for a person; a frontend may show it as it is.")


class FieldError(BaseModel):
    """What is wrong with one member of the request's body."""

    field: str
    message: str


class ValidationErrorBody(ErrorBody):
    """The body of a 422."""

    errors: list[FieldError]


class ApiError(HTTPException):
    """Something went wrong in a way that the contract names. Children give the status and the sentence."""

    status: ClassVar[int] = 500
    message: ClassVar[str] = "Something went wrong on our side. Please try again."
    body: ClassVar[type[ErrorBody]] = ErrorBody

    def __init__(self, message: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(self.status, message or self.message, dict(headers or {}))


class InternalError(ApiError):
    """A bug of ours: the log knows more, the client does not (NFR-007)."""


class MalformedRequest(ApiError):
    """The body is not JSON, or is not declared as JSON (FR-033)."""

    status = 400
    message = "The request body must be a JSON document, sent with 'Content-Type: application/json'."


class PreflightRefused(MalformedRequest):
    """A browser asks for a page that may not do what it wants to (FR-039)."""

    message = "This page may not call the API in this way: its origin, the method or a header is not allowed."


class NotAuthenticated(ApiError):
    """No token, or one that is expired, tampered with, spent or signed out (FR-030)."""

    status = 401
    message = "You are not signed in, or your sign-in has ended. Please sign in."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"})  # RFC 9110, 11.6.1


class NotFound(ApiError):
    """Unknown, malformed and somebody else's are the same to who asks (FR-019, FR-031)."""

    status = 404
    message = "There is nothing here. Please check the address."


class MethodNotAllowed(ApiError):
    """The address is right, the method is not."""

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
    body = ValidationErrorBody

    def __init__(self, errors: list[FieldError] | None = None) -> None:
        self.errors = errors or [FieldError(field="body", message="cannot be stored")]
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in self.errors))


class RateLimited(ApiError):
    """Too many attempts (NFR-005)."""

    status = 429
    message = "Too many attempts. Please wait before you try again."

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(headers={"Retry-After": str(retry_after_seconds)})


class Unavailable(ApiError):
    """The database does not answer; it heals without the client's doing."""

    status = 503
    message = "The service is unavailable for a moment. Please try again."


def error_response(error: HTTPException) -> JSONResponse:
    """The JSON answer for an error of the family."""
    body: dict[str, Any] = {"detail": error.detail}
    if isinstance(error, Unprocessable):
        body["errors"] = [problem.model_dump() for problem in error.errors]
    return JSONResponse(body, error.status_code, headers=error.headers)


def install(app: FastAPI) -> None:
    """Make the application answer every expected exception in the contract's shape.

    What nobody expected is answered by the middleware, which stands inside CORS and knows the request id.
    """

    async def answer(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return error_response(error if isinstance(error, ApiError) else _of_the_family(request, error))

    async def answer_invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return error_response(_from_validation(error))

    app.add_exception_handler(HTTPException, answer)
    app.add_exception_handler(RequestValidationError, answer_invalid)


def _of_the_family(request: Request, error: HTTPException) -> ApiError:
    """What FastAPI and Starlette raise by themselves, in our words."""
    match error.status_code:
        case 404:
            return NotFound()
        case 405:
            return MethodNotAllowed(headers={"Allow": ", ".join(_allowed_methods(request))})
        case 400:  # the body could not be read: not UTF-8, nested too deeply, or with NaN in it
            return MalformedRequest()
        case _:
            return InternalError()


def _allowed_methods(request: Request) -> list[str]:
    """The methods that the request's path supports (RFC 9110, 10.2.1); a route knows only its own."""
    return [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]


def _from_validation(error: RequestValidationError) -> ApiError:
    problems = error.errors()
    for problem in problems:
        if problem["type"] == "json_invalid":
            return MalformedRequest()
        if problem["loc"] == ("body",) and (problem["type"] == "missing" or isinstance(error.body, bytes)):
            return MalformedRequest()  # nothing was sent, or FastAPI left it unread: it was not declared as JSON
    return Unprocessable(
        [FieldError(field=wording.field(problem["loc"]), message=wording.sentence(problem)) for problem in problems]
    )
