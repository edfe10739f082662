"""The one route class of this API. It says all that our routes do besides calling their endpoint.

An `ApiRoute`
- takes `def` endpoints only: an endpoint waits for the database, and an `async def` that waits stops all others. It
  runs them in a thread, but in place where the process has one request at a time, as on Lambda: a thread costs time;
- reads its body as strict JSON (`json_body.py`);
- runs its endpoint again when PostgreSQL undid the transaction because of a conflict with another one (40001, 40P01);
- has its endpoint's Python name as its operation id, so that generated clients have good names.

Routers get it when they are made: `APIRouter(route_class=ApiRoute)`.
"""

import functools
import inspect
import random
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from backend.database.failures import TransactionConflict, unavailable
from backend.web.json_body import JsonRequest

ATTEMPTS = 3
PAUSE_SECONDS = 0.05


class ApiRoute(APIRoute):
    """A route of this API. Its endpoint is a plain function that may run again after its transaction was undone."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        assert not inspect.iscoroutinefunction(endpoint), "an endpoint that waits for the database must be `def`"
        options["operation_id"] = options.get("operation_id") or endpoint.__name__
        super().__init__(path, _in_place_or_in_thread(_run_again_after_conflict(endpoint)), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler. Where the endpoint takes a body, the request is a `JsonRequest`."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handle_strictly(request: Request) -> Response:
            _runs_alone.set(getattr(request.state, "runs_alone", False))
            return await handle(JsonRequest(request.scope, request.receive) if takes_body else request)

        return handle_strictly


def base_path(request: Request) -> str:
    """The prefix of the API's paths as a browser sees them: API Gateway's stage, or what a proxy has removed."""
    return str(request.scope.get("root_path", "")) + str(getattr(request.state, "stage", ""))


_runs_alone: ContextVar[bool] = ContextVar("runs_alone", default=False)
"""Whether the process has no other request than this one. Lambda's handler says so (`aws/handler.py`)."""


def _in_place_or_in_thread(endpoint: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    @functools.wraps(endpoint)
    async def run(**arguments: Any) -> Any:
        if _runs_alone.get():
            return endpoint(**arguments)
        return await run_in_threadpool(endpoint, **arguments)

    return run


def _run_again_after_conflict(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    def run(*args: Any, **kwargs: Any) -> Any:
        for _ in range(ATTEMPTS):
            try:
                return endpoint(*args, **kwargs)
            except TransactionConflict:
                time.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311  # spreads the clients, needs no secrecy
        raise unavailable(f"a transaction was undone {ATTEMPTS} times because of conflicts", urgent=False)

    return run
