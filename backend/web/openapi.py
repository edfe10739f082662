"""Adds to FastAPI's OpenAPI document what FastAPI does not know: error responses and response headers.

All but `error_responses` runs only when the document is requested, so that it adds nothing to a cold start.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from backend.errors import ApiError, FieldError, InternalError, Unprocessable

SCHEMA_REFERENCE = "#/components/schemas/{model}"
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The request's id, which is in the logs.",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
    },
    "ETag": {
        "description": "The task's version, for `If-Match`.",
        "required": True,
        "schema": {"type": "string", "pattern": r'^"[1-9][0-9]{0,8}"$', "examples": ['"3"']},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate (RFC 9110, 11.6.1).",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
    "Retry-After": {
        "description": "Seconds until another attempt makes sense. A 503 without it may have stored the change.",
        "schema": {"type": "integer", "minimum": 1},
    },
}
HEADERS_BY_STATUS = {"401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}


class ErrorBody(BaseModel):
    """Every error's body."""

    detail: str = Field(description="One sentence for a person; a frontend may show it as it is.")


class ValidationErrorBody(ErrorBody):
    """The body of a 422."""

    errors: list[FieldError]


def error_responses(*errors: type[ApiError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that may raise these errors, for the OpenAPI document.

    Bodies are references, because FastAPI would build a validator for each `model`: 80 in all, at every cold start.
    """
    by_status: dict[int | str, dict[str, Any]] = {}
    family: list[type[ApiError]] = [*errors, InternalError]
    for error in family:
        body = ValidationErrorBody if issubclass(error, Unprocessable) else ErrorBody
        schema = {"$ref": SCHEMA_REFERENCE.format(model=body.__name__)}
        without_description = {"description": "", "content": {"application/json": {"schema": schema}}}
        response = by_status.setdefault(error.status, without_description)
        response["description"] = " ".join(filter(None, (response["description"], error.message)))
    return by_status


def install(app: FastAPI) -> None:
    """Make the application serve the completed document."""
    app.openapi = partial(_complete_document, app.openapi)  # type: ignore[method-assign]  # FastAPI's own way


def _complete_document(generate: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    document = generate()
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        responses = operation["responses"]
        if "requestBody" not in operation:
            responses.pop("422", None)  # FastAPI adds it wherever there is a parameter, but a malformed id is 404
        for status, response in responses.items():
            names = ["X-Request-ID", *HEADERS_BY_STATUS.get(status, ()), *response.get("headers", ())]
            response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    components = document["components"]
    components["headers"] = HEADERS
    components["schemas"] = _with_error_schemas(components["schemas"])
    return document


def _with_error_schemas(schemas: dict[str, Any]) -> dict[str, Any]:
    """The schemas that `error_responses` refers to, in place of FastAPI's own errors."""
    _, generated = models_json_schema(
        [(ErrorBody, "serialization"), (ValidationErrorBody, "serialization")], ref_template=SCHEMA_REFERENCE
    )
    unused = {"HTTPValidationError", "ValidationError"}
    return {name: schema for name, schema in (schemas | generated["$defs"]).items() if name not in unused}
