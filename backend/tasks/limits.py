"""How much one user may store. PostgreSQL enforces it, in the transaction of the change itself.

A trigger keeps the totals of each user exact (`task_totals`, migration 0004). It refuses a change that makes them grow
beyond the limits that the transaction's settings name. Without settings there is no limit: the owner's own tools have
none. Changes that do not make the totals grow never fail, even if more is stored than the limits allow.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Executable

from backend.auth.current_user import CurrentUser
from backend.database.failures import ConstraintViolated
from backend.database.transactions import Rows
from backend.errors import Conflict


class TooManyTasks(Conflict):
    """The user has `TASKS_PER_USER` tasks, and one more is refused."""

    message = "You have as many tasks as can be stored. Please delete some first."


class TooMuchText(Conflict):
    """The user's list would exceed `TASK_BYTES_PER_USER`, which keeps it within the size of one answer."""

    message = "Your tasks hold as much text as can be stored. Please shorten or delete some first."


ERRORS: dict[str | None, type[Conflict]] = {"tasks_per_user": TooManyTasks, "task_bytes_per_user": TooMuchText}
"""The error for each limit, by the name under which the trigger refuses a change."""


@dataclass(frozen=True)
class TaskLimits:
    """The limits of one user.

    :param tasks: how many tasks
    :param bytes: the size of the list of tasks in bytes, as PostgreSQL writes it
    """

    tasks: int
    bytes: int

    def run(self, user: CurrentUser, statement: Executable, **parameters: Any) -> Rows:
        """`CurrentUser.run`, for a statement that may make the user's totals grow.

        :raises TooManyTasks: they would exceed the number of tasks
        :raises TooMuchText: they would exceed the size of the list
        """
        try:
            return user.run(statement, settings=self._settings, **parameters)
        except ConstraintViolated as violated:
            error = ERRORS.get(violated.constraint)
            if error is None:
                raise
            raise error from violated

    @cached_property
    def _settings(self) -> dict[str, str]:
        return {"app.tasks_per_user": str(self.tasks), "app.task_bytes_per_user": str(self.bytes)}
