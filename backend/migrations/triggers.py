"""Compares the triggers with `rights.py`: a restore may leave them off, and the totals of tasks are then wrong."""

from collections.abc import Iterator

from sqlalchemy import text

from backend.migrations.difference import Difference, Subject, quote
from backend.migrations.rights import SECURITY_DEFINERS, TABLES, TRIGGERS

COUNTING = "tasks_count_"
COUNT_AGAIN = (
    "lock table public.users, public.tasks in share row exclusive mode",
    "delete from public.task_totals",
    """insert into public.task_totals
        select user_id, count(*), sum(public.task_bytes(title, description)) from public.tasks group by user_id""",
)
"""Makes the totals right, whatever was written while they were not counted."""


def differences(subject: Subject) -> Iterator[Difference]:
    """The triggers that are off or missing, and the functions that would run with the rights of their caller."""
    rows = subject.connection.execute(
        text("""
            select relname, tgname, tgenabled = 'O' from pg_trigger
            join pg_class on pg_class.oid = tgrelid
            where relnamespace = 'public'::regnamespace and relname = any(:tables)
            order by 1, 2
        """),
        {"tables": list(TABLES)},
    )
    there = set()
    for table, trigger, is_on in rows:
        there.add((table, trigger))
        if not is_on:
            enable = f"alter table public.{table} enable trigger {quote(trigger)}"
            counts = trigger.startswith(COUNTING)
            yield Difference(
                f"the trigger {quote(trigger)} of the table {table} is off",
                (*COUNT_AGAIN, enable) if counts else (enable,),
            )
    for table, triggers in TRIGGERS.items():
        for trigger in triggers:
            if (table, trigger) not in there:
                yield Difference(f"the trigger {trigger} of the table {table} is missing")
    rows = subject.connection.execute(
        text("""
            select name from unnest(cast(:functions as text[])) name
            join pg_proc on oid = to_regprocedure('public.' || name) where not prosecdef
        """),
        {"functions": list(SECURITY_DEFINERS)},
    )
    for (function,) in rows:
        yield Difference(
            f"the function {function} runs with the rights of its caller",
            (f"alter function public.{function} security definer",),
        )
