"""Reads a body as JSON exactly as RFC 8259 defines it. Python's own reader accepts more."""

from codecs import BOM_UTF8
from json import JSONDecoder
from typing import Any, NoReturn

from fastapi import Request


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


DECODER = JSONDecoder(parse_constant=_refuse)
"""Refuses NaN and Infinity (RFC 8259, 6). When a member is sent twice the last one counts, as in ECMAScript."""


class JsonRequest(Request):
    """A request whose JSON is UTF-8 (RFC 8259, 8.1). Python would accept UTF-16 and UTF-32 as well."""

    async def json(self) -> Any:
        """The body's value.

        :raises ValueError: it is not JSON
        """
        body = await self.body()
        return DECODER.decode(body.removeprefix(BOM_UTF8).decode())
