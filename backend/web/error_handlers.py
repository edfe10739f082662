"""Turns exceptions into answers: every expected one becomes `{"detail": "<one sentence for a person>"}` (FR-035).

Unexpected exceptions are answered by the middleware `UnhandledErrors`, which runs inside CORS and knows the request id.
"""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match

from backend.errors import ApiError, InternalError, MalformedRequest, MethodNotAllowed, NotFound
from backend.web import wording

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def error_response(error: ApiError) -> JSONResponse:
    """The JSON answer for an error of the family."""
    return JSONResponse(error.body(), error.status, headers=error.headers)


def install(app: FastAPI) -> None:
    """Make the application answer our own, the framework's and validation's exceptions in the contract's shape."""

    async def answer(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ApiError)
        return error_response(error)

    async def answer_framework(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return error_response(_from_framework(request, error))

    async def answer_validation(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return error_response(_from_validation(error))

    app.add_exception_handler(ApiError, answer)
    app.add_exception_handler(HTTPException, answer_framework)
    app.add_exception_handler(RequestValidationError, answer_validation)


def _from_framework(request: Request, error: HTTPException) -> ApiError:
    """The error of our family for one that FastAPI or Starlette raises."""
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
    """The methods that the request's path supports (RFC 9110, 10.2.1). A single route knows only its own.

    HEAD is supported where GET is (`Head` in middleware.py).
    """
    return [
        method
        for method in METHODS
        if any(_is_route(route, request, "GET" if method == "HEAD" else method) for route in request.app.routes)
    ]


def _from_validation(error: RequestValidationError) -> ApiError:
    found = error.errors()
    for each in found:
        if each["type"] == "json_invalid":
            return MalformedRequest()
        if each["loc"] == ("body",) and (each["type"] == "missing" or isinstance(error.body, bytes)):
            return MalformedRequest()  # no body was sent, or FastAPI did not read it: it was not declared as JSON
    return wording.unprocessable(found)


def _is_route(route: BaseRoute, request: Request, method: str) -> bool:
    return route.matches({**request.scope, "method": method})[0] is Match.FULL
