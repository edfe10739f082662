"""Puts the application together: which parts it has, and in which order the middleware surrounds a request."""

from fastapi import FastAPI
from starlette.middleware import Middleware

from backend import __version__, telemetry
from backend.auth.router import router as auth_router
from backend.auth.service import AuthService
from backend.auth.tokens import Tokens
from backend.database.transactions import Database
from backend.postgres import deadline
from backend.settings import Settings
from backend.tasks.limits import TaskLimits
from backend.tasks.router import router as tasks_router
from backend.web import docs, error_handlers, openapi, parts
from backend.web.middleware import (
    REQUEST_ID_HEADER,
    BodyLimit,
    CombinedHeaders,
    Cors,
    Deadline,
    Gzip,
    Head,
    RequestLog,
    TrailingSlash,
    UnhandledErrors,
)
from backend.web.status import router as status_router

NAME = "Todo API"
GZIP_MINIMUM_BYTES = 2 * 1024
"""Shorter answers fit in two packets. The figures are in docs/decisions/0014-a-list-is-json-from-postgresql.md."""
CORS_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
CORS_REQUEST_HEADERS = ("Authorization", "Content-Type", "If-Match")
CORS_EXPOSED_HEADERS = ("Retry-After", "ETag", REQUEST_ID_HEADER, "Location")


def create_app(settings: Settings) -> FastAPI:
    """The application for these settings. Opens no connection."""
    telemetry.logger.setLevel(settings.log_level)
    _warn_about_short_leeway(settings.refresh_reuse_leeway_seconds)
    app = FastAPI(
        title=NAME,
        version=__version__,
        middleware=_middleware(settings),
        redirect_slashes=False,
        docs_url=None,  # FastAPI's pages load scripts from a CDN; `web/docs` has ours
        redoc_url=None,
    )
    database = Database(settings.database(), pool_size=settings.database_pool_size)
    tokens = _tokens(settings)
    limits = TaskLimits(tasks=settings.tasks_per_user, bytes=settings.task_bytes_per_user)
    parts.install(app, settings, database, tokens, AuthService(settings, tokens, database), limits)
    error_handlers.install(app)
    openapi.install(app)
    for router in (auth_router, tasks_router, status_router):
        app.router.routes.extend(router.routes)  # include_router would build each route again at the first request
    docs.install(app)
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
            allow_headers=(*CORS_REQUEST_HEADERS, *settings.cors_extra_headers),
            expose_headers=CORS_EXPOSED_HEADERS,
        ),
        Middleware(Head),
        Middleware(UnhandledErrors),
        Middleware(Gzip, minimum_size=GZIP_MINIMUM_BYTES, compresslevel=4),
        Middleware(BodyLimit),
        Middleware(Deadline),
        Middleware(TrailingSlash),
    ]


def _warn_about_short_leeway(seconds: int) -> None:
    """Warn if a client can get its 503 and retry only when the leeway is over. It would be signed out as a thief."""
    if 0 < seconds < deadline.REQUEST_BUDGET_SECONDS:
        telemetry.logger.warning(
            f"REFRESH_REUSE_LEEWAY_SECONDS={seconds} is shorter than a refresh can take: a client whose answer was lost"
            f" would be signed out. Use {deadline.REQUEST_BUDGET_SECONDS:.0f} or more, or 0 for strictly single use."
        )


def _tokens(settings: Settings) -> Tokens:
    previous = settings.better_auth_secret_previous
    return Tokens(settings.better_auth_secret.get_secret_value(), previous.get_secret_value() if previous else None)
