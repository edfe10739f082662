"""The status endpoints: what this API is, and whether its database answers."""

from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Request
from sqlalchemy import text

from backend import __version__
from backend.database.transactions import Database
from backend.errors import PayloadTooLarge, Unavailable
from backend.web.openapi import Documented, error_responses
from backend.web.parts import part
from backend.web.routing import ApiRoute

router = APIRouter(tags=["status"], route_class=ApiRoute)


class Info(Documented):
    """What this API is."""

    EXAMPLES: ClassVar = {"Info": {"name": "Todo API", "version": __version__, "status": "ok"}}

    name: str
    version: str
    status: str


class Health(Documented):
    """That the database answers."""

    EXAMPLES: ClassVar = {"Health": {"status": "ok"}}

    status: str


@router.get(
    "/",
    summary="What this is",
    response_description="Name and version.",
    responses=error_responses(PayloadTooLarge),
)
def info(request: Request) -> Info:
    """Name and version of this API. Does not ask the database."""
    return Info(name=request.app.title, version=request.app.version, status="ok")


@router.get(
    "/api/health",
    summary="Whether the database answers",
    response_description="The database answers.",
    responses=error_responses(PayloadTooLarge, Unavailable),
)
def health(database: Annotated[Database, Depends(part(Database))]) -> Health:
    """Asks the database. 503 means that it does not answer."""
    database.read(text("select 1"))
    return Health(status="ok")
