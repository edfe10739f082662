"""Putting the application together: which parts it has, and in which order they surround a request."""

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy import text
from starlette.middleware import Middleware

from backend import __version__, docs_pages, documentation, errors, telemetry
from backend.auth.router import router as auth_router
from backend.auth.service import AuthService
from backend.auth.tokens import Tokens
from backend.database.retry import RetryingRoute
from backend.database.session import Database
from backend.documentation import documented
from backend.middleware import REQUEST_ID, BodyLimit, CombinedHeaders, Cors, Gzip, LastResort, RequestLog, TrailingSlash
from backend.settings import Settings
from backend.tasks.router import router as tasks_router

NAME = "Todo API"
GZIP_MINIMUM_BYTES = 64 * 1024
"""Ten thousand tasks are 6 MB of JSON, and Lambda's answers end there; below this, gzip only costs time."""
CORS_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CORS_REQUEST_HEADERS = ("Authorization", "Content-Type", "If-Match")
CORS_EXPOSED_HEADERS = ("Retry-After", "ETag", REQUEST_ID)


class Info(BaseModel):
    """What this API is."""

    name: str
    version: str
    status: str


class Health(BaseModel):
    """That the database answers."""

    status: str


def create_app(settings: Settings) -> FastAPI:
    """The application for these settings. Opens no connection."""
    telemetry.logger.setLevel(settings.log_level)
    app = FastAPI(
        title=NAME,
        version=__version__,
        description="Accounts, sign-ins with access and refresh tokens, and each person's own tasks.",
        middleware=_middleware(settings),
        redirect_slashes=False,
        docs_url=None,  # FastAPI's pages load scripts from a CDN: docs_pages.py has ours
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.database = Database(settings.database(), pool_size=settings.database_pool_size)
    app.state.tokens = _tokens(settings)
    app.state.auth = AuthService(settings, app.state.tokens, app.state.database)
    errors.install(app)
    documentation.install(app)
    for router in (auth_router, tasks_router):
        app.router.routes.extend(router.routes)  # include_router would build each route again at the first request
    app.router.route_class = RetryingRoute

    @app.get("/", tags=["status"], summary="What this is", responses=documented(errors.PayloadTooLarge))
    def info() -> Info:
        """Name and version. Does not touch the database."""
        return Info(name=NAME, version=__version__, status="ok")

    @app.get(
        "/api/health",
        tags=["status"],
        summary="Whether the database answers",
        responses=documented(errors.PayloadTooLarge, errors.Unavailable),
    )
    def health(request: Request) -> Health:
        """Ask the database."""
        database: Database = request.app.state.database
        with database.transaction() as session:
            session.connection().execute(text("select 1"))
        return Health(status="ok")

    docs_pages.install(app)
    for route in app.routes:
        if isinstance(route, APIRoute):
            route.operation_id = route.name  # what a generated client calls the function
    return app


def _middleware(settings: Settings) -> list[Middleware]:
    return [
        Middleware(RequestLog),
        Middleware(CombinedHeaders),
        Middleware(
            Cors,
            allow_origins=settings.frontend_url,
            allow_credentials=True,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_REQUEST_HEADERS,
            expose_headers=CORS_EXPOSED_HEADERS,
        ),
        Middleware(LastResort),
        Middleware(Gzip, minimum_size=GZIP_MINIMUM_BYTES, compresslevel=4),
        Middleware(BodyLimit),
        Middleware(TrailingSlash),
    ]


def _tokens(settings: Settings) -> Tokens:
    previous = settings.better_auth_secret_previous
    return Tokens(settings.better_auth_secret.get_secret_value(), previous.get_secret_value() if previous else None)
