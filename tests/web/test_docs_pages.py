"""The pages of the documentation: they load files of this server only, and it serves no other files."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.app import create_app
from backend.aws.handler import GatewayState
from backend.web.docs import PACKAGE_ASSETS
from tests.conftest import MakeClient, MakeSettings
from tests.support.applications import close

PAGES = ["/docs", "/redoc"]
MEDIA_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}

each_page = pytest.mark.parametrize("page", PAGES)


class Addresses(HTMLParser):
    """The URLs that an HTML page loads, and its inline scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline_scripts = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.loaded += [found[name] or "" for name in ("src", "href", "data-openapi") if name in found]
        self.inline_scripts += tag == "script" and "src" not in found
        assert not [name for name in found if name.startswith("on")]


@pytest.mark.spec("SC-009", "NFR-004")
@each_page
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_page_loads_only_what_this_server_has(client: TestClient, page: str, slash: str) -> None:
    found = Addresses(client.get(page + slash).text)

    assert found.inline_scripts == 0
    assert "/openapi.json" in found.loaded
    for address in found.loaded:
        if address != "data:,":
            assert (urlsplit(address).netloc, address[0]) == ("", "/")
            assert client.get(address).status_code == 200


@pytest.mark.spec("SC-009", "NFR-004")
@pytest.mark.parametrize("path", [*PAGES, "/docs/start.js", "/redoc/start.js", *PACKAGE_ASSETS])
def test_pages_and_assets_allow_no_other_source(client: TestClient, path: str) -> None:
    policy = client.get(path).headers["Content-Security-Policy"].split("; ")

    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"https?:|\*|unsafe-eval", "; ".join(policy))


@pytest.mark.spec("SC-009")
@pytest.mark.parametrize("path", PACKAGE_ASSETS)
def test_an_asset_is_the_packages_file_with_its_media_type(client: TestClient, path: str) -> None:
    response = client.get(path)

    assert response.headers["Content-Type"] == MEDIA_TYPES[path.rpartition(".")[2]]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert len(response.content) > 500
    assert len(response.content) < 5_000_000  # Lambda's answers end at 6 MB


@each_page
def test_a_browser_may_keep_what_has_a_version_and_nothing_else(client: TestClient, page: str) -> None:
    versioned = [address for address in Addresses(client.get(page).text).loaded if "?version=" in address]

    assert versioned
    for address in versioned:
        assert client.get(address).headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert client.get(f"{address}0").headers["Cache-Control"] == "no-store"  # the version of another deployment
    assert client.get(page).headers["Cache-Control"] == "no-store"
    assert client.get(f"{page}/start.js").headers["Cache-Control"] == "no-store"


@pytest.mark.spec("NFR-004", "FR-031")
@pytest.mark.parametrize(
    "path",
    [
        "/docs/unknown.js",
        "/docs/docs.html",
        "/docs/__init__.py",
        "/docs/%2e%2e/%2e%2e/app.py",
        "/docs/..%2f..%2fapp.py",
        "/docs//etc/passwd",
        "/redoc/redoc.standalone.js.LICENSE.txt",
        "/docs/oauth2-redirect",
    ],
)
def test_no_other_file_can_be_read_through_the_pages(client: TestClient, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 404
    assert response.json() == {"detail": "There is nothing here. Please check the address."}


STAGE = "docs-and-redoc"
"""A stage whose name begins like a page's path, so that a confusion of the two is noticed."""


class BehindStage:
    """Calls the application like the Lambda handler: the path is without the stage, and the event has both."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.gateway_state = GatewayState(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asked = f"/{STAGE}{scope['path']}"
            events = {"/docs": {"rawPath": asked}, "/redoc": {"requestContext": {"path": asked}}}  # payloads 2.0, 1.0
            scope["aws.event"] = events[scope["path"]]
            await self.gateway_state(scope, receive, send)
        else:
            await self.app(scope, receive, send)


@pytest.mark.spec("SC-009")
@each_page
def test_behind_a_stage_everything_is_loaded_from_below_it(
    make_client: MakeClient, make_settings: MakeSettings, page: str
) -> None:
    app = create_app(make_settings())
    app.add_middleware(BehindStage)

    found = Addresses(make_client(app=app).get(page).text)

    assert {address.split("/")[1] for address in found.loaded if address != "data:,"} == {STAGE}


@pytest.mark.spec("SC-009")
@each_page
def test_a_page_can_only_be_read(client: TestClient, page: str) -> None:
    response = client.post(page)

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"


def test_creating_the_application_reads_no_asset(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: object, **__: object) -> str:
        raise AssertionError(self)

    for reader in ("read_text", "read_bytes"):
        monkeypatch.setattr(Path, reader, refuse)

    close(create_app(make_settings()))
