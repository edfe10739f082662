"""Measures `GET /api/tasks` behind a network with a round-trip time, which loopback hides."""

from collections.abc import Callable, Mapping

from benchmarks.accounts import TASKS_PER_CLIENT
from benchmarks.charts import Chart, Panel
from benchmarks.delaying_proxy import DelayingProxy
from benchmarks.drivers import OURS, Driver
from benchmarks.lists import list_functions, ratio, time_lists
from benchmarks.measure import Finding, Section, milliseconds
from benchmarks.testbed import Testbed
from dev.local_lambda.events import http_event

PEERS = (Driver.PG8000_ONE_TLS_CONTEXT, Driver.PSYCOPG)
MAX_RATIO_TO_BETTER = {1: 0.60, 5: 0.50, 20: 0.50}
"""Of the better of the peers, for each round-trip time in milliseconds."""
FAR_MILLISECONDS, MAX_RATIO_TO_STOCK = 20, 0.35


def measure(testbed: Testbed, log_progress: Callable[[str], None]) -> Section:
    """Measure each network."""
    assert testbed.pooler is not None
    rows, findings, all_medians = [], [], dict[int, Mapping[str, float]]()
    event = http_event("GET", "/api/tasks", headers=testbed.accounts.with_list[TASKS_PER_CLIENT].headers)
    for milliseconds_away, rounds in testbed.budget.network_rounds.items():
        with DelayingProxy(testbed.pooler.port, milliseconds_away / 1000) as proxy:
            medians = time_lists(list_functions(testbed, PEERS, port=proxy.port), event, rounds)
        all_medians[milliseconds_away] = medians
        what = f"list of {TASKS_PER_CLIENT} tasks, network of {milliseconds_away} ms"
        log_progress(f"{what}: {', '.join(map(milliseconds, medians.values()))}")
        cells = [(milliseconds(medians[each]), ratio(medians, each)) for each in PEERS]
        rows.append(
            (f"{milliseconds_away} ms", milliseconds(medians[OURS]), *(text for cell in cells for text in cell))
        )
        if milliseconds_away not in MAX_RATIO_TO_BETTER:
            continue
        better = min(PEERS, key=lambda each: medians[each])
        figure, limit = medians[OURS] / medians[better], MAX_RATIO_TO_BETTER[milliseconds_away]
        findings.append(Finding.at_most(what, figure, limit, suffix=f" of {better}, the better one"))
        if milliseconds_away == FAR_MILLISECONDS:
            against = Driver.PG8000_ONE_TLS_CONTEXT
            figure = medians[OURS] / medians[against]
            findings.append(Finding.at_most(f"{what}, of {against}", figure, MAX_RATIO_TO_STOCK))
    return Section(
        "A network between function and pooler",
        f"The list of {TASKS_PER_CLIENT} tasks as above, through a proxy that delays all bytes by half of the network's"
        " round-trip time, in both directions. Connecting takes a round-trip time too. A function in the same region as"
        " its database is about 1 ms away; 5 ms and 20 ms are other regions. 0 ms is the proxy alone. Medians of"
        f" {', '.join(map(str, testbed.budget.network_rounds.values()))} rounds.",
        ("round-trip time", OURS, *(text for each in PEERS for text in (each.value, "ratio"))),
        rows,
        findings,
        _chart(all_medians),
    )


def _chart(medians: Mapping[int, Mapping[str, float]]) -> Chart:
    series = {name: [seconds[name] * 1000 for seconds in medians.values()] for name in (OURS, *PEERS)}
    farthest = max(medians)
    description = f"Lines over the network's round-trip time. With {farthest} ms " + ", ".join(
        f"{name} takes {milliseconds(medians[farthest][name])}" for name in series
    )
    panel = Panel("lines", list(medians), series, "ms", "round-trip time between function and pooler, ms")
    title = f"GET /api/tasks with {TASKS_PER_CLIENT} tasks, by the distance of the database"
    return Chart("network-delay.svg", title, f"{description}.", [panel])
