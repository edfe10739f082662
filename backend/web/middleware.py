"""Pure ASGI middleware around every request: request id, access log, headers, body limit, deadline, unhandled errors.

From the outside in, as `app.py` puts them together:

    RequestLog       the request's id, its access line, the headers of every answer
    CombinedHeaders  header lines of one name become one line
    Cors             the CORS headers, on errors too
    Head             HEAD is answered like GET, without the body
    UnhandledErrors  an unexpected exception becomes a 500; inside Cors, because without CORS headers a browser reports
                     a network error in place of the status
    Gzip             compresses long answers
    BodyLimit        refuses long bodies
    Deadline         starts the time for an answer when the whole body is there
    TrailingSlash    a trailing slash means the same path
"""

import re
import time
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware, IdentityResponder
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.errors import BODY_LIMIT_BYTES, InternalError, PayloadTooLarge, PreflightRefused
from backend.postgres import deadline
from backend.telemetry import count, logger
from backend.web.error_handlers import error_response

RESPONSE_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "Referrer-Policy": "no-referrer",
}
REQUEST_ID_HEADER = "X-Request-ID"
GZIP_REFUSED = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)", re.IGNORECASE)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
OTHER_METHOD = "OTHER"
"""What the log says of a method that HTTP does not define: a client may put anything there, a secret too."""
DRAIN_LIMIT_BYTES = 16 * 1024 * 1024
"""How much of a refused body is read and discarded: a client that is still sending may miss an early answer."""


class RequestLog:
    """Gives the request its id and its headers, and writes one access line for it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        # Lambda's handler has put API Gateway's id there, which is the one in the gateway's own log.
        request_id = scope.setdefault("state", {}).setdefault("request_id", uuid4().hex)
        status: int | None = None

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in RESPONSE_HEADERS.items():
                    headers.setdefault(name, value)
                headers[REQUEST_ID_HEADER] = request_id
            await send(message)

        # The keys belong to this request's task and the threads it starts: other requests run at the same time.
        logger.thread_safe_append_keys(request_id=request_id)
        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            line = {
                "method": scope["method"] if scope["method"] in METHODS else OTHER_METHOD,
                "route": getattr(scope.get("route"), "path", None),
                "status": status,
                "duration_ms": round((time.perf_counter() - started) * 1000, 1),
                "user_id": scope["state"].get("user_id"),
            }
            logger.info("Request", extra={key: value for key, value in line.items() if value is not None})


class CombinedHeaders:
    """Joins header lines of one name into one line, with commas (RFC 9110, 5.3), as API Gateway does.

    So on every server two `If-Match` lines are one list, and two `Authorization` lines are not a valid token.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            lines: dict[bytes, list[bytes]] = {}
            for name, value in scope["headers"]:
                lines.setdefault(name, []).append(value)
            scope["headers"] = [(name, b", ".join(values)) for name, values in lines.items()]
        await self.app(scope, receive, send)


class Cors(CORSMiddleware):
    """Starlette's CORS middleware, but a refused preflight has the error body of the contract."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a preflight request; a refusal is `PreflightRefused`."""
        response = super().preflight_response(request_headers)
        if response.status_code < PreflightRefused.status:
            return response
        headers = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return error_response(PreflightRefused(headers=headers))


class Head:
    """Answers HEAD wherever there is GET, with the same status and headers, and no body (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        scope_of_get = {**scope, "method": "GET"}  # a copy: the server must still know that it was HEAD
        try:
            await self.app(scope_of_get, receive, send_without_body)
        finally:
            scope["route"] = scope_of_get.get("route")  # for the access log


class Gzip(GZipMiddleware):
    """Starlette's gzip middleware, corrected: `gzip;q=0` refuses gzip (RFC 9110, 12.4.2)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and GZIP_REFUSED.search(Headers(scope=scope).get("accept-encoding", "")):
            await IdentityResponder(self.app, self.minimum_size)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class UnhandledErrors:
    """Answers an unexpected exception with a bare 500, and logs its type and where it was raised (FR-034, NFR-015)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_answered = False

        async def send_and_remember(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_remember)
        except Exception as error:
            logger.error("Unhandled error", **_describe(error))
            count("UnhandledError")
            if is_answered:
                raise
            await error_response(InternalError())(scope, receive, send)


class BodyLimit:
    """Refuses a body that is larger than anything the API could store."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = bytearray()
        received, more = 0, True
        while more and received <= DRAIN_LIMIT_BYTES:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            chunk = message.get("body", b"")
            received += len(chunk)
            if received <= BODY_LIMIT_BYTES:
                body += chunk
            more = message.get("more_body", False)
        if received > BODY_LIMIT_BYTES:
            await error_response(PayloadTooLarge())(scope, receive, send)
            return
        is_read = False

        async def receive_body() -> Message:
            nonlocal is_read
            if is_read:
                return await receive()
            is_read = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self.app(scope, receive_body, send)


class Deadline:
    """Starts the time in which the request must be answered (`postgres/deadline.py`).

    It runs inside `BodyLimit`, when the whole body is there: the time that a slow client needs to send is not counted.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        deadline.start()
        await self.app(scope, receive, send)


class TrailingSlash:
    """Ignores a trailing slash. A redirect would lose API Gateway's stage, and axios would lose its body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["path"] = scope["path"].rstrip("/") or "/"  # in place: the access log reads the route from this scope
        await self.app(scope, receive, send)


def _describe(error: Exception) -> dict[str, Any]:
    """An exception's type and where it was raised, for the log. Its text is left out: it may hold what a user sent."""
    frames = []
    traceback = error.__traceback__
    while traceback:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return {"error": f"{type(error).__module__}.{type(error).__qualname__}", "frames": frames[-12:]}
