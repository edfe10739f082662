"""How long a list takes in a Lambda function: a fresh TLS connection through PgBouncer each time."""

import base64
import gzip
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.laboratory import Laboratory
from benchmarks.measure import Finding, Section, interleave, milliseconds
from dev.local_lambda.events import http_event

GZIP = {"accept-encoding": "gzip"}
TARGET_LENGTH, TARGET_RATIO = 1000, 0.25


def measure(laboratory: Laboratory, say: Callable[[str], None]) -> Section:
    """Each length as it is, and gzipped where the applications do that."""
    functions = {each.name: each.function(laboratory.through_pooler(each)) for each in laboratory.tls_applications}
    ours, stock, shared = functions
    rows, findings = [], []
    for length, rounds in laboratory.budget.list_rounds.items():
        for encoding in ({}, GZIP) if length >= TARGET_LENGTH else ({},):
            event = http_event("GET", "/api/tasks", headers={**laboratory.people.with_list[length].headers, **encoding})
            name = f"{length:,} tasks" + (", gzipped" if encoding else "")
            measured = {ours, stock} if encoding or length > TARGET_LENGTH else {ours, stock, shared}
            calls = {each: partial(function, event) for each, function in functions.items() if each in measured}
            assert len({_answer(call()) for call in calls.values()}) == 1, f"the answers differ for {name}"
            medians = interleave(rounds, calls)
            ratios = {each: medians[ours] / taken for each, taken in medians.items()}
            say(f"list of {name}: {milliseconds(medians[ours])} against {milliseconds(medians[stock])}")
            rows.append(
                (
                    name,
                    milliseconds(medians[ours]),
                    *(milliseconds(medians[stock]), f"{ratios[stock]:.2f}"),
                    *((milliseconds(medians[shared]), f"{ratios[shared]:.2f}") if shared in medians else ("", "")),
                )
            )
            if length == TARGET_LENGTH and not encoding:
                beside = f" ({ratios[shared]:.2f} of stock with one TLS context)"
                findings.append(Finding.at_most(f"list of {name}", ratios[stock], TARGET_RATIO, beside=beside))
    return Section(
        "List of tasks",
        "`GET /api/tasks` as an API Gateway event through Mangum, in process, with a fresh TLS 1.3 and SCRAM connection"
        " through PgBouncer for each. Stock makes a TLS context for each connection, as pg8000 does by itself; stock"
        " with one TLS context is measured up to 1,000 tasks, where that weighs most. Medians of"
        f" {', '.join(map(str, laboratory.budget.list_rounds.values()))} rounds.",
        ("list", ours, stock, "ratio", shared, "ratio"),
        rows,
        findings,
    )


def _answer(response: dict[str, Any]) -> str:
    assert response["statusCode"] == 200, response["body"]
    body: str = response["body"]
    return gzip.decompress(base64.b64decode(body)).decode() if response["isBase64Encoded"] else body
