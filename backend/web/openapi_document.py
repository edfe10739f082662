"""Completes FastAPI's OpenAPI document: headers, examples, tags, errors, and what is said about the API as a whole.

It is written for the users of the API, for the pages `/docs` and `/redoc`, and for generators of clients:
`tests/clients/` generates some, and runs linters on the document.
"""

from collections.abc import Iterator
from typing import Any, get_args

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, ValidationError
from pydantic.json_schema import models_json_schema

from backend.errors import FieldError
from backend.web import wording
from backend.web.openapi import SCHEMA_REFERENCE, Documented

DESCRIPTION = """\
Accounts, sign-ins with access and refresh tokens, and each person's own tasks.

**Signing in.** Sign up or sign in, and send the answer's `access_token` as `Authorization: Bearer <access_token>`. It
is valid for `expires_in` seconds. When it has expired, exchange the `refresh_token` for a new pair and replace both. A
401 after that means: sign in again.

**Errors** are `{"detail": "<one sentence for a person>"}`. A 422 adds `errors`, one entry for each member of the body
that is wrong. Only the gateway in front of the API differs: when too many requests arrive at once, it answers 429 or
503 with `{"message": "<text>"}`.

**Two changes of one task.** Every answer with one task has an `ETag`. Send it as `If-Match` with a change: if the task
has changed since, the answer is 412 and nothing is stored.

**Monitors** may send `HEAD` wherever `GET` is described: the answer has the same status and headers, and no body.

**Trying again.** 429 and 503 carry `Retry-After` in seconds. A 503 without it means that the change may have been
stored.\
"""
TAGS = [
    {"name": "auth", "description": "Accounts and sign-ins. Each sign-in has an access token and a refresh token."},
    {"name": "tasks", "description": "The tasks of the signed-in user. No other user can see or change them."},
    {"name": "status", "description": "For monitors. No sign-in is needed."},
]
SERVERS = [{"url": "http://127.0.0.1:8000", "description": "`make start`. Each deployment has a URL of its own."}]
"""Generated clients and Postman start with it. A relative URL is none for them. `/docs` and `/redoc` name their own."""
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The request's id. Please name it when you report a problem: the logs have it.",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
        "example": "5f1c0e6c8f0b4b0f9a7d3c2b1a098765",
    },
    "ETag": {
        "description": "The task's version, for `If-Match`.",
        "required": True,
        "schema": {"type": "string", "pattern": r'^"[1-9][0-9]{0,8}"$'},
        "example": '"3"',
    },
    "Location": {
        "description": "The path of the new task on the same server (RFC 9110, 10.2.2).",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/api/tasks/0199f8c2-6a3e-7b1c-9d45-2f1e8a7b6c90",
    },
    "WWW-Authenticate": {
        "description": "How to authenticate (RFC 9110, 11.6.1).",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
    "Retry-After": {
        "description": "Seconds until another attempt makes sense. A 503 without it may have stored the change.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 5,
    },
}
HEADERS_BY_STATUS = {"401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}


class ErrorBody(BaseModel):
    """An error."""

    detail: str = Field(description="One sentence for a person, which may be shown as it is.")


class ValidationErrorBody(ErrorBody):
    """A request whose body is JSON, but not what the operation takes."""

    errors: list[FieldError] = Field(description="Each member of the body that is wrong.")


def complete(document: dict[str, Any], app: FastAPI) -> dict[str, Any]:
    """The document of this application, completed in place."""
    document["info"]["description"] = DESCRIPTION
    document |= {"tags": TAGS, "servers": SERVERS}
    for route, operation in _operations(document, app):
        _complete_operation(operation)
        _add_examples(operation, route)
    components = document["components"]
    components["headers"] = HEADERS
    components["schemas"] = {
        name: _readable(schema) for name, schema in _with_error_schemas(components["schemas"]).items()
    }
    return document


def _operations(document: dict[str, Any], app: FastAPI) -> Iterator[tuple[APIRoute, dict[str, Any]]]:
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            operations = document["paths"][route.path_format]
            yield from ((route, operations[method]) for method in map(str.lower, route.methods or ()))


def _complete_operation(operation: dict[str, Any]) -> None:
    operation.setdefault("security", [])  # for linters and generators: public, not forgotten
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _readable(parameter["schema"])
        parameter["schema"].pop("description", None)  # the parameter itself has the same
    if "requestBody" not in operation:
        operation["responses"].pop("422", None)  # FastAPI adds it for each parameter, but a malformed id is 404
    operation["responses"] = dict(sorted(operation["responses"].items()))
    for status, response in operation["responses"].items():
        names = ["X-Request-ID", *HEADERS_BY_STATUS.get(status, ()), *response.get("headers", ())]
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _add_examples(operation: dict[str, Any], route: APIRoute) -> None:
    """Set the examples of bodies. FastAPI's own way would lose each null in them."""
    responses = operation["responses"]
    if route.body_field:
        request = _documented(route.body_field.field_info.annotation)
        _set_examples(operation["requestBody"], request.EXAMPLES)
        _set_examples(responses["422"], {"Unprocessable": _refusal(request)})
    if route.response_model:
        answer = _documented(route.response_model)
        is_list = answer is not route.response_model
        examples = {name: [value] if is_list else value for name, value in answer.EXAMPLES.items()}
        _set_examples(responses[str(route.status_code or 200)], examples)
    for status, response in responses.items():
        if status >= "400" and status != "422":
            named = response["content"]["application/json"]["examples"]
            _set_examples(response, {name: example["value"] for name, example in named.items()})


def _documented(annotation: Any) -> type[Documented]:
    """The model of a body: the annotation itself, or that of a list's items or of an optional body."""
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, Documented):
            return each
    raise TypeError(f"{annotation}: the model of a body must be a Documented, with EXAMPLES")


def _set_examples(body: dict[str, Any], examples: dict[str, Any]) -> None:
    """A single example needs no name, so that no page offers a choice where there is none."""
    [media_type] = body["content"].values()
    media_type.pop("examples", None)
    if len(examples) == 1:
        [media_type["example"]] = examples.values()
    else:
        media_type["examples"] = {name: {"value": value} for name, value in examples.items()}


def _refusal(model: type[Documented]) -> dict[str, Any]:
    """The body of the 422 that the model's invalid example gets."""
    try:
        model.model_validate(model.INVALID_EXAMPLE)
    except ValidationError as error:
        return wording.unprocessable({**each, "loc": ("body", *each["loc"])} for each in error.errors()).body()
    raise AssertionError(f"the invalid example of {model.__name__} is valid")


def _with_error_schemas(schemas: dict[str, Any]) -> dict[str, Any]:
    """The schemas that `error_responses` refers to, in place of FastAPI's own errors."""
    _, generated = models_json_schema(
        [(ErrorBody, "serialization"), (ValidationErrorBody, "serialization")], ref_template=SCHEMA_REFERENCE
    )
    unused = {"HTTPValidationError", "ValidationError"}
    return {name: schema for name, schema in (schemas | generated["$defs"]).items() if name not in unused}


def _readable(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema without Pydantic's titles, which repeat the members' names, and with null as one of two types.

    Redoc and Swagger UI show `{"type": ["string", "null"]}` as one line, and `anyOf` as a choice between two schemas.
    """
    schema = {name: value for name, value in schema.items() if name != "title"}
    if "properties" in schema:
        schema["properties"] = {name: _readable(member) for name, member in schema["properties"].items()}
    match schema.get("anyOf"):
        case [{"type": str(kind)} as option, {"type": "null"}]:
            del schema["anyOf"]
            schema |= option | {"type": [kind, "null"]}
    return schema
