"""Threads that act at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

T = TypeVar("T")


def at_once(act: Callable[[int], T], times: int) -> list[T]:
    """Run `act` in so many threads that start together. Gives what each returned.

    :param act: gets the number of its thread, counted from 0
    """
    ready = Barrier(times)

    def start(number: int) -> T:
        ready.wait()
        return act(number)

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(start, range(times)))
