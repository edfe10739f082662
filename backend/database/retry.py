"""Running an endpoint again when PostgreSQL chose its transaction as the one to give way (40001, 40P01)."""

import functools
import inspect
import random
import time
from collections.abc import Callable
from typing import Any

from fastapi.routing import APIRoute

from backend.database.failures import TransactionConflict, unavailable

ATTEMPTS = 3
PAUSE_SECONDS = 0.05


class RetryingRoute(APIRoute):
    """A route whose endpoint may be run again: a plain function of its arguments, whose transaction was undone."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        assert not inspect.iscoroutinefunction(endpoint), (
            "an endpoint that blocks must be `def`, or it blocks everybody"
        )
        super().__init__(path, _retrying(endpoint), **options)


def _retrying(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    def run(*args: Any, **kwargs: Any) -> Any:
        for _ in range(ATTEMPTS):
            try:
                return endpoint(*args, **kwargs)
            except TransactionConflict:
                time.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311  # apart in time, not secret
        raise unavailable(f"a transaction had to give way {ATTEMPTS} times", urgent=False)

    return run
