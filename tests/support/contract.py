"""openapi.json, and the check that an answer has a status that it documents."""

import json
import re
from typing import Any

import httpx2

from dev.openapi import PATH

DOCUMENT: dict[str, Any] = json.loads(PATH.read_text())
OPERATIONS: list[tuple[str, str, dict[str, Any]]] = [
    (method.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
PROTECTED = [(method, path) for method, path, operation in OPERATIONS if operation["security"]]
WITH_BODY = [(method, path) for method, path, operation in OPERATIONS if "requestBody" in operation]
REQUIRING_BODY = [
    (method, path) for method, path, operation in OPERATIONS if operation.get("requestBody", {}).get("required")
]


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """The operation of the contract for a request; None if there is none."""
    for known_method, template, operation in OPERATIONS:
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if method == known_method and re.fullmatch(pattern, path.rstrip("/") or "/"):
            return operation
    return None


def check_documented(response: httpx2.Response) -> None:
    """Fail if an operation gives a status that the contract does not document."""
    operation = operation_of(response.request.method, response.request.url.path)
    if operation is not None:
        asked = f"{response.request.method} {response.request.url.path}"
        assert str(response.status_code) in operation["responses"], f"{asked} gave {response.status_code}: undocumented"
