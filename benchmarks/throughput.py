"""How many task requests are answered for one, 16 and 100 clients at once, and how long the slowest ones wait."""

import http.client
import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Protocol

from benchmarks.crowd import PATIENCE_SECONDS, Tally, besiege
from benchmarks.functions import Functions
from benchmarks.laboratory import SERVER_CONNECTIONS, TASKS_IN_A_CROWDS_LIST, Application, Laboratory
from benchmarks.measure import Finding, Section, milliseconds
from benchmarks.server import Server

START_SECONDS = 60
WARM_UP_CLIENTS = 8
TARGET_RATIO = 3.0
TARGET_CLIENTS = (16, 100)
SHARED_TLS_CLIENTS = 16
"""With how many stock with one TLS context is measured too: with one client it is the list's table that tells the
difference, and with 100 its server stalls like the other."""
REASON = (
    "on one machine a round trip to the database takes next to no time, so that what is compared is the processor's"
    " work, and of that (sampled, with a pool) a third is on the way to the database: the rest is FastAPI, Starlette"
    " and uvicorn, the token, and an access log that stock does not write"
)


class Running(Protocol):
    """What answers on `port` until it is stopped."""

    port: int

    def stop(self) -> None: ...


@dataclass
class Contender:
    """One application in one mode, and what its clients got, by their number."""

    name: str
    start: Callable[[], Running]
    tallies: dict[int, Tally] = field(default_factory=dict)
    rates: dict[int, list[float]] = field(default_factory=dict)
    running: Running | None = None

    def step(self, laboratory: Laboratory, clients: int) -> Tally:
        """One step of the measurement. What left a request waiting is replaced: the next step shall not inherit it."""
        pairs = list(zip(laboratory.people.readers, laboratory.people.writers, strict=True))
        if self.running is None:
            self.running = self.start()
            _wait_for(self.running)
            besiege(self.running.port, pairs[:WARM_UP_CLIENTS], laboratory.budget.warm_up_seconds)
        tally = besiege(self.running.port, pairs[:clients], laboratory.budget.step_seconds[clients])
        self.tallies.setdefault(clients, Tally()).add(tally)
        self.rates.setdefault(clients, []).append(tally.per_second)
        if tally.unanswered:
            self.stop()
        return tally

    def stop(self) -> None:
        """End its processes."""
        if self.running is not None:
            self.running.stop()
            self.running = None

    def has_stalled(self, clients: int) -> bool:
        """Whether nobody got an answer when there were so many clients: once is enough to know."""
        return clients in self.tallies and not self.tallies[clients].answered_in_time

    def rate(self, clients: int) -> float:
        """The median of the rounds, in requests a second."""
        return statistics.median(self.rates[clients])

    def is_flawless(self, clients: int) -> bool:
        """Whether every request got its answer."""
        return not self.tallies[clients].errors and not self.tallies[clients].unanswered

    def row(self, clients: int) -> tuple[str, str, str, str]:
        """Rate, p50, p99 and what went wrong."""
        tally = self.tallies[clients]
        wrong = [f"{tally.errors} errors"] if tally.errors else []
        wrong += [f"{tally.unanswered} without answer"] if tally.unanswered else []
        rate, p50, p99 = f"{self.rate(clients):.0f}/s", _latency(tally, 0.5), _latency(tally, 0.99)
        told = ", ".join(wrong) or "no error"
        return rate, p50, p99, f"STALLS: {told}" if self.has_stalled(clients) else told


@dataclass(frozen=True)
class Contest:
    """A way to run the applications, and those that are run so, ours first."""

    mode: str
    contenders: Sequence[Contender]
    has_target: bool = True

    def at(self, clients: int) -> Sequence[Contender]:
        """Who takes part with so many clients."""
        return self.contenders if clients == SHARED_TLS_CLIENTS else self.contenders[:2]

    def ratio(self, clients: int, other: Contender) -> float:
        """How many times as many requests ours answers."""
        theirs = other.rate(clients)
        return self.contenders[0].rate(clients) / theirs if theirs else math.inf

    def rows(self, clients: int) -> list[tuple[str, ...]]:
        """A row for each."""
        ours, *others = self.at(clients)
        name = f"{clients} {'client' if clients == 1 else 'clients'}, {self.mode}"
        rows: list[tuple[str, ...]] = [(name, ours.name, *ours.row(clients), "")]
        return rows + [("", each.name, *each.row(clients), _times(self.ratio(clients, each))) for each in others]

    def finding(self, clients: int) -> Finding:
        """Whether ours answers as many times more as it should."""
        ours, stock, *shared = self.at(clients)
        ratio = self.ratio(clients, stock)
        measured = f"{_times(ratio)}, {ours.row(clients)[-1]}"
        measured += "".join(f" ({_times(self.ratio(clients, each))} of {each.name})" for each in shared)
        what, target = f"throughput, {clients} clients, {self.mode}", f"≥ {TARGET_RATIO:.0f} ×, no error"
        if not ours.is_flawless(clients):
            return Finding(what, measured, target, is_met=False, gap=ours.row(clients)[-1])
        gap = f"{1 - ratio / TARGET_RATIO:.0%} below"
        return Finding(what, measured, target, ratio >= TARGET_RATIO, gap, REASON)


def measure(laboratory: Laboratory, say: Callable[[str], None]) -> Section:
    """A server with a pool; without one, and as functions, where there is a pooler."""
    budget, contests = laboratory.budget, _contests(laboratory)
    with ExitStack() as running:
        for contender in itertools.chain.from_iterable(contest.contenders for contest in contests):
            running.callback(contender.stop)
        for turn in range(budget.throughput_rounds):
            for clients, contest in itertools.product(budget.step_seconds, contests):
                for contender in contest.at(clients)[:: 1 if turn % 2 == 0 else -1]:
                    if contender.has_stalled(clients):
                        continue
                    tally = contender.step(laboratory, clients)
                    stalled = f", {tally.unanswered} without answer" if tally.unanswered else ""
                    who = f"{contender.name}, {contest.mode}, {clients} at once"
                    progress = f"throughput, round {turn + 1} of {budget.throughput_rounds}"
                    say(f"{progress}: {who}: {tally.per_second:.0f}/s{stalled}")
    cells = [(clients, contest) for clients in budget.step_seconds for contest in contests]
    seconds = ", ".join(f"{seconds:g}" for seconds in budget.step_seconds.values())
    return Section(
        "Task requests at once",
        f"Each client lists {TASKS_IN_A_CROWDS_LIST} tasks and creates one, by turns. The server is uvicorn in a"
        f" process of its own, with a pool of {SERVER_CONNECTIONS} straight to PostgreSQL, or with a TLS connection per"
        f" request through PgBouncer. The {budget.instances} function instances run in Lambda's runtime client behind a"
        " stand-in for API Gateway, in which a request waits for a free one, and connect through PgBouncer too. It"
        f" has {SERVER_CONNECTIONS} server connections for each application. {budget.throughput_rounds} rounds of"
        f" {seconds} s, by the number of clients; a request that has no answer {PATIENCE_SECONDS} s after its round"
        " counts as endless in p50 and p99. Stock's dependencies hold a connection while they wait for one of 40"
        " threads, all of which wait for a connection: that is how its server stalls, until SQLAlchemy gives up after"
        f" 30 s. What has stalled is not tried again. Stock with one TLS context is measured at {SHARED_TLS_CLIENTS}"
        " clients.",
        ("clients, how it runs", "application", "rate", "p50", "p99", "errors", "this project against it"),
        [row for clients, contest in cells for row in contest.rows(clients)],
        [contest.finding(clients) for clients, contest in cells if clients in TARGET_CLIENTS and contest.has_target],
    )


def _contests(laboratory: Laboratory) -> list[Contest]:
    def server(application: Application, *, pool: bool) -> Contender:
        settings = (laboratory.with_pool if pool else laboratory.through_pooler)(application)
        return Contender(application.name, lambda: Server(application.name, settings))

    def functions(application: Application) -> Contender:
        settings = laboratory.through_pooler(application)
        return Contender(application.name, lambda: Functions(application, settings, laboratory.budget.instances))

    pool = [server(each, pool=True) for each in laboratory.applications]
    contests = [Contest(f"server, pool of {SERVER_CONNECTIONS}", pool)]
    if laboratory.pooler:
        per_request = [server(each, pool=False) for each in laboratory.tls_applications]
        contests.append(Contest("server, connection per request, TLS, pooler", per_request))
        if find_spec("awslambdaric"):
            instances = [functions(each) for each in laboratory.tls_applications]
            mode = f"{laboratory.budget.instances} function instances, TLS, pooler"
            contests.append(Contest(mode, instances, has_target=False))
    return contests


def _wait_for(running: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=START_SECONDS)
    connection.request("GET", "/api/health")
    assert connection.getresponse().status == 200
    connection.close()


def _times(ratio: float) -> str:
    return "stock stalls" if math.isinf(ratio) else f"{ratio:.1f} ×"


def _latency(tally: Tally, share: float) -> str:
    seconds = tally.percentile(share)
    return f"> {PATIENCE_SECONDS} s" if math.isinf(seconds) else milliseconds(seconds)
