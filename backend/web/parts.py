"""The application's parts, each found by its type: the typed form of Starlette's `app.state`.

A router asks for what it needs with `Depends(part(AuthService))`, so that its signature says which parts it uses and
mypy knows what they are.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from fastapi import FastAPI, Request

Part = TypeVar("Part")


def install(app: FastAPI, *parts: object) -> None:
    """Give the application its parts: one object of each type."""
    app.state.parts = {type(each): each for each in parts}


def part_of(app: FastAPI, kind: type[Part]) -> Part:
    """The application's part of this type.

    :raises KeyError: `install` was not given one
    """
    return cast("Part", app.state.parts[kind])


def part(kind: type[Part]) -> Callable[[Request], Awaitable[Part]]:
    """A dependency that gives the part of this type. It is `async`, because a `def` would need a trip to a thread."""

    async def find(request: Request) -> Part:
        return part_of(request.app, kind)

    return find
