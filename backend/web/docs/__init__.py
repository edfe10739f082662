"""`/docs` and `/redoc`: the API's documentation as pages that load nothing from other servers.

Users type an access token into `/docs`, so no third party's script may run there. Swagger UI and Redoc come from a
locked package (requirements.in), of which only the files are served. The Content-Security-Policy allows no other source
and no inline script. So the pages also work without the internet. No file is read before a request asks for it.
"""

from functools import partial
from html import escape
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from string import Template

from fastapi import FastAPI, Request
from starlette.responses import Response

from backend.web.routing import base_path

FOLDER = Path(__file__).parent
PACKAGE = "fastapi_standalone_docs"
PAGES = {"/docs": "docs.html", "/redoc": "redoc.html"}
START_SCRIPTS = {"/docs/start.js": "docs.js", "/redoc/start.js": "redoc.js"}
PACKAGE_ASSETS = {
    "/docs/swagger-ui.css": "swagger/swagger-ui.css",
    "/docs/swagger-ui-bundle.js": "swagger/swagger-ui-bundle.js",
    "/redoc/redoc.standalone.js": "redoc/redoc.standalone.js",
    "/redoc/logo-mini.svg": "redoc/logo-mini.svg",
}
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SECURITY_HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self' 'unsafe-inline'",  # Swagger UI and Redoc make inline styles
            "img-src 'self' data:",
            "connect-src 'self'",
            "worker-src blob:",  # Redoc's search
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
}


def install(app: FastAPI) -> None:
    """Serve the pages and what they load. FastAPI's own, which load from a CDN, must be off."""

    def page(request: Request, *, name: str) -> Response:
        values = {"title": escape(app.title), "root": escape(base_path(request)), "version": version(PACKAGE)}
        return _file_response(FOLDER / name, Template((FOLDER / name).read_text()).substitute(values))

    def start_script(_: Request, *, name: str) -> Response:
        return _file_response(FOLDER / name)

    def package_asset(request: Request, *, name: str) -> Response:
        package = find_spec(PACKAGE)
        assert package is not None
        assert package.origin is not None
        answer = _file_response(Path(package.origin).parent / "static" / name)
        if request.query_params.get("version") == version(PACKAGE):  # during a deployment another version may answer
            answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer

    for path, name in PAGES.items():
        app.add_route(path, partial(page, name=name), include_in_schema=False)
    for path, name in START_SCRIPTS.items():
        app.add_route(path, partial(start_script, name=name), include_in_schema=False)
    for path, name in PACKAGE_ASSETS.items():
        app.add_route(path, partial(package_asset, name=name), include_in_schema=False)


def _file_response(file: Path, content: str | None = None) -> Response:
    return Response(content or file.read_bytes(), headers=SECURITY_HEADERS, media_type=MEDIA_TYPES[file.suffix])
