"""The users of the benchmark: readers and writers for its clients, and one for each length of the list."""

import time
from dataclasses import dataclass
from uuid import UUID, uuid4

from backend.auth import passwords
from backend.auth.tokens import Kind, Tokens
from benchmarks.budget import Budget
from tests.conftest import SECRET
from tests.support.database_copy import DatabaseCopy
from tests.support.people import PASSWORD

TASKS_PER_CLIENT = 10

ADD_USER = "insert into users (email, password_hash, name) values (:email, :hash, 'Ada Lovelace') returning id"
ADD_SIGN_IN = """
    insert into refresh_tokens (user_id, current_jti, expires_at)
    values (:user_id, gen_random_uuid(), now() + interval '7 days') returning id
"""
ADD_TASKS = """
    insert into tasks (title, description, completed, user_id, created_at)
    select 'Call the plumber about number ' || n,
        case when n % 3 > 0 then 'The tap in the kitchen drips since Tuesday, and the neighbours have noticed it.' end,
        n % 4 = 0, :user_id, now() - make_interval(mins => :tasks - n)
    from generate_series(1, :tasks) as n
"""


@dataclass(frozen=True)
class Account:
    """A user who is signed in, in both databases."""

    email: str
    access_token: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers with which a request is this user's."""
        return {"authorization": f"Bearer {self.access_token}"}


@dataclass(frozen=True)
class Accounts:
    """The users in the databases."""

    with_list: dict[int, Account]
    """For each length of the list, a user with so many tasks."""
    readers: list[Account]
    writers: list[Account]


def add_accounts(database: DatabaseCopy, budget: Budget) -> Accounts:
    """Add them all, each signed in and with its tasks."""
    password_hash = passwords.hash_password(PASSWORD)
    tokens, now = Tokens(SECRET), int(time.time())
    with database.connect_as_owner() as owner:

        def add(tasks: int) -> Account:
            email = f"{uuid4().hex}@example.com"
            [[user_id]] = owner.run(ADD_USER, email=email, hash=password_hash)
            [[sign_in_id]] = owner.run(ADD_SIGN_IN, user_id=user_id)
            owner.run(ADD_TASKS, user_id=user_id, tasks=tasks)
            ids: dict[str, UUID] = {"user_id": user_id, "sign_in_id": sign_in_id}
            return Account(email, tokens.sign(Kind.ACCESS, **ids, issued_at=now, expires_at=now + 24 * 3600))

        return Accounts(
            with_list={length: add(length) for length in budget.list_rounds},
            readers=[add(TASKS_PER_CLIENT) for _ in range(budget.most_clients)],
            writers=[add(0) for _ in range(budget.most_clients)],
        )
