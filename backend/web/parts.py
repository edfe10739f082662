"""Typed application state: the objects that routers need, each found by its type in Starlette's `app.state`.

An endpoint asks for a part with `Depends(part(AuthService))`. So its signature says which parts it uses, and mypy knows
their types.
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
    """A dependency that gives the part of this type. It is `async`, because FastAPI runs a `def` in another thread."""

    async def find(request: Request) -> Part:
        return part_of(request.app, kind)

    return find
