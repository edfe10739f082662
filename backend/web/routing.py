"""The one route class of this API. It says all that our routes do besides calling their endpoint.

An `ApiRoute`
- takes `def` endpoints only: an endpoint waits for the database, and an `async def` that waits stops all others;
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
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from backend.database.failures import TransactionConflict, unavailable
from backend.web.json_body import JsonRequest

ATTEMPTS = 3
PAUSE_SECONDS = 0.05


class ApiRoute(APIRoute):
    """A route of this API. Its endpoint is a plain function that may run again after its transaction was undone."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        assert not inspect.iscoroutinefunction(endpoint), "an endpoint that waits for the database must be `def`"
        options["operation_id"] = options.get("operation_id") or endpoint.__name__
        super().__init__(path, _run_again_after_conflict(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler. Where the endpoint takes a body, the request is a `JsonRequest`."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def read_strictly(request: Request) -> Response:
            return await handle(JsonRequest(request.scope, request.receive))

        return read_strictly


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
