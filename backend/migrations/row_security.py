"""Compares row level security with `rights.py`: which tables have it, and with which policies."""

from collections.abc import Iterator

from sqlalchemy import text

from backend.migrations.difference import Difference, Subject, quote
from backend.migrations.rights import POLICIES, PUBLIC, ROLES, TABLES, Policy


def differences(subject: Subject) -> Iterator[Difference]:
    """What is off that must be on, and the policies that are missing, changed, or there besides."""
    yield from _switches(subject)
    there = _policies(subject)
    for table, policies in POLICIES.items():
        for name, policy in policies.items():
            found = there.pop((table, name), None)
            if found is None:
                yield Difference(f"the policy {name} on {table} is missing", (_create(table, name, policy),))
            elif found != ("PERMISSIVE", set(policy.roles), policy.command, policy.condition, policy.condition):
                yield Difference(
                    f"the policy {name} on {table} has been changed",
                    (_drop(table, name), _create(table, name, policy)),
                )
    concerned = {PUBLIC, *ROLES, *([subject.login] if subject.login is not None else [])}
    for (table, name), (_, roles, *_) in there.items():
        if roles & concerned:
            yield Difference(f"the table {table} has another policy, {quote(name)}", (_drop(table, name),))


def _switches(subject: Subject) -> Iterator[Difference]:
    rows = subject.connection.execute(
        text("""
            select relname, relrowsecurity, relforcerowsecurity from pg_class
            where relnamespace = 'public'::regnamespace and relname = any(:tables) order by 1
        """),
        {"tables": list(TABLES)},
    )
    for table, is_on, is_forced in rows:
        must_be_on = table in POLICIES
        if is_on != must_be_on:
            word = "enable" if must_be_on else "disable"
            yield Difference(
                f"row level security of the table {table} is {'on' if is_on else 'off'}",
                (f"alter table public.{table} {word} row level security",),
            )
        if is_forced:
            yield Difference(
                f"row level security of the table {table} is forced on its owner",
                (f"alter table public.{table} no force row level security",),
            )


Found = tuple[str, set[str], str, str | None, str | None]


def _policies(subject: Subject) -> dict[tuple[str, str], Found]:
    """Each policy on our tables, by table and name."""
    rows = subject.connection.execute(
        text("""
            select tablename, policyname, permissive, cast(roles as text[]), cmd, qual, with_check from pg_policies
            where schemaname = 'public' and tablename = any(:tables) order by 1, 2
        """),
        {"tables": list(TABLES)},
    )
    return {(table, name): (permissive, set(roles), *rest) for table, name, permissive, roles, *rest in rows}


def _create(table: str, name: str, policy: Policy) -> str:
    roles = ", ".join(policy.roles)
    return (
        f"create policy {name} on public.{table} for {policy.command.lower()} to {roles} "
        f"using ({policy.condition}) with check ({policy.condition})"
    )


def _drop(table: str, name: str) -> str:
    return f"drop policy {quote(name)} on public.{table}"
