"""The OpenAPI document: what the routers tell about their operations.

`openapi_document.py` completes it. That module is imported when the document is requested, so that it adds nothing to a
cold start.
"""

from functools import cache
from typing import Any, ClassVar

from fastapi import FastAPI
from pydantic import BaseModel

from backend.errors import ApiError, InternalError, Unprocessable

SCHEMA_REFERENCE = "#/components/schemas/{model}"
ERROR_MODELS = {False: "ErrorBody", True: "ValidationErrorBody"}
"""The model of an error's body: the second one for a 422."""


class Documented(BaseModel):
    """A body of a request or of an answer, with what the OpenAPI document says of it besides its schema."""

    EXAMPLES: ClassVar[dict[str, Any]]
    """Bodies with values as in real life, by what they are."""
    INVALID_EXAMPLE: ClassVar[dict[str, Any]]
    """A request that is refused. The document shows the 422 that it gets."""


def error_responses(*errors: type[ApiError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that may raise these errors, for the OpenAPI document.

    Bodies are references, because FastAPI would build a validator for each `model`: 80 in all, at every cold start.
    """
    by_status: dict[int | str, dict[str, Any]] = {}
    family: list[type[ApiError]] = [*errors, InternalError]
    for error in family:
        schema = {"$ref": SCHEMA_REFERENCE.format(model=ERROR_MODELS[issubclass(error, Unprocessable)])}
        without_description = {"description": "", "content": {"application/json": {"schema": schema, "examples": {}}}}
        response = by_status.setdefault(error.status, without_description)
        response["description"] = " ".join(filter(None, (response["description"], error.message)))
        response["content"]["application/json"]["examples"][error.__name__] = {"value": {"detail": error.message}}
    return by_status


def install(app: FastAPI) -> None:
    """Make the application serve the completed document."""
    generate = app.openapi

    @cache
    def document() -> dict[str, Any]:
        from backend.web.openapi_document import complete  # not needed before the document is requested

        return complete(generate(), app)

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way
