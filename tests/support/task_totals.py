"""Tasks that fill a user's totals, and the check that the totals are exact."""

from pg8000.native import Connection as OwnerConnection

TITLE = "t"
BYTES_AROUND_TEXT = 227
"""What a task has in the list besides the characters of its title and description: names, ids, times, the quotes of
both texts, and a comma."""

WRONG_TOTALS = """
    select user_id
    from (select user_id, count(*) as tasks, sum(task_bytes(title, description)) as bytes from tasks group by user_id) c
    full join task_totals t using (user_id)
    where (coalesce(c.tasks, 0), coalesce(c.bytes, 0)) is distinct from (coalesce(t.tasks, 0), coalesce(t.bytes, 0))
"""
"""The users whose totals are not those of their tasks."""
TOTALS = "select tasks, bytes from task_totals where user_id = :user_id"
ADD_TASKS = """
    insert into tasks (title, description, user_id)
    select :title, :description, :user_id from generate_series(1, :tasks)
"""


def wrong_totals(owner: OwnerConnection) -> list[str]:
    """The users whose totals are not those of their tasks: none, if the triggers count exactly."""
    return [str(user_id) for (user_id,) in owner.run(WRONG_TOTALS)]


def totals(owner: OwnerConnection, user_id: str) -> tuple[int, int]:
    """How many tasks the user has by the totals, and how many bytes."""
    rows = owner.run(TOTALS, user_id=user_id)
    [tasks, size] = rows[0] if rows else (0, 0)
    return tasks, size


def add_tasks(
    owner: OwnerConnection, user_id: str, tasks: int, *, title: str = TITLE, description: str | None = None
) -> None:
    """Insert so many equal tasks, without any limit."""
    owner.run(ADD_TASKS, user_id=user_id, tasks=tasks, title=title, description=description)
