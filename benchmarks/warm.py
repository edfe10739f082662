"""Measures what this project adds to FastAPI and Mangum, in invocations that need no database."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import FastAPI, Response
from mangum import Mangum

from backend import __version__
from backend.app import NAME
from backend.errors import NotAuthenticated
from benchmarks.measure import Section, interleave, milliseconds
from benchmarks.testbed import Testbed
from dev.local_lambda.events import http_event
from tests.support.gateway import CONTEXT


def measure(testbed: Testbed, log_progress: Callable[[str], None]) -> Section:
    """Measure `GET /`, and the refusal of a token that was changed."""
    ours = testbed.ours.function(testbed.with_pool(testbed.ours))
    bare = partial(Mangum(bare_app(), lifespan="off"), context=CONTEXT)
    tampered = {"authorization": f"{testbed.accounts.readers[0].headers['authorization']}x"}
    events = {
        "`GET /`": http_event("GET", "/"),
        "`GET /api/tasks`, tampered token": http_event("GET", "/api/tasks", headers=tampered),
    }
    rows = []
    for name, event in events.items():
        calls = {testbed.ours.name: partial(ours, event), "bare": partial(bare, event)}
        assert len({_status_and_body(call()) for call in calls.values()}) == 1, f"the answers differ for {name}"
        medians = interleave(testbed.budget.warm_rounds, calls)
        ours_takes, bare_takes = medians.values()
        log_progress(f"warm invocation, {name}: {milliseconds(ours_takes)} against {milliseconds(bare_takes)}")
        ratio, added = f"{ours_takes / bare_takes:.2f}", milliseconds(ours_takes - bare_takes)
        rows.append((name, milliseconds(ours_takes), milliseconds(bare_takes), ratio, added))
    return Section(
        "Warm invocation",
        "The function's handler, in process, without a database, compared with a FastAPI application of two such routes"
        " behind Mangum, which gives the same status and JSON and does nothing else. The difference is the access log,"
        " the metrics, CORS and the other headers, the limits, and the verification of the token. Medians of"
        f" {testbed.budget.warm_rounds} rounds.",
        ("request", testbed.ours.name, "bare route", "ratio", "added"),
        rows,
    )


def bare_app() -> FastAPI:
    """The smallest application with the same answers. It has `def` and `async def` where this project has them."""
    app = FastAPI()

    @app.get("/")
    def info() -> dict[str, str]:
        return {"name": NAME, "version": __version__, "status": "ok"}

    @app.get("/api/tasks")
    async def refuse(response: Response) -> dict[str, str]:
        response.status_code = NotAuthenticated.status
        return {"detail": NotAuthenticated.message}

    return app


def _status_and_body(answer: dict[str, Any]) -> tuple[int, str]:
    return answer["statusCode"], answer["body"]
