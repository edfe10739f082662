"""Records the statements that the application sends, in the order in which it sends them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

SentStatement = tuple[str, tuple[Any, ...]]
"""SQL with `$1` for parameters, and the parameters."""


@contextmanager
def recording_statements() -> Iterator[list[SentStatement]]:
    """Gives a list to which every statement of any engine of this process is added until the block ends."""
    sent: list[SentStatement] = []

    def record(_: Connection, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        sent.append((statement, tuple(parameters)))

    event.listen(Engine, "before_cursor_execute", record)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", record)
