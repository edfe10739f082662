"""How many task requests a server answers for 16 and for 100 clients at once, and how long the slowest ones wait."""

import itertools
import math
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from backend.settings import Settings
from tests.benchmarks.crowd import PATIENCE_SECONDS, Tally, besiege
from tests.benchmarks.laboratory import CROWD, SERVER_CONNECTIONS, TASKS_IN_A_CROWDS_LIST, Application, Laboratory
from tests.benchmarks.measure import Finding, Section, milliseconds
from tests.benchmarks.server import Server

CLIENTS = (16, CROWD)
ROUNDS = 3
STEP_SECONDS = 4.0
WARM_UP_SECONDS = 1.0
WARM_UP_CLIENTS = 8
TARGET_RATIO = 3.0


@dataclass
class Contender:
    """One application in one mode, and what its clients got, by their number."""

    name: str
    mode: str
    settings: Settings
    tallies: dict[int, Tally] = field(default_factory=dict)
    rates: dict[int, list[float]] = field(default_factory=dict)
    server: Server | None = None

    def step(self, laboratory: Laboratory, clients: int) -> Tally:
        """One step of the measurement. A server that stalled is replaced: the next step shall not inherit that."""
        pairs = list(zip(laboratory.people.readers, laboratory.people.writers, strict=True))
        if self.server is None:
            self.server = Server(self.name, self.settings)
            besiege(self.server.port, pairs[:WARM_UP_CLIENTS], WARM_UP_SECONDS + PATIENCE_SECONDS)
        tally = besiege(self.server.port, pairs[:clients], STEP_SECONDS)
        self.tallies.setdefault(clients, Tally()).add(tally)
        self.rates.setdefault(clients, []).append(tally.per_second)
        if tally.unanswered:
            self.stop()
        return tally

    def stop(self) -> None:
        """End its server."""
        if self.server is not None:
            self.server.stop()
            self.server = None

    def row(self, clients: int) -> tuple[str, ...]:
        """Rate, p50, p99 and what went wrong."""
        tally = self.tallies[clients]
        wrong = [f"{tally.errors} errors"] if tally.errors else []
        wrong += [f"STALLS: {tally.unanswered} without answer"] if tally.unanswered else []
        return (
            f"{self.rate(clients):.0f}/s",
            _latency(tally, 0.5),
            _latency(tally, 0.99),
            ", ".join(wrong) or "no error",
        )

    def rate(self, clients: int) -> float:
        """The median of the rounds, in requests a second."""
        return statistics.median(self.rates[clients])

    def is_flawless(self, clients: int) -> bool:
        """Whether every request got its answer."""
        return not self.tallies[clients].errors and not self.tallies[clients].unanswered


def measure(laboratory: Laboratory, say: Callable[[str], None]) -> Section:
    """With a pool, and with a connection per request where there is a pooler."""
    modes: dict[str, Callable[[Application], Settings]] = {f"pool of {SERVER_CONNECTIONS}": laboratory.with_pool}
    if laboratory.pooler:
        modes["connection per request, TLS, pooler"] = laboratory.through_pooler
    contests = [
        [Contender(each.name, mode, settings(each)) for each in laboratory.applications]
        for mode, settings in modes.items()
    ]
    with ExitStack() as running:
        for contender in itertools.chain(*contests):
            running.callback(contender.stop)
        for turn in range(ROUNDS):
            for clients in CLIENTS:
                for contest in contests:
                    for contender in contest if turn % 2 == 0 else contest[::-1]:
                        tally = contender.step(laboratory, clients)
                        stalled = f", {tally.unanswered} without answer" if tally.unanswered else ""
                        who = f"{contender.name}, {contender.mode}, {clients} clients"
                        say(f"throughput, round {turn + 1} of {ROUNDS}: {who}: {tally.per_second:.0f}/s{stalled}")
    rows, findings = [], []
    for clients in CLIENTS:
        for ours, stock in contests:
            what = f"{clients} clients, {ours.mode}"
            ratio = ours.rate(clients) / stock.rate(clients) if stock.rate(clients) else math.inf
            shown = "stock stalls" if math.isinf(ratio) else f"{ratio:.1f} ×"
            rows.append((what, ours.name, *ours.row(clients), shown))
            rows.append(("", stock.name, *stock.row(clients), ""))
            measured = f"{shown}, {ours.row(clients)[-1]}"
            is_met = ratio >= TARGET_RATIO and ours.is_flawless(clients)
            findings.append(Finding(f"throughput, {what}", measured, "≥ 3 ×, no error", is_met))
    return Section(
        "Task requests at once",
        f"Each client lists {TASKS_IN_A_CROWDS_LIST} tasks and creates one, by turns, at a uvicorn server in a process"
        f" of its own. The pool of {SERVER_CONNECTIONS} goes straight to PostgreSQL; the pooler has as many server"
        f" connections for each application. {ROUNDS} rounds of {STEP_SECONDS:.0f} s; a request that has no answer"
        f" {PATIENCE_SECONDS} s after its round counts as endless in p50 and p99. Stock's dependencies hold a"
        " connection while they wait for one of 40 threads, all of which wait for a connection: that is how it stalls,"
        " until SQLAlchemy gives up after 30 s.",
        ("clients, connections", "application", "rate", "p50", "p99", "errors", "ratio"),
        rows,
        findings,
    )


def _latency(tally: Tally, share: float) -> str:
    seconds = tally.percentile(share)
    return f"> {PATIENCE_SECONDS} s" if math.isinf(seconds) else milliseconds(seconds)
