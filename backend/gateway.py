"""From API Gateway's events to the application and back; Mangum translates, and what it trips over is kept from it."""

import json
import logging
from typing import Any

from anyio._backends import _asyncio  # noqa: F401  # the first request would import it
from mangum import Mangum
from mangum.types import ASGI

from backend.errors import MalformedRequest
from backend.middleware import gateway_request_id
from backend.telemetry import invocation, logger

logging.getLogger("mangum").setLevel(logging.WARNING)  # it would write an access line of its own
NOT_HTTP = "Not an HTTP request: nothing was done"


class GatewayHandler:
    """The Lambda function: HTTP API events (payload 2.0, and 1.0) go to the application, all others to the log."""

    def __init__(self, app: ASGI) -> None:
        self.app = app

    @property
    def app(self) -> ASGI:
        """What answers the requests."""
        return self._mangum.app

    @app.setter
    def app(self, app: ASGI) -> None:
        self._mangum = Mangum(app, lifespan="off")  # nothing is to be started or stopped; "auto" would ask each time

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer one invocation; never raises for what an event looks like."""
        with invocation(context, correlation_id=gateway_request_id(event)):
            if not _is_http(event):
                logger.info(NOT_HTTP, **_described(event))
                return {"detail": NOT_HTTP}
            try:
                return self._mangum(_without_stage(_with_method(event)), context)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                # The application answers its own errors: what arrives here is Mangum's, from reading the event.
                logger.warning("Malformed HTTP event", error=type(error).__name__)
                return _refusal()


def _is_http(event: Any) -> bool:
    """Whether API Gateway (or a function URL) sent this. A load balancer's address would be `X-Forwarded-For`'s."""
    request_context = _request_context(event)
    if not request_context or "elb" in request_context:
        return False
    return "http" in request_context or "httpMethod" in event


def _with_method(event: dict[str, Any]) -> dict[str, Any]:
    """The event, whose method is one: Mangum reads all else of it, but the application would trip over this.

    :raises TypeError: it is not
    """
    http = event["requestContext"].get("http", {})
    if not isinstance(http.get("method", event.get("httpMethod")), str):
        raise TypeError("a method is text")
    return event


def _without_stage(event: dict[str, Any]) -> dict[str, Any]:
    """The event with the path that the application knows: a stage other than `$default` stands in front of it."""
    request_context = event["requestContext"]
    prefix = f"/{request_context.get('stage')}"
    if event.get("version") == "2.0":
        http = request_context["http"]
        path = http["path"]
        if _starts_with(path, prefix):
            http = {**http, "path": path.removeprefix(prefix) or "/"}
            return {**event, "requestContext": {**request_context, "http": http}}
    elif event["path"] == request_context.get("path") and _starts_with(event["path"], prefix):
        return {**event, "path": event["path"].removeprefix(prefix) or "/"}  # a REST API takes it off by itself
    return event


def _starts_with(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _request_context(event: Any) -> dict[str, Any]:
    found = event.get("requestContext") if isinstance(event, dict) else None
    return found if isinstance(found, dict) else {}


def _described(event: Any) -> dict[str, Any]:
    """What the log may hold of an unknown event: who sent it, as EventBridge, S3 and a warm-up say it; no payload."""
    if not isinstance(event, dict):
        return {"event_type": type(event).__name__}
    return {"source": str(event.get("source"))[:100], "detail_type": str(event.get("detail-type"))[:100]}


def _refusal() -> dict[str, Any]:
    return {
        "statusCode": MalformedRequest.status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps({"detail": "The request could not be read."}),
        "isBase64Encoded": False,
    }
