"""What this project adds to FastAPI and Mangum in an invocation that needs no database."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import FastAPI, Response
from mangum import Mangum

from backend import __version__
from backend.app import NAME
from backend.errors import NotAuthenticated
from benchmarks.laboratory import Laboratory
from benchmarks.measure import Section, interleave, milliseconds
from dev.local_lambda.events import http_event
from tests.auth.gateway import CONTEXT


def measure(laboratory: Laboratory, say: Callable[[str], None]) -> Section:
    """The answer that needs nothing, and a refusal of a token that was tampered with."""
    ours = laboratory.ours.function(laboratory.with_pool(laboratory.ours))
    bare = partial(Mangum(bare_app(), lifespan="off"), context=CONTEXT)
    tampered = {"authorization": f"{laboratory.people.readers[0].headers['authorization']}x"}
    events = {
        "`GET /`": http_event("GET", "/"),
        "`GET /api/tasks`, tampered token": http_event("GET", "/api/tasks", headers=tampered),
    }
    rows = []
    for name, event in events.items():
        calls = {laboratory.ours.name: partial(ours, event), "bare": partial(bare, event)}
        assert len({_told(call()) for call in calls.values()}) == 1, f"the answers differ for {name}"
        medians = interleave(laboratory.budget.warm_rounds, calls)
        mine, least = medians.values()
        say(f"warm invocation, {name}: {milliseconds(mine)} against {milliseconds(least)}")
        rows.append(
            (name, milliseconds(mine), milliseconds(least), f"{mine / least:.2f}", milliseconds(mine - least)),
        )
    return Section(
        "Warm invocation",
        "Through the function's handler, in process, without a database; against a FastAPI application of two such"
        " routes through Mangum, which answers the same status and JSON and does nothing else. What is added is the"
        " access log, the metrics, CORS and the other headers, the limits, and checking the token. Medians of"
        f" {laboratory.budget.warm_rounds} rounds.",
        ("request", laboratory.ours.name, "bare route", "ratio", "added"),
        rows,
    )


def bare_app() -> FastAPI:
    """The least that answers the same: `def` and `async def` where this project has them."""
    app = FastAPI()

    @app.get("/")
    def info() -> dict[str, str]:
        return {"name": NAME, "version": __version__, "status": "ok"}

    @app.get("/api/tasks")
    async def refuse(response: Response) -> dict[str, str]:
        response.status_code = NotAuthenticated.status
        return {"detail": NotAuthenticated.message}

    return app


def _told(answer: dict[str, Any]) -> tuple[int, str]:
    return answer["statusCode"], answer["body"]
