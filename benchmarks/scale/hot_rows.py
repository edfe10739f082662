"""Measures how many tasks one account can create a second, against as many clients with an account each."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.clients import Results, creations, run_clients
from benchmarks.functions import Functions
from benchmarks.measure import Section, milliseconds
from benchmarks.scale.databases import Databases, User
from benchmarks.scale.limits import COMMIT_SECONDS
from benchmarks.scale.size import Size

CLIENTS = 8


@dataclass(frozen=True)
class HotRows:
    """The answers to clients with one account, and to clients with an account each."""

    one_account: Results
    accounts: Results


def measure(databases: Databases, size: Size, log_progress: Callable[[str], None]) -> Section:
    """Measure both, in two rounds each."""
    users = [User(number, 0, 0, databases.full.contents).account for number in range(CLIENTS)]
    functions = Functions(databases.full.application, databases.settings(databases.full), CLIENTS)
    measured = HotRows(Results(), Results())
    try:
        run_clients(functions.port, [(each, each) for each in users], 1, requests=creations)
        for _ in range(2):
            for results, writers in ((measured.one_account, users[:1] * CLIENTS), (measured.accounts, users)):
                pairs = [(each, each) for each in writers]
                results.add(run_clients(functions.port, pairs, size.hot_seconds / 2, requests=creations))
    finally:
        functions.stop()
    log_progress(
        f"creations: one account {measured.one_account.per_second:.0f}/s,"
        f" {CLIENTS} accounts {measured.accounts.per_second:.0f}/s"
    )
    return section(measured)


def section(measured: HotRows) -> Section:
    """The table."""
    named = {
        f"{CLIENTS} clients, one account": measured.one_account,
        f"{CLIENTS} clients, {CLIENTS} accounts": measured.accounts,
    }
    return Section(
        "The hot rows",
        "Every creation and deletion changes its user's row of `task_totals` and holds it until the commit, so the"
        " changes of one account come one after the other. A refresh holds the row of its sign-in, and a sign-up or a"
        " wrong password the rows of its limits. Accounts do not wait for each other. Measured with"
        f" {CLIENTS} function instances on the full database, where all processes share this machine's processors: they"
        " are the limit here. On Neon a commit waits until other machines have the log, some milliseconds; at"
        f" {COMMIT_SECONDS * 1000:g} ms an account can create at most {1 / COMMIT_SECONDS:.0f} tasks a second.",
        ("who creates", "creations", "p50", "p99", "errors"),
        [
            (
                name,
                f"{each.per_second:.0f}/s",
                milliseconds(each.percentile(0.5)),
                milliseconds(each.percentile(0.99)),
                str(each.errors),
            )
            for name, each in named.items()
        ],
    )
