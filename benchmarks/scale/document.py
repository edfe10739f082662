"""Writes the measurements as docs/scaling.md."""

from collections.abc import Sequence

from benchmarks.measure import Section
from benchmarks.report import table

INTRODUCTION = """\
Written by `make scale`, in three to six minutes; it needs 10 GB of free disk. It says what changes with the number of
users, tasks and requests, and what to do before a limit is reached. What is measured, calculated and assumed is said at
each table. Times depend on the machine: compare the ratios."""

LEVERS = """\
## Which lever, in which order

1. **Ask AWS for concurrency** before there is load. A new account can have 10, and a reply takes days.
2. **Set `ThrottleRate` and `ThrottleBurst`** (template.yaml) to what you are ready to pay for. They refuse with 429
   before anything else is used up.
3. **Let Neon's compute grow**: raise the largest size of autoscaling. Processors, memory for pages and server
   connections grow with it. Its smallest size decides how much of the data is in memory after a quiet night. Turn off
   scale to zero if the first request after a pause must not wait.
4. **Set `ReservedConcurrency`** to what the database can answer. Each running request has one connection, so this is
   also the largest number of connections. More requests get 503 from API Gateway at once, and do not wait in the
   pooler.
5. **Watch the tables**: sign-ins that have expired and rows of `rate_limits` are removed by later requests, so they
   stop growing when the traffic does. Tasks and users stay until they are deleted.

When a limit is exceeded in spite of this, a caller sees: 429 from API Gateway's throttling; 503 from API Gateway when
Lambda has no instance left; 503 with `Retry-After` from the function when the database did not answer in time and
nothing was written; 503 without `Retry-After` when that is not known. No request is half done: a transaction is one
flight.

## What would have to change in the code beyond that

- **Lists from read replicas.** Neon's replicas have an address of their own and lag behind. The function has one
  `DATABASE_URL`, and the check of the sign-in goes with the list in one flight. A second URL for reads would be needed,
  and a decision what a user may see who has just created a task, or just signed out.
- **More than one database.** All rows of a user hang on `user_id`, so users can be divided among databases. The rate
  limits of addresses, and the e-mail that must be unique, could not: they would need a common database.
- **Lists in pages.** The specification wants the whole list in one answer, which is why a user's tasks have a limit
  of number and bytes. Pages would need a change of the contract.
- **One account with very many changes a second.** The row of `task_totals` makes its changes wait for each other. A sum
  in parts would end that, and would make the limit of tasks inexact.
- **Old tasks elsewhere.** One table with one index is enough as long as the index's upper pages stay in memory.
  Partitions by user would keep each index smaller. Nothing measured here asks for them.
"""


def markdown(sections: Sequence[Section], circumstances: Sequence[tuple[str, str]]) -> str:
    """The whole document."""
    lines = ["# Scaling", "", INTRODUCTION, ""]
    for section in sections:
        lines += [f"## {section.title}", "", section.note, "", *table(section.columns, section.rows), ""]
    lines += [LEVERS, "## Circumstances", "", *table(("", ""), circumstances), ""]
    return "\n".join(lines)
