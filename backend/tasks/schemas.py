"""Request and response bodies of the task endpoints."""

from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StrictBool, model_validator

from backend.database.columns import Timestamp
from backend.tasks.models import DESCRIPTION_MAX_LENGTH, TITLE_MAX_LENGTH
from backend.web.openapi import Documented
from backend.web.text import FreeText, SingleLine, optional_field

EXAMPLE: dict[str, Any] = {
    "id": "019a3d52-8f6e-7c31-9b4d-2f1e6a7c8d90",
    "title": "Water the plants",
    "description": "the tall one too",
    "completed": False,
    "created_at": "2026-11-27T08:30:12.345678Z",
    "updated_at": "2026-11-27T08:30:12.345678Z",
    "user_id": "019a3d51-04b2-7e88-a1c6-5d3f9e2b7a14",
}

Title = Annotated[str, SingleLine(TITLE_MAX_LENGTH)]
Description = Annotated[str, FreeText(DESCRIPTION_MAX_LENGTH)]


class TaskCreate(Documented):
    """A new task. It belongs to the signed-in user."""

    EXAMPLES: ClassVar = {"A task": {"title": "Water the plants", "description": "the tall one too"}}
    INVALID_EXAMPLE: ClassVar = {"title": ""}

    title: Title
    description: Description | None = None


class TaskUpdate(Documented):
    """Changes to a task: at least one of these members. What is left out is kept."""

    # `minProperties` alone: of `anyOf` with `required`, generators make types that accept other members too.
    model_config = ConfigDict(json_schema_extra={"minProperties": 1})
    EXAMPLES: ClassVar = {
        "Complete it": {"completed": True},
        "Rename it and clear its description": {"title": "Water the flowers", "description": None},
    }
    INVALID_EXAMPLE: ClassVar = {"title": None}

    title: Title = optional_field()
    description: Description | None = optional_field()
    completed: StrictBool = optional_field()

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must have at least one of title, description, completed")
        return self

    def changes(self) -> dict[str, Any]:
        """The members that were sent."""
        return self.model_dump(exclude_unset=True)


class TaskPublic(Documented):
    """A task, as its owner sees it."""

    EXAMPLES: ClassVar = {"A task": EXAMPLE}
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str = Field(min_length=1, max_length=TITLE_MAX_LENGTH)
    description: str | None = Field(max_length=DESCRIPTION_MAX_LENGTH)
    completed: bool
    created_at: Timestamp
    updated_at: Timestamp
    user_id: UUID
