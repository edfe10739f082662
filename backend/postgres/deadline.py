"""How long the current request may still take, so that it ends before API Gateway gives up on it (29 s)."""

import time
from contextvars import ContextVar

REQUEST_BUDGET_SECONDS = 20.0

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def start(seconds: float = REQUEST_BUDGET_SECONDS) -> None:
    """Give the current request this many seconds; threads that work for it inherit the deadline."""
    _deadline.set(time.monotonic() + seconds)


def remaining(limit: float) -> float:
    """The seconds one step may take: its own limit, or what is left of the request's budget.

    :raises TimeoutError: nothing is left
    """
    deadline = _deadline.get()
    if deadline is None:
        return limit
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the request's time budget is used up")
    return min(limit, left)
