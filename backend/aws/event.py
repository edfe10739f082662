"""Reads API Gateway's events: HTTP API (payload 2.0 and 1.0), REST API, function URL. No other module does.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import re
from typing import Any

REQUEST_ID_PATTERN = re.compile(r"[!-~ ]{1,128}")


def is_http(event: Any) -> bool:
    """Whether the event is an HTTP request from API Gateway or a function URL.

    A load balancer's event is refused, because it has the client's address only in a header.
    """
    request_context = _request_context(event)
    if not request_context or "elb" in request_context:
        return False
    return "http" in request_context or "httpMethod" in event


def request_id(event: Any) -> str | None:
    """API Gateway's id of the request. None where the event has none, or not a usable one."""
    found = _request_context(event).get("requestId")
    return found if isinstance(found, str) and REQUEST_ID_PATTERN.fullmatch(found) else None


def requested_path(event: Any) -> str:
    """The path that the browser requested, with the stage and a base path. Empty where the event has none."""
    found = event.get("rawPath") or _request_context(event).get("path") if isinstance(event, dict) else None
    return found if isinstance(found, str) else ""


def require_method(event: dict[str, Any]) -> None:
    """Check the event's method, which Mangum does not.

    :raises TypeError: it is not text
    """
    http = event["requestContext"].get("http", {})
    if not isinstance(http.get("method", event.get("httpMethod")), str):
        raise TypeError("a method is text")


def without_stage(event: dict[str, Any]) -> dict[str, Any]:
    """The event without the stage in front of its path, so that the application knows the path."""
    request_context = event["requestContext"]
    prefix = f"/{request_context.get('stage')}"
    if event.get("version") == "2.0":
        http = request_context["http"]
        path = http["path"]
        if _starts_with(path, prefix):
            http = {**http, "path": path.removeprefix(prefix) or "/"}
            return {**event, "requestContext": {**request_context, "http": http}}
    elif event["path"] == request_context.get("path") and _starts_with(event["path"], prefix):
        return {**event, "path": event["path"].removeprefix(prefix) or "/"}  # a REST API's `path` has none
    return event


def summary(event: Any) -> dict[str, Any]:
    """What may be logged of an event that is not HTTP: its source (EventBridge, S3, a warm-up). No payload."""
    if not isinstance(event, dict):
        return {"event_type": type(event).__name__}
    return {"source": str(event.get("source"))[:100], "detail_type": str(event.get("detail-type"))[:100]}


def _starts_with(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _request_context(event: Any) -> dict[str, Any]:
    found = event.get("requestContext") if isinstance(event, dict) else None
    return found if isinstance(found, dict) else {}
