"""Results and cursors, as far as SQLAlchemy uses PEP 249."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from pg8000.exceptions import InterfaceError

from backend.postgres.flight import Flight

if TYPE_CHECKING:
    from backend.postgres.connection import Connection

Row = list[Any]


@dataclass
class Result:
    """What one statement gave.

    :ivar columns: names and OIDs of types; None where it has no rows to give, or was not described
    :ivar tag: PostgreSQL's command tag, such as `UPDATE 1`
    """

    columns: list[tuple[str, int]] | None = None
    rows: list[Row] = field(default_factory=list)
    tag: str = ""

    @property
    def row_count(self) -> int:
        """How many rows it gave or changed; -1 where the tag does not say."""
        count = self.tag.rpartition(" ")[2]
        return int(count) if count.isdecimal() else -1


class Cursor:
    """A cursor of PEP 249 with `$1` for parameters. It keeps all rows of its last statement."""

    arraysize = 1

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection
        self._is_closed = False
        self._result = Result()
        self._rows: Iterator[Row] = iter(())
        self.rowcount = -1

    @property
    def description(self) -> list[tuple[Any, ...]] | None:
        """For each column its name and the OID of its type, and five times None."""
        columns = self._result.columns
        return None if columns is None else [(name, oid, None, None, None, None, None) for name, oid in columns]

    def execute(self, operation: str, args: Sequence[Any] = (), *, flight: Flight | None = None) -> "Cursor":
        """Run one statement and keep its rows."""
        if self._is_closed:
            raise InterfaceError("the cursor is closed")
        self._result = self.connection.execute(operation, args, flight)
        self._rows, self.rowcount = iter(self._result.rows), self._result.row_count
        return self

    def executemany(self, operation: str, param_sets: Sequence[Sequence[Any]]) -> "Cursor":
        """Run one statement for each set of values."""
        counts = [self.execute(operation, values).rowcount for values in param_sets]
        self.rowcount = -1 if -1 in counts else sum(counts)
        return self

    def fetchone(self) -> Row | None:
        """The next row, or None after the last one."""
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next rows."""
        return list(islice(self._rows, size or self.arraysize))

    def fetchall(self) -> list[Row]:
        """All rows that are left."""
        return list(self._rows)

    def close(self) -> None:
        """Give the rows up."""
        self._is_closed, self._rows = True, iter(())
