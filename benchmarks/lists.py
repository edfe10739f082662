"""Measures `GET /api/tasks` in a Lambda function, with a new TLS connection through PgBouncer for each request."""

import base64
import gzip
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks.charts import Chart, Panel
from benchmarks.drivers import OURS, Driver
from benchmarks.measure import Finding, Section, interleave, milliseconds
from benchmarks.testbed import Testbed
from dev.local_lambda.events import http_event

GZIP = {"accept-encoding": "gzip"}
TARGET_LENGTH, MAX_RATIO = 1000, 0.20
PEERS = tuple(Driver)
PEERS_OF_LONG_LISTS = (Driver.PG8000_ONE_TLS_CONTEXT, Driver.PSYCOPG)
"""With more than 1,000 tasks, what a TLS context takes does not matter any more."""


def measure(testbed: Testbed, log_progress: Callable[[str], None]) -> Section:
    """Measure each length of the list, and the long ones also gzipped."""
    rows, findings, plain = [], [], dict[int, Mapping[str, float]]()
    functions = list_functions(testbed, PEERS)
    for length, rounds in testbed.budget.list_rounds.items():
        for encoding in ({}, GZIP) if length >= TARGET_LENGTH else ({},):
            name = f"{length:,} tasks" + (", gzipped" if encoding else "")
            peers = PEERS if length <= TARGET_LENGTH and not encoding else PEERS_OF_LONG_LISTS
            event = http_event("GET", "/api/tasks", headers={**testbed.accounts.with_list[length].headers, **encoding})
            medians = time_lists({each: functions[each] for each in (OURS, *peers)}, event, rounds)
            log_progress(f"list of {name}: {', '.join(map(milliseconds, medians.values()))}")
            cells = [
                (milliseconds(medians[each]), ratio(medians, each)) if each in medians else ("", "") for each in PEERS
            ]
            rows.append((name, milliseconds(medians[OURS]), *(text for cell in cells for text in cell)))
            if not encoding:
                plain[length] = medians
            if length == TARGET_LENGTH and not encoding:
                against = Driver.PG8000_ONE_TLS_CONTEXT
                suffix = f" ({ratio(medians, Driver.PSYCOPG)} of psycopg 3)"
                figure = medians[OURS] / medians[against]
                findings.append(Finding.at_most(f"list of {name}, of {against}", figure, MAX_RATIO, suffix=suffix))
    return Section(
        "List of tasks",
        "`GET /api/tasks` as an API Gateway event through Mangum, in process. Each request makes a new connection"
        " through PgBouncer on this machine, with TLS 1.3 and SCRAM. Stock, which makes a TLS context for each"
        " connection, is measured up to 1,000 tasks, where the context matters most. Medians of"
        f" {', '.join(map(str, testbed.budget.list_rounds.values()))} rounds.",
        ("list", OURS, *(text for each in PEERS for text in (each.value, "ratio"))),
        rows,
        findings,
        _chart(plain),
    )


def list_functions(
    testbed: Testbed, peers: tuple[Driver, ...], *, port: int | None = None
) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    """This project and these peers as functions that connect through the pooler, or through a proxy on `port`."""
    applications = (testbed.ours, *(testbed.peers[driver] for driver in peers))
    return {each.name: each.function(testbed.through_pooler(each, port=port)) for each in applications}


def time_lists(
    functions: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]], event: dict[str, Any], rounds: int
) -> dict[str, float]:
    """The median seconds of each function for this event. All give the same answer."""
    calls = {name: partial(function, event) for name, function in functions.items()}
    assert len({_answer(call()) for call in calls.values()}) == 1, "the answers differ"
    return interleave(rounds, calls)


def ratio(medians: Mapping[str, float], peer: str) -> str:
    """This project's time as a share of the peer's."""
    return f"{medians[OURS] / medians[peer]:.2f}"


def _chart(medians: Mapping[int, Mapping[str, float]]) -> Chart:
    names = (OURS, *PEERS_OF_LONG_LISTS)
    series = {name: [seconds[name] * 1000 for seconds in medians.values()] for name in names}
    longest = max(medians)
    description = f"Lines over the number of tasks, both axes logarithmic. With {longest:,} tasks " + ", ".join(
        f"{name} takes {milliseconds(medians[longest][name])}" for name in names
    )
    panel = Panel("lines", list(medians), series, "ms", "tasks in the list", logarithmic="xy")
    return Chart("list-length.svg", "GET /api/tasks, by the number of tasks", f"{description}.", [panel])


def _answer(response: dict[str, Any]) -> str:
    assert response["statusCode"] == 200, response["body"]
    body: str = response["body"]
    return gzip.decompress(base64.b64decode(body)).decode() if response["isBase64Encoded"] else body
