"""How long the current request, and each step of it, may still take.

A request ends before Lambda ends its invocation (29 s). Each step has a limit of its own besides.
"""

import time
from contextvars import ContextVar

REQUEST_BUDGET_SECONDS = 20.0

_request_ends: ContextVar[float | None] = ContextVar("request_ends", default=None)


def start(seconds: float = REQUEST_BUDGET_SECONDS) -> None:
    """Give the current request this many seconds. Threads that work for it inherit its end."""
    _request_ends.set(time.monotonic() + seconds)


def remaining(limit: float) -> float:
    """The seconds that one step may take: its own limit, or what is left of the request's time.

    :raises TimeoutError: nothing is left
    """
    ends = _request_ends.get()
    if ends is None:
        return limit
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError("the request's time is used up")
    return min(limit, left)


class Deadline:
    """The end of one step, however many reads and writes it takes.

    :param limit: seconds from now; the request's end comes first where it is sooner
    :raises TimeoutError: the request's time is used up
    """

    def __init__(self, limit: float) -> None:
        self._ends = time.monotonic() + remaining(limit)

    def left(self) -> float:
        """The seconds until the end.

        :raises TimeoutError: there are none
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left
