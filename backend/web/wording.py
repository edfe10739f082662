"""What Pydantic finds wrong with a request, in words for a person."""

from collections.abc import Iterable, Mapping
from typing import Any

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
"""By Pydantic's types of errors."""


def sentence(problem: Mapping[str, Any]) -> str:
    """What is wrong, to be read after the name of the member."""
    context = problem.get("ctx", {})
    if context.get("min_length") == 1:
        return "must not be empty"
    return SENTENCES.get(problem["type"], "is not valid").format(**context)


def field(location: Iterable[str | int]) -> str:
    """`("body", "title")` is the member `title`; the body itself is called `body`."""
    _, *path = location
    return ".".join(map(str, path)) or "body"
