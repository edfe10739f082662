"""How long a list takes in a Lambda function: a fresh TLS connection through PgBouncer each time."""

import base64
import gzip
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.benchmarks.laboratory import LISTS, Laboratory, gateway_event
from tests.benchmarks.measure import Finding, Section, interleave, milliseconds

ROUNDS = {10: 40, 100: 40, 1000: 30, 10_000: 6}
GZIP = {"accept-encoding": "gzip"}
TARGET_LENGTH, TARGET_RATIO = 1000, 0.25


def measure(laboratory: Laboratory, say: Callable[[str], None]) -> Section:
    """Each length as it is, and gzipped where both applications do that."""
    functions = {each.name: each.function(laboratory.through_pooler(each)) for each in laboratory.applications}
    rows, findings = [], []
    for length in LISTS:
        for encoding in ({}, GZIP) if length >= TARGET_LENGTH else ({},):
            event = gateway_event("GET", "/api/tasks", {**laboratory.people.with_list[length].headers, **encoding})
            name = f"{length:,} tasks" + (", gzipped" if encoding else "")
            answers = {_answer(function(event)) for function in functions.values()}
            assert len(answers) == 1, f"the answers differ for {name}"
            medians = interleave(ROUNDS[length], {app: partial(function, event) for app, function in functions.items()})
            ours, stock = medians[laboratory.ours.name], medians[laboratory.stock.name]
            say(f"list of {name}: {milliseconds(ours)} against {milliseconds(stock)}, {ours / stock:.2f}")
            rows.append((name, milliseconds(ours), milliseconds(stock), f"{ours / stock:.2f}"))
            if length == TARGET_LENGTH and not encoding:
                is_met = ours / stock <= TARGET_RATIO
                findings.append(Finding(f"list of {name} against stock", f"{ours / stock:.2f}", "≤ 0.25", is_met))
    return Section(
        "List of tasks",
        "`GET /api/tasks` as an API Gateway event through Mangum, in process, with a fresh TLS 1.3 and SCRAM connection"
        f" through PgBouncer for each. Medians of {', '.join(map(str, ROUNDS.values()))} rounds.",
        ("list", laboratory.ours.name, laboratory.stock.name, "ratio"),
        rows,
        findings,
    )


def _answer(response: dict[str, Any]) -> str:
    assert response["statusCode"] == 200, response["body"]
    body: str = response["body"]
    return gzip.decompress(base64.b64decode(body)).decode() if response["isBase64Encoded"] else body
