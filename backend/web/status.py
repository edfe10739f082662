"""The status endpoints: what this API is, and whether its database answers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from sqlalchemy import text

from backend.database.transactions import Database
from backend.errors import PayloadTooLarge, Unavailable
from backend.web.openapi import error_responses
from backend.web.parts import part
from backend.web.routing import ApiRoute

router = APIRouter(tags=["status"], route_class=ApiRoute)


class Info(BaseModel):
    """What this API is."""

    name: str
    version: str
    status: str


class Health(BaseModel):
    """That the database answers."""

    status: str


@router.get("/", summary="What this is", responses=error_responses(PayloadTooLarge))
def info(request: Request) -> Info:
    """Name and version. Does not touch the database."""
    return Info(name=request.app.title, version=request.app.version, status="ok")


@router.get(
    "/api/health", summary="Whether the database answers", responses=error_responses(PayloadTooLarge, Unavailable)
)
def health(database: Annotated[Database, Depends(part(Database))]) -> Health:
    """Ask the database."""
    database.read(text("select 1"))
    return Health(status="ok")
