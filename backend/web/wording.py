"""Sentences for people about what Pydantic finds wrong with a request."""

from collections.abc import Iterable, Mapping
from typing import Any

from backend.errors import FieldError, Unprocessable

SENTENCES = {
    "missing": "is required",
    "string_type": "must be text",
    "string_unicode": "must be valid Unicode text",
    "string_too_short": "must be at least {min_length} characters",
    "string_too_long": "must be at most {max_length} characters",
    "bool_type": "must be true or false",
    "model_attributes_type": "must be a JSON object",
    "value_error": "{error}",
}
"""The sentence for each of Pydantic's error types."""


def unprocessable(errors: Iterable[Mapping[str, Any]]) -> Unprocessable:
    """The 422 for what Pydantic found. Each error's location begins with `body`, as FastAPI reports it."""
    return Unprocessable([FieldError(field(each["loc"]), sentence(each)) for each in errors])


def sentence(error: Mapping[str, Any]) -> str:
    """What is wrong, as a text that follows the member's name: `must not be empty`."""
    context = error.get("ctx", {})
    if context.get("min_length") == 1:
        return "must not be empty"
    return SENTENCES.get(error["type"], "is not valid").format(**context)


def field(location: Iterable[str | int]) -> str:
    """The member's name for the client: `title` for `("body", "title")`; the body itself is called `body`."""
    _, *path = location
    return ".".join(map(str, path)) or "body"
