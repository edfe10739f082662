"""Measures how many task requests are answered with 1, 16 and 100 clients at once, and the latency of the slowest."""

import http.client
import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Protocol

from benchmarks.clients import GRACE_SECONDS, Results, run_clients
from benchmarks.functions import Functions
from benchmarks.measure import Finding, Section, milliseconds
from benchmarks.server import Server
from benchmarks.testbed import SERVER_CONNECTIONS, TASKS_PER_CLIENT, Application, Testbed

START_SECONDS = 60
WARM_UP_CLIENTS = 8
MIN_RATIO = 3.0
TARGET_CLIENTS = (16, 100)
SHARED_TLS_CLIENTS = 16
"""The number of clients with which stock with one TLS context is measured too. The table of lists shows the difference
with one client; with 100 its server stalls, as stock does."""
REASON = (
    "on one machine a round trip to the database takes almost no time, so the comparison is of CPU time. A third of"
    " that is spent on the way to the database (sampled, with a pool). The rest is FastAPI, Starlette and uvicorn, the"
    " token, and an access log that stock does not write"
)


class Running(Protocol):
    """A running application that answers on `port`."""

    port: int

    def stop(self) -> None: ...


@dataclass
class Candidate:
    """One application in one mode, with its results for each number of clients."""

    name: str
    start: Callable[[], Running]
    results: dict[int, Results] = field(default_factory=dict)
    rates: dict[int, list[float]] = field(default_factory=dict)
    running: Running | None = None

    def measure_round(self, testbed: Testbed, clients: int) -> Results:
        """Measure one round. An application that left a request without an answer is restarted for the next one."""
        pairs = list(zip(testbed.accounts.readers, testbed.accounts.writers, strict=True))
        if self.running is None:
            self.running = self.start()
            _wait_for(self.running)
            run_clients(self.running.port, pairs[:WARM_UP_CLIENTS], testbed.budget.warm_up_seconds)
        result = run_clients(self.running.port, pairs[:clients], testbed.budget.step_seconds[clients])
        self.results.setdefault(clients, Results()).add(result)
        self.rates.setdefault(clients, []).append(result.per_second)
        if result.unanswered:
            self.stop()
        return result

    def stop(self) -> None:
        """Stop its processes."""
        if self.running is not None:
            self.running.stop()
            self.running = None

    def has_stalled(self, clients: int) -> bool:
        """Whether no client got an answer in time, with so many of them."""
        return clients in self.results and not self.results[clients].answered_in_time

    def rate(self, clients: int) -> float:
        """The median of the rounds, in requests per second."""
        return statistics.median(self.rates[clients])

    def is_flawless(self, clients: int) -> bool:
        """Whether every request was answered, with success."""
        return not self.results[clients].errors and not self.results[clients].unanswered

    def row(self, clients: int) -> tuple[str, str, str, str]:
        """Rate, p50, p99, and errors."""
        result = self.results[clients]
        errors = [f"{result.errors} errors"] if result.errors else []
        errors += [f"{result.unanswered} without answer"] if result.unanswered else []
        rate, p50, p99 = f"{self.rate(clients):.0f}/s", _latency(result, 0.5), _latency(result, 0.99)
        text = ", ".join(errors) or "no error"
        return rate, p50, p99, f"STALLS: {text}" if self.has_stalled(clients) else text


@dataclass(frozen=True)
class Comparison:
    """A mode of running the applications, and the candidates in it, this project first."""

    mode: str
    candidates: Sequence[Candidate]
    has_target: bool = True

    def at(self, clients: int) -> Sequence[Candidate]:
        """The candidates that are measured with so many clients."""
        return self.candidates if clients == SHARED_TLS_CLIENTS else self.candidates[:2]

    def ratio(self, clients: int, other: Candidate) -> float:
        """How many times as many requests this project answers as the other; infinite when the other stalls."""
        other_rate = other.rate(clients)
        return self.candidates[0].rate(clients) / other_rate if other_rate else math.inf

    def rows(self, clients: int) -> list[tuple[str, ...]]:
        """A row for each candidate."""
        ours, *others = self.at(clients)
        name = f"{clients} {'client' if clients == 1 else 'clients'}, {self.mode}"
        rows: list[tuple[str, ...]] = [(name, ours.name, *ours.row(clients), "")]
        return rows + [("", each.name, *each.row(clients), _times(self.ratio(clients, each))) for each in others]

    def finding(self, clients: int) -> Finding:
        """Whether this project answers enough times as many requests as stock, without an error."""
        ours, stock, *shared = self.at(clients)
        ratio = self.ratio(clients, stock)
        measured = f"{_times(ratio)}, {ours.row(clients)[-1]}"
        measured += "".join(f" ({_times(self.ratio(clients, each))} of {each.name})" for each in shared)
        what, target = f"throughput, {clients} clients, {self.mode}", f"≥ {MIN_RATIO:.0f} ×, no error"
        if not ours.is_flawless(clients):
            return Finding(what, measured, target, is_met=False, gap=ours.row(clients)[-1])
        gap = f"{1 - ratio / MIN_RATIO:.0%} below"
        return Finding(what, measured, target, ratio >= MIN_RATIO, gap, REASON)


def measure(testbed: Testbed, log_progress: Callable[[str], None]) -> Section:
    """Measure a server with a pool, and, where there is a pooler, one without a pool and function instances."""
    budget, comparisons = testbed.budget, _comparisons(testbed)
    with ExitStack() as running:
        for candidate in itertools.chain.from_iterable(comparison.candidates for comparison in comparisons):
            running.callback(candidate.stop)
        for turn in range(budget.throughput_rounds):
            for clients, comparison in itertools.product(budget.step_seconds, comparisons):
                for candidate in comparison.at(clients)[:: 1 if turn % 2 == 0 else -1]:
                    if candidate.has_stalled(clients):
                        continue
                    result = candidate.measure_round(testbed, clients)
                    stalled = f", {result.unanswered} without answer" if result.unanswered else ""
                    what = f"{candidate.name}, {comparison.mode}, {clients} at once"
                    progress = f"throughput, round {turn + 1} of {budget.throughput_rounds}"
                    log_progress(f"{progress}: {what}: {result.per_second:.0f}/s{stalled}")
    cells = [(clients, comparison) for clients in budget.step_seconds for comparison in comparisons]
    seconds = ", ".join(f"{seconds:g}" for seconds in budget.step_seconds.values())
    numbers = ", ".join(map(str, budget.step_seconds))
    return Section(
        "Task requests at once",
        f"Each client lists {TASKS_PER_CLIENT} tasks and creates one, in turns. The server is uvicorn in a separate"
        f" process, with a pool of {SERVER_CONNECTIONS} connections directly to PostgreSQL, or with a TLS connection"
        f" per request through PgBouncer. The {budget.instances} function instances run in Lambda's runtime client"
        " behind a stand-in for API Gateway, where a request waits for a free instance. They also connect through"
        f" PgBouncer, which has {SERVER_CONNECTIONS} server connections for each application. There are"
        f" {budget.throughput_rounds} rounds of {seconds} s for {numbers} clients. A request that has no answer"
        f" {GRACE_SECONDS} s after the end of its round counts as infinite in p50 and p99. Stock's dependencies hold a"
        " connection while they wait for one of 40 threads, and all of these threads wait for a connection. So its"
        " server stalls, until SQLAlchemy gives up after 30 s. An application that has stalled is not measured again"
        f" with as many clients. Stock with one TLS context is measured with {SHARED_TLS_CLIENTS} clients.",
        ("clients, how it runs", "application", "rate", "p50", "p99", "errors", "this project against it"),
        [row for clients, comparison in cells for row in comparison.rows(clients)],
        [
            comparison.finding(clients)
            for clients, comparison in cells
            if clients in TARGET_CLIENTS and comparison.has_target
        ],
    )


def _comparisons(testbed: Testbed) -> list[Comparison]:
    def server(application: Application, *, pool: bool) -> Candidate:
        settings = (testbed.with_pool if pool else testbed.through_pooler)(application)
        return Candidate(application.name, lambda: Server(application.name, settings))

    def functions(application: Application) -> Candidate:
        settings = testbed.through_pooler(application)
        return Candidate(application.name, lambda: Functions(application, settings, testbed.budget.instances))

    pool = [server(each, pool=True) for each in testbed.applications]
    comparisons = [Comparison(f"server, pool of {SERVER_CONNECTIONS}", pool)]
    if testbed.pooler:
        per_request = [server(each, pool=False) for each in testbed.tls_applications]
        comparisons.append(Comparison("server, connection per request, TLS, pooler", per_request))
        if find_spec("awslambdaric"):
            instances = [functions(each) for each in testbed.tls_applications]
            mode = f"{testbed.budget.instances} function instances, TLS, pooler"
            comparisons.append(Comparison(mode, instances, has_target=False))
    return comparisons


def _wait_for(running: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=START_SECONDS)
    connection.request("GET", "/api/health")
    assert connection.getresponse().status == 200
    connection.close()


def _times(ratio: float) -> str:
    return "stock stalls" if math.isinf(ratio) else f"{ratio:.1f} ×"


def _latency(result: Results, share: float) -> str:
    seconds = result.percentile(share)
    return f"> {GRACE_SECONDS} s" if math.isinf(seconds) else milliseconds(seconds)
