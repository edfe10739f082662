"""Fills a database with users, tasks, sign-ins and rate limits, inside PostgreSQL, in the order in which they come.

Task `n` of a user is inserted after task `n - 1` of every other user, so that a user's tasks lie on as many pages as
they have tasks, as after years of use. Ids are made from a number, like UUID version 7: ordered by time, then random.
So a measurement knows the id of any row without reading it, which would bring its page into memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import md5
from uuid import UUID

from pg8000.native import Connection

from backend.auth import passwords
from tests.support.database_copy import DatabaseCopy
from tests.support.people import PASSWORD

TASKS_PER_USER = 20
LONG_LIST = 1000
SIGN_INS_PER_USER = 2
ROWS_AT_ONCE = 250_000

FIRST_MILLISECOND = 1_700_000_000_000
USERS, SIGN_INS, TOKENS, TASKS, LONG_TASKS = (kind * 10_000_000_000 for kind in range(1, 6))
"""Where the numbers of each kind of row begin, so that no two rows have the same."""

ID = """(
    lpad(to_hex({first} + {number}), 12, '0') || '7' || substr(md5(({number})::text), 1, 3)
    || '8' || substr(md5(({number})::text), 4, 15)
)::uuid"""

ADD_USERS = """
    insert into users (id, email, password_hash, name)
    select {user_id}, 'user' || n || '@example.com', :hash, 'Ada Lovelace'
    from generate_series(cast(:first as bigint), cast(:last as bigint)) n
"""
ADD_SIGN_INS = """
    insert into refresh_tokens (id, user_id, current_jti, expires_at)
    select {sign_in_id}, {user_id}, {token_id}, now() + interval '7 days'
    from (select s, s % :users as n from generate_series(cast(:first as bigint), cast(:last as bigint)) s) s
"""
ADD_TASKS = """
    insert into tasks (id, title, description, completed, user_id, created_at)
    select {task_id}, 'Call the plumber about number ' || t,
        case when t % 3 > 0 then 'The tap in the kitchen drips since Tuesday, and the neighbours have noticed it.' end,
        t % 4 = 0, {user_id}, now() - interval '300 days' + t * interval '1 millisecond'
    from (select t, t % :users as n from generate_series(cast(:first as bigint), cast(:last as bigint)) t) t
"""
ADD_LONG_LISTS = """
    insert into tasks (id, title, user_id, created_at)
    select {task_id}, 'Call the plumber about number ' || t, {user_id},
        now() - interval '300 days' + t * interval '1 millisecond'
    from (
        select t, cast(:users as bigint) + t % :long as n
        from generate_series(cast(:first as bigint), cast(:last as bigint)) t
    ) t
"""
ADD_TOTALS = """
    insert into task_totals
    select user_id, count(*), sum(task_bytes(title, description)) from tasks group by user_id
"""
ADD_KNOWN_NETWORKS = """
    insert into rate_limits (key, hits, expires_at)
    select md5(n::text) || md5('known' || n), '{}', now() + interval '2 days' + n % 28 * interval '1 day'
    from generate_series(cast(:first as bigint), cast(:last as bigint)) n
"""
ADD_HITS = """
    insert into rate_limits (key, hits, expires_at)
    select md5(n::text) || md5('hit' || n), array[now()], now() + interval '1 hour'
    from generate_series(cast(:first as bigint), cast(:last as bigint)) n
    where n % 5 = 0
"""


@dataclass(frozen=True)
class Contents:
    """What is in a database.

    :ivar users: those with `TASKS_PER_USER` tasks; the users with long lists come after them
    """

    users: int
    long_lists: int

    @property
    def all_users(self) -> int:
        """All users."""
        return self.users + self.long_lists

    @property
    def tasks(self) -> int:
        """All tasks."""
        return self.users * TASKS_PER_USER + self.long_lists * LONG_LIST

    @property
    def sign_ins(self) -> int:
        """All sign-ins."""
        return self.all_users * SIGN_INS_PER_USER


def row_id(number: int) -> UUID:
    """The id of the row with this number, as `ID` has it in SQL."""
    digest = md5(str(number).encode(), usedforsecurity=False).hexdigest()
    return UUID(f"{FIRST_MILLISECOND + number:012x}7{digest[:3]}8{digest[3:18]}")


def fill(database: DatabaseCopy, contents: Contents, log_progress: Callable[[str], None]) -> None:
    """Insert everything, and have PostgreSQL vacuum and analyze it.

    Triggers and foreign keys do not run meanwhile: the totals are counted once, by the function of the triggers.
    """
    long, users = contents.long_lists, contents.users
    with database.connect_as_owner() as owner:
        owner.run("set session_replication_role = replica")
        hashed = passwords.hash_password(PASSWORD)

        def add(what: str, statement: str, count: int, **values: object) -> None:
            _add(owner, statement, count, values, lambda done: log_progress(f"{what}: {done:,} of {count:,}"))

        user_id = ID.format(first=FIRST_MILLISECOND, number=f"({USERS} + n)")
        add("users", ADD_USERS.format(user_id=user_id), contents.all_users, hash=hashed)
        sign_in_id = ID.format(first=FIRST_MILLISECOND, number=f"({SIGN_INS} + s)")
        token_id = ID.format(first=FIRST_MILLISECOND, number=f"({TOKENS} + s)")
        sign_ins = ADD_SIGN_INS.format(sign_in_id=sign_in_id, user_id=user_id, token_id=token_id)
        add("sign-ins", sign_ins, contents.sign_ins, users=contents.all_users)
        add("rate limits", ADD_KNOWN_NETWORKS, users)
        add("rate limits", ADD_HITS, users)
        task_id = ID.format(first=FIRST_MILLISECOND, number=f"({TASKS} + t)")
        add("tasks", ADD_TASKS.format(task_id=task_id, user_id=user_id), users * TASKS_PER_USER, users=users)
        task_id = ID.format(first=FIRST_MILLISECOND, number=f"({LONG_TASKS} + t)")
        lists = ADD_LONG_LISTS.format(task_id=task_id, user_id=user_id)
        add("tasks of long lists", lists, long * LONG_LIST, users=users, long=long)
        log_progress("totals of each user's tasks")
        owner.run(ADD_TOTALS)
        owner.run("set session_replication_role = origin")
        log_progress("vacuum analyze")
        owner.run("vacuum analyze")


def _add(
    owner: Connection, statement: str, count: int, values: dict[str, object], log_progress: Callable[[int], None]
) -> None:
    """Run the statement for the numbers from 0 to `count`, in parts."""
    for first in range(0, count, ROWS_AT_ONCE):
        last = min(first + ROWS_AT_ONCE, count) - 1
        owner.run(statement, first=first, last=last, **values)
        if count > ROWS_AT_ONCE and ((last + 1) % (10 * ROWS_AT_ONCE) == 0 or last + 1 == count):
            log_progress(last + 1)
