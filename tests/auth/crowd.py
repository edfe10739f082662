"""Many clients at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

T = TypeVar("T")


def at_once(act: Callable[[int], T], times: int) -> list[T]:
    """What each of so many threads got that start together; `act` is told which of them it is, counted from 0."""
    ready = Barrier(times)

    def start(number: int) -> T:
        ready.wait()
        return act(number)

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(start, range(times)))
