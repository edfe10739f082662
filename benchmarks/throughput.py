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

from benchmarks.accounts import TASKS_PER_CLIENT
from benchmarks.charts import Chart, Panel
from benchmarks.clients import GRACE_SECONDS, Results, run_clients
from benchmarks.drivers import Driver
from benchmarks.functions import Functions
from benchmarks.measure import Finding, Section, milliseconds
from benchmarks.server import Server
from benchmarks.testbed import SERVER_CONNECTIONS, Application, Testbed

START_SECONDS = 60
WARM_UP_CLIENTS = 8
TARGET_CLIENTS = (16, 100)
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
    min_ratio: float | None = None
    """How many times as many answers as the second candidate this project has to give; None where it has no target."""

    def ratio(self, clients: int, other: Candidate) -> float:
        """How many times as many requests this project answers as the other; infinite when the other stalls."""
        other_rate = other.rate(clients)
        return self.candidates[0].rate(clients) / other_rate if other_rate else math.inf

    def rows(self, clients: int) -> list[tuple[str, ...]]:
        """A row for each candidate."""
        ours, *others = self.candidates
        name = f"{clients} {'client' if clients == 1 else 'clients'}, {self.mode}"
        rows: list[tuple[str, ...]] = [(name, ours.name, *ours.row(clients), "")]
        return rows + [("", each.name, *each.row(clients), _times(self.ratio(clients, each))) for each in others]

    def finding(self, clients: int) -> Finding:
        """Whether this project answers enough times as many requests as the second candidate, without an error."""
        assert self.min_ratio is not None
        ours, peer, *others = self.candidates
        ratio = self.ratio(clients, peer)
        measured = f"{_compared(ratio, peer)}, {ours.row(clients)[-1]}"
        measured += "".join(f" ({_compared(self.ratio(clients, each), each)})" for each in others)
        what = f"throughput, {clients} clients, {self.mode}"
        target = f"≥ {self.min_ratio:g} × {peer.name}, no error"
        if not ours.is_flawless(clients):
            return Finding(what, measured, target, is_met=False, gap=ours.row(clients)[-1])
        gap = f"{1 - ratio / self.min_ratio:.0%} below"
        return Finding(what, measured, target, ratio >= self.min_ratio, gap, REASON)


def measure(testbed: Testbed, log_progress: Callable[[str], None]) -> Section:
    """Measure a server with a pool, and, where there is a pooler, one without a pool and function instances."""
    budget, comparisons = testbed.budget, _comparisons(testbed)
    with ExitStack() as running:
        for candidate in itertools.chain.from_iterable(comparison.candidates for comparison in comparisons):
            running.callback(candidate.stop)
        for turn in range(budget.throughput_rounds):
            for clients, comparison in itertools.product(budget.step_seconds, comparisons):
                for candidate in comparison.candidates[:: 1 if turn % 2 == 0 else -1]:
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
        f" {GRACE_SECONDS} s after the end of its round counts as infinite in p50 and p99. The other applications'"
        " dependencies hold a connection while they wait for one of 40 threads, and all of these threads wait for a"
        " connection. So their servers stall, until SQLAlchemy gives up after 30 s. An application that has stalled is"
        " not measured again with as many clients.",
        ("clients, how it runs", "application", "rate", "p50", "p99", "errors", "this project against it"),
        [row for clients, comparison in cells for row in comparison.rows(clients)],
        [
            comparison.finding(clients)
            for clients, comparison in cells
            if clients in TARGET_CLIENTS and comparison.min_ratio
        ],
        _chart(comparisons[0], list(budget.step_seconds)),
    )


def _chart(comparison: Comparison, clients: Sequence[int]) -> Chart:
    """Both panels for one mode. A server that has stalled answers nothing, and has no p99."""
    rates, slowest = dict[str, list[float | None]](), dict[str, list[float | None]]()
    for each in comparison.candidates:
        rates[each.name] = [each.rate(count) for count in clients]
        seconds = [each.results[count].percentile(0.99) for count in clients]
        slowest[each.name] = [None if math.isinf(value) else value * 1000 for value in seconds]
    most = clients[-1]
    description = f"Two diagrams over the number of clients. With {most} clients at once " + ", ".join(
        f"{each.name} gives {each.rate(most):.0f} answers a second" for each in comparison.candidates
    )
    panels = [
        Panel("lines", clients, rates, "answers a second", logarithmic="x"),
        Panel("lines", clients, slowest, "p99, ms", "clients at once", logarithmic="xy"),
    ]
    stalled = any(each.has_stalled(most) for each in comparison.candidates)
    title = f"Task requests at once: {comparison.mode}" + (f". With {most} clients the others stall" if stalled else "")
    return Chart("throughput.svg", title, f"{description}.", panels)


def _comparisons(testbed: Testbed) -> list[Comparison]:
    def server(application: Application, *, pool: bool) -> Candidate:
        settings = (testbed.with_pool if pool else testbed.through_pooler)(application)
        return Candidate(application.name, lambda: Server(application.name, settings))

    def functions(application: Application) -> Candidate:
        settings = testbed.through_pooler(application)
        return Candidate(application.name, lambda: Functions(application, settings, testbed.budget.instances))

    def applications(*drivers: Driver) -> list[Application]:
        return [testbed.ours, *(testbed.peers[driver] for driver in drivers)]

    pool = [server(each, pool=True) for each in applications(Driver.PG8000, Driver.PSYCOPG)]
    comparisons = [Comparison(f"server, pool of {SERVER_CONNECTIONS}", pool, min_ratio=3)]
    if testbed.pooler:
        over_tls = applications(Driver.PG8000_ONE_TLS_CONTEXT, Driver.PSYCOPG)
        per_request = [server(each, pool=False) for each in over_tls]
        comparisons.append(Comparison("server, connection per request, TLS, pooler", per_request, min_ratio=2.4))
        if find_spec("awslambdaric"):
            mode = f"{testbed.budget.instances} function instances, TLS, pooler"
            comparisons.append(Comparison(mode, [functions(each) for each in over_tls]))
    return comparisons


def _wait_for(running: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=START_SECONDS)
    connection.request("GET", "/api/health")
    assert connection.getresponse().status == 200
    connection.close()


def _times(ratio: float) -> str:
    return "it stalls" if math.isinf(ratio) else f"{ratio:.1f} ×"


def _compared(ratio: float, other: Candidate) -> str:
    return f"{other.name} stalls" if math.isinf(ratio) else f"{ratio:.1f} × {other.name}"


def _latency(result: Results, share: float) -> str:
    seconds = result.percentile(share)
    return f"> {GRACE_SECONDS} s" if math.isinf(seconds) else milliseconds(seconds)
