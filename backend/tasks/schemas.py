"""Request and response bodies of the task endpoints."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from backend.database.columns import Timestamp
from backend.tasks.models import DESCRIPTION_MAX_LENGTH, TITLE_MAX_LENGTH
from backend.web.text import FreeText, SingleLine, optional_field

Title = Annotated[str, SingleLine(TITLE_MAX_LENGTH)]
Description = Annotated[str, FreeText(DESCRIPTION_MAX_LENGTH)]


class TaskCreate(BaseModel):
    """A new task. Whose it is comes from the token, never from here (FR-016)."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "Water the plants", "description": "the tall one too"}]}
    )

    title: Title
    description: Description | None = None


class TaskUpdate(BaseModel):
    """Changes to a task: at least one member; what is left out is kept."""

    model_config = ConfigDict(
        # within `allOf`, because TypeScript generators read an `anyOf` beside `properties` as "or anything else"
        json_schema_extra={
            "allOf": [{"anyOf": [{"required": [name]} for name in ("title", "description", "completed")]}],
            "examples": [{"completed": True}, {"title": "Water the flowers", "description": None}],
        }
    )

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


class TaskPublic(BaseModel):
    """A task, as its owner sees it: exactly these members (FR-042)."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str = Field(min_length=1, max_length=TITLE_MAX_LENGTH)
    description: str | None = Field(max_length=DESCRIPTION_MAX_LENGTH)
    completed: bool
    created_at: Timestamp
    updated_at: Timestamp
    user_id: UUID
