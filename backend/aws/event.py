"""Reads API Gateway's events: HTTP API (payload 2.0 and 1.0), REST API, function URL. No other module does.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import re
from typing import Any

PRINTABLE = re.compile(r"[!-~ ]{1,128}")


class UnreadableEvent(Exception):
    """An HTTP event that the application cannot answer. The message says why, and shows nothing of the event."""


def is_http(event: Any) -> bool:
    """Whether the event looks like an HTTP request. Then its sender expects an HTTP answer, also to an unusable one."""
    return isinstance(event, dict) and ("httpMethod" in event or "http" in _request_context(event))


def request_id(event: Any) -> str | None:
    """API Gateway's id of the request. None where the event has none, or not a usable one."""
    found = _request_context(event).get("requestId")
    return _printable(found)


def requested_path(event: Any) -> str:
    """The path that the browser requested, with the stage and a base path. Empty where the event has none."""
    found = event.get("rawPath") or _request_context(event).get("path") if isinstance(event, dict) else None
    return found if isinstance(found, str) else ""


def readable(event: dict[str, Any]) -> dict[str, Any]:
    """An HTTP event as Mangum can read it: without null members, and without the stage in front of its path.

    Null means the same as absent: the test events of AWS's consoles have null headers and parameters.

    :raises UnreadableEvent: it comes from a load balancer, or is malformed in a way that Mangum does not notice
    """
    request_context = _request_context(event)
    if "elb" in request_context:
        raise UnreadableEvent("a load balancer has the client's address only in a header; use an HTTP API")
    http = request_context.get("http", {})
    if not isinstance(http, dict) or not isinstance(http.get("method", event.get("httpMethod")), str):
        raise UnreadableEvent("it has no method")
    return _without_stage({name: value for name, value in event.items() if value is not None})


def _without_stage(event: dict[str, Any]) -> dict[str, Any]:
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
    found = {"source": _printable(event.get("source")), "detail_type": _printable(event.get("detail-type"))}
    return {name: text for name, text in found.items() if text is not None}


def _printable(found: Any) -> str | None:
    """The text if it may be logged: short and printable. None for all else."""
    return found if isinstance(found, str) and PRINTABLE.fullmatch(found) else None


def _starts_with(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _request_context(event: Any) -> dict[str, Any]:
    found = event.get("requestContext") if isinstance(event, dict) else None
    return found if isinstance(found, dict) else {}
