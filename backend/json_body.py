"""Reading a body as JSON the way RFC 8259 has it, where Python's reader is more generous."""

from codecs import BOM_UTF8
from collections.abc import Callable, Coroutine
from json import JSONDecoder
from typing import Any, NoReturn

from fastapi import Request, Response

from backend.database.retry import RetryingRoute


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


DECODER = JSONDecoder(parse_constant=_refuse)
"""Knows no NaN and no Infinity (RFC 8259, 6). Of members that are sent twice the last one counts, as in ECMAScript."""


class JsonRequest(Request):
    """A request whose JSON is UTF-8 (RFC 8259, 8.1); Python would take UTF-16 and UTF-32 as well."""

    async def json(self) -> Any:
        """The body's value.

        :raises ValueError: it is not JSON
        """
        body = await self.body()
        return DECODER.decode(body.removeprefix(BOM_UTF8).decode())


class JsonRoute(RetryingRoute):
    """A route that reads its body as a `JsonRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler; with a request of our own only where there is a body to be read."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def read_strictly(request: Request) -> Response:
            return await handle(JsonRequest(request.scope, request.receive))

        return read_strictly
