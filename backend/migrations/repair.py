"""Mends what differs from `rights.py`, as far as the owner may, and says what is left."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from backend.migrations import grants, ownership, roles, row_security, triggers
from backend.migrations.difference import Difference, Subject
from backend.migrations.failure import reason

ROUNDS = 5
"""A mended difference may show another one, and `make migrate` for another database may change the same roles at the
same moment, which PostgreSQL refuses (XX000, tuple concurrently updated). So it is looked at again."""
MIGRATION_LOCK = 7_060_738_201
"""The arbitrary number of an advisory lock, which makes concurrent migrations of a database run one after the other."""

Look = Callable[[Subject], Iterable[Difference]]


@dataclass
class Repaired:
    """What has been mended, and what is left, with PostgreSQL's reasons."""

    mended: list[Difference] = field(default_factory=list)
    left: list[Difference] = field(default_factory=list)
    reasons: Mapping[Difference, str] = field(default_factory=dict)


def everything(subject: Subject) -> Iterator[Difference]:
    """Every difference in the roles, the login, their rights, row level security, and triggers."""
    yield from roles.of_roles(subject)
    yield from roles.of_login(subject)
    yield from ownership.differences(subject)
    yield from grants.differences(subject)
    yield from row_security.differences(subject)
    yield from triggers.differences(subject)


def repair(connection: Connection, login: str | None, look: Look) -> Repaired:
    """Mend what `look` finds. What is left is judged by looking again, not by errors: another run may have mended it.

    :param connection: the owner's; no transaction may be open. None is open afterwards
    """
    seen: dict[Difference, None] = {}
    reasons: dict[Difference, str] = {}
    left = found(connection, login, look)
    for _ in range(ROUNDS):
        before = left
        for difference in left:
            seen[difference] = None
            try:
                _mend(connection, difference)
            except DBAPIError as error:
                reasons[difference] = reason(error)
        if not before:
            break
        left = found(connection, login, look)
        if left == before and not any("XX000" in reasons.get(difference, "") for difference in left):
            break
    return Repaired([difference for difference in seen if difference not in left], left, reasons)


def found(connection: Connection, login: str | None, look: Look) -> list[Difference]:
    """What `look` finds, in a transaction of its own."""
    with connection.begin():
        return list(look(Subject.of(connection, login)))


def lock(connection: Connection) -> None:
    """Wait until no other migration of this database runs, and let none run until the end of this transaction."""
    connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})


def _mend(connection: Connection, difference: Difference) -> None:
    if difference.mending:
        with connection.begin():
            lock(connection)
            for statement in difference.mending:
                connection.exec_driver_sql(statement)
