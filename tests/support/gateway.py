"""Requests to the Lambda handler: events of an API Gateway HTTP API, payload format 2.0."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from backend.aws.handler import GatewayHandler
from dev.local_lambda.events import NO_HEADERS, http_event

CONTEXT = SimpleNamespace(
    function_name="todo-api",
    function_version="7",
    memory_limit_in_mb=1769,
    aws_request_id="c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
)


def invoke(
    app: Any,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] = NO_HEADERS,
    body: object = None,
    source_ip: str = "203.0.113.7",
) -> dict[str, Any]:
    """The function's answer to API Gateway for one request."""
    event = http_event(method, path, headers=headers, body=body)
    event["requestContext"]["http"]["sourceIp"] = source_ip
    asyncio.set_event_loop(asyncio.new_event_loop())  # Mangum uses the thread's event loop, as in Lambda
    try:
        return GatewayHandler(app)(event, CONTEXT)
    finally:
        asyncio.get_event_loop().close()
        asyncio.set_event_loop(None)
