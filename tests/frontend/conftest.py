"""Fixtures for the frontend: its compiled code, its server, and APIs that allow its pages to call them."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.app import create_app
from tests.conftest import MakeSettings
from tests.frontend import toolchain
from tests.frontend.host import serve_frontend
from tests.support.clock import Clock
from tests.support.database_copy import DatabaseCopy
from tests.support.npm import require_node
from tests.support.serving import serving


@pytest.fixture(scope="session")
def frontend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the compiled frontend."""
    require_node()
    folder = tmp_path_factory.mktemp("frontend")
    toolchain.build(folder)
    return folder


@pytest.fixture
def chromium() -> dict[str, str]:
    """The environment variables of the scripts that use a browser."""
    return {"CHROMIUM": toolchain.require_chromium()}


@pytest.fixture
def clock(fresh_database: DatabaseCopy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The clock of the APIs and of their database. A page advances it by a request to the frontend's server."""
    with fresh_database.connect_as_owner() as owner:
        yield Clock(owner, monkeypatch)


@pytest.fixture
def origin(frontend: Path, clock: Clock) -> Iterator[str]:
    """The origin of the frontend's pages."""
    with serve_frontend(frontend, clock) as origin:
        yield origin


class RequestCounter:
    """Counts the requests that reach the application, by method."""

    def __init__(self, app: ASGIApp, counter: Counter[str]) -> None:
        self.app, self.counter = app, counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.counter[scope["method"]] += 1
        await self.app(scope, receive, send)


@pytest.fixture
def request_counts() -> Counter[str]:
    """How many requests of each method have reached an API."""
    return Counter()


Serve = Callable[..., str]


@pytest.fixture
def serve(
    make_settings: MakeSettings, fresh_database: DatabaseCopy, origin: str, request_counts: Counter[str]
) -> Iterator[Serve]:
    """Starts APIs that allow the frontend's origin. Their `/api/broken` is an unexpected error. Gives the URL."""
    usual = {"frontend_url": origin, "database_url": fresh_database.url}
    with ExitStack() as running:

        def serve(**overrides: Any) -> str:
            app = create_app(make_settings(**usual | overrides))
            app.add_middleware(RequestCounter, counter=request_counts)

            @app.get("/api/broken", include_in_schema=False)
            def broken() -> None:
                raise RuntimeError("postgresql://owner:s3cr3t@db.internal/prod")

            return running.enter_context(serving(app))

        yield serve
