"""Measures `GET /api/tasks` in a Lambda function, with a new TLS connection through PgBouncer for each request."""

import base64
import gzip
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.measure import Finding, Section, interleave, milliseconds
from benchmarks.testbed import Testbed
from dev.local_lambda.events import http_event

GZIP = {"accept-encoding": "gzip"}
TARGET_LENGTH, MAX_RATIO = 1000, 0.25


def measure(testbed: Testbed, log_progress: Callable[[str], None]) -> Section:
    """Measure each length of the list, and the long ones also gzipped."""
    functions = {each.name: each.function(testbed.through_pooler(each)) for each in testbed.tls_applications}
    ours, stock, shared = functions
    rows, findings = [], []
    for length, rounds in testbed.budget.list_rounds.items():
        for encoding in ({}, GZIP) if length >= TARGET_LENGTH else ({},):
            event = http_event("GET", "/api/tasks", headers={**testbed.accounts.with_list[length].headers, **encoding})
            name = f"{length:,} tasks" + (", gzipped" if encoding else "")
            compared = {ours, stock} if encoding or length > TARGET_LENGTH else {ours, stock, shared}
            calls = {each: partial(function, event) for each, function in functions.items() if each in compared}
            assert len({_answer(call()) for call in calls.values()}) == 1, f"the answers differ for {name}"
            medians = interleave(rounds, calls)
            ratios = {each: medians[ours] / taken for each, taken in medians.items()}
            log_progress(f"list of {name}: {milliseconds(medians[ours])} against {milliseconds(medians[stock])}")
            rows.append(
                (
                    name,
                    milliseconds(medians[ours]),
                    *(milliseconds(medians[stock]), f"{ratios[stock]:.2f}"),
                    *((milliseconds(medians[shared]), f"{ratios[shared]:.2f}") if shared in medians else ("", "")),
                )
            )
            if length == TARGET_LENGTH and not encoding:
                suffix = f" ({ratios[shared]:.2f} of stock with one TLS context)"
                findings.append(Finding.at_most(f"list of {name}", ratios[stock], MAX_RATIO, suffix=suffix))
    return Section(
        "List of tasks",
        "`GET /api/tasks` as an API Gateway event through Mangum, in process. Each request makes a new connection"
        " through PgBouncer, with TLS 1.3 and SCRAM. Stock makes a TLS context for each connection, as pg8000 does by"
        " default. Stock with one TLS context is measured up to 1,000 tasks, where the context matters most. Medians"
        f" of {', '.join(map(str, testbed.budget.list_rounds.values()))} rounds.",
        ("list", ours, stock, "ratio", shared, "ratio"),
        rows,
        findings,
    )


def _answer(response: dict[str, Any]) -> str:
    assert response["statusCode"] == 200, response["body"]
    body: str = response["body"]
    return gzip.decompress(base64.b64decode(body)).decode() if response["isBase64Encoded"] else body
