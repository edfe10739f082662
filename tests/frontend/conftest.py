"""The frontend, its server, and APIs that allow its pages to call them."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.app import create_app
from tests.auth.clock import Clock
from tests.conftest import MakeSettings
from tests.frontend import toolchain
from tests.frontend.host import hosting
from tests.support.database_copy import DatabaseCopy
from tests.support.serving import serving


@pytest.fixture(scope="session")
def frontend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the compiled frontend."""
    toolchain.require_node()
    folder = tmp_path_factory.mktemp("frontend")
    toolchain.build(folder)
    return folder


@pytest.fixture
def chromium() -> dict[str, str]:
    """What the scripts of the browser need to know."""
    return {"CHROMIUM": toolchain.require_chromium()}


@pytest.fixture
def clock(fresh_database: DatabaseCopy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The time of the APIs and of their database, which stands until a page waits."""
    with fresh_database.connect_as_owner() as owner:
        yield Clock(owner, monkeypatch)


@pytest.fixture
def origin(frontend: Path, clock: Clock) -> Iterator[str]:
    """Where the frontend's pages come from."""
    with hosting(frontend, clock) as origin:
        yield origin


class Asked:
    """Counts the requests that reach the application, by method."""

    def __init__(self, app: ASGIApp, counter: Counter[str]) -> None:
        self.app, self.counter = app, counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.counter[scope["method"]] += 1
        await self.app(scope, receive, send)


@pytest.fixture
def asked() -> Counter[str]:
    """How many requests of each method have reached an API."""
    return Counter()


Serve = Callable[..., str]


@pytest.fixture
def serve(
    make_settings: MakeSettings, fresh_database: DatabaseCopy, origin: str, asked: Counter[str]
) -> Iterator[Serve]:
    """Starts APIs that allow the frontend's origin, with `/api/broken`, which nobody expects to fail. Gives the URL."""
    usual = {"frontend_url": origin, "database_url": fresh_database.url}
    with ExitStack() as running:

        def serve(**overrides: Any) -> str:
            app = create_app(make_settings(**usual | overrides))
            app.add_middleware(Asked, counter=asked)

            @app.get("/api/broken", include_in_schema=False)
            def broken() -> None:
                raise RuntimeError("postgresql://owner:s3cr3t@db.internal/prod")

            return running.enter_context(serving(app))

        yield serve
