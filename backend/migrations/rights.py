"""What the two roles and the application's login may do, at the newest revision: the one list of it.

The migrations grant it too, as history. `make migrate` and `make check-database` compare the database with this list,
because a cluster may have had the roles before, and a restored dump may have lost the grants. A new table or column
that a role reaches needs an entry here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backend.database.roles import AUTH_ROLE, USER_ROLE

ROLES = (AUTH_ROLE, USER_ROLE)
PUBLIC = "public"
"""Every role of the cluster, as PostgreSQL's GRANT names it. The schema has the same name."""

READ_AND_WRITE = ("select", "insert", "update", "delete")
TABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "users": {AUTH_ROLE: ("select", "insert", "update (password_hash)")},
    "refresh_tokens": {AUTH_ROLE: READ_AND_WRITE},
    "rate_limits": {AUTH_ROLE: READ_AND_WRITE},
    "tasks": {
        USER_ROLE: (
            "select",
            "delete",
            "insert (title, description, user_id)",
            "update (title, description, completed, version)",
        )
    },
    "task_totals": {},
    "alembic_version": {},
}
"""The privileges on each table of the schema, in the words of GRANT. No role has any other on any table."""
FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "uuid_v7()": (PUBLIC,),
    "has_room_for_task(integer)": (PUBLIC,),
    "task_bytes(text, text)": (PUBLIC,),
    "count_tasks()": (),
}
"""Who may execute the functions that statements call, and those with the owner's rights. Triggers need none."""
SECURITY_DEFINERS = ("count_tasks()",)
"""The functions that run with their owner's rights."""
TRIGGERS: Mapping[str, tuple[str, ...]] = {
    "users": ("users_set_updated_at",),
    "tasks": (
        "tasks_set_updated_at",
        "tasks_count_inserted",
        "tasks_count_updated",
        "tasks_count_deleted",
        "tasks_count_truncated",
    ),
}
"""The triggers of each table. What `tasks_count_…` do is said in the migration 0004."""
ROLE_ATTRIBUTES: Mapping[str, bool] = {
    "superuser": False,
    "bypassrls": False,
    "inherit": False,
    "createrole": False,
    "createdb": False,
    "replication": False,
    "login": False,
}
"""The attributes of the two roles, in the words of ALTER ROLE."""
LOGIN_ATTRIBUTES: Mapping[str, bool] = {**ROLE_ATTRIBUTES, "login": True}
LOGIN_SETTINGS: Mapping[str, str] = {
    "statement_timeout": "8s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
}
"""PostgreSQL ends what our own timeouts gave up on. A pooler refuses these at start-up, so the login has them."""


@dataclass(frozen=True)
class Policy:
    """A policy, in the form in which PostgreSQL prints it (`pg_policies`), which is also the SQL that creates it."""

    condition: str
    roles: tuple[str, ...] = (USER_ROLE,)
    command: str = "ALL"


OWN_ROWS = "(user_id = (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid)"
POLICIES: Mapping[str, Mapping[str, Policy]] = {"tasks": {"own_tasks": Policy(OWN_ROWS)}, "task_totals": {}}
"""The tables with row level security, and their policies. The other tables have neither."""


@dataclass(frozen=True, order=True)
class Right:
    """One privilege of one grantee.

    :ivar kind: what it is on, in the words of GRANT: table, sequence, function, procedure, schema, database
    :ivar name: of the object, as SQL; a table's with its schema
    :ivar column: the column's name, as SQL; empty for the whole object
    """

    kind: str
    name: str
    column: str
    privilege: str
    grantee: str
    may_be_passed_on: bool = False

    def __str__(self) -> str:
        passed_on = " and pass it on" if self.may_be_passed_on else ""
        return f"{self._words} on {self.kind} {self.name}{passed_on}"

    @property
    def grant(self) -> str:
        """The SQL that grants it."""
        return f"grant {self._words} on {self.kind} {self.name} to {self.grantee}"

    @property
    def revoke(self) -> str:
        """The SQL that takes it back, also from those to whom the grantee has granted it."""
        return f"revoke {self._words} on {self.kind} {self.name} from {self.grantee} cascade"

    @property
    def _words(self) -> str:
        return f"{self.privilege} ({self.column})" if self.column else self.privilege


def expected(*, login: str | None, database: str) -> set[Right]:
    """Every right that there must be.

    :param login: the application's, as SQL; None where the application uses the owner's
    :param database: the database's name, as SQL
    """
    rights = {Right("schema", PUBLIC, "", "usage", role) for role in ROLES}
    for table, grantees in TABLES.items():
        for grantee, privileges in grantees.items():
            rights.update(
                Right("table", f"public.{table}", column, privilege, grantee) for privilege, column in _each(privileges)
            )
    for function, callers in FUNCTIONS.items():
        rights.update(Right("function", f"public.{function}", "", "execute", caller) for caller in callers)
    if login is not None:
        rights.add(Right("database", database, "", "connect", login))
    return rights


def _each(privileges: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each privilege with each of its columns: `update (title, version)` are two."""
    for words in privileges:
        privilege, *columns = re.findall(r"\w+", words)
        yield from ((privilege, column) for column in columns or [""])
