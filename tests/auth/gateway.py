"""Requests as they reach the Lambda function: events of an API Gateway HTTP API, payload format 2.0."""

import asyncio
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from backend.gateway import GatewayHandler

NO_HEADERS: Mapping[str, str] = {}
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
    """What the function gives back to API Gateway."""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "api.example.com", **headers},
        "requestContext": {
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": source_ip,
                "userAgent": "tests",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "$default",
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
    asyncio.set_event_loop(asyncio.new_event_loop())  # Mangum asks for the thread's, as it is in Lambda
    try:
        return GatewayHandler(app)(event, CONTEXT)
    finally:
        asyncio.get_event_loop().close()
        asyncio.set_event_loop(None)
