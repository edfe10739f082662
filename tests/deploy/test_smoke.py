"""The smoke test after a deployment: it passes a working API, and names what does not work."""

import gc
import socket
import warnings
from threading import Thread

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.middleware.cors import CORSMiddleware

from backend.app import create_app
from backend.web.parts import install
from dev.deploy import smoke
from tests.conftest import ORIGIN, MakeSettings
from tests.support.serving import serving

UNREACHABLE_URL = "postgresql://todo_api:password@127.0.0.1:1/nowhere"


def run_smoke_test(url: str, origin: str = ORIGIN) -> tuple[bool, list[str]]:
    """Whether all checks pass, and the lines of those that fail."""
    printed: list[str] = []
    is_well = smoke.run(url, origin, printed.append, pause_seconds=0)
    assert len(printed) == len(smoke.CHECKS)
    return is_well, [line.split()[1] + " " + line.split(": ", 1)[1] for line in printed if "FAILED" in line]


def app_without_cors(**_: object) -> FastAPI:
    """An API with the same paths and other answers."""
    app = FastAPI()
    install(app)

    @app.get("/{path:path}")
    def answer(path: str) -> JSONResponse:
        return JSONResponse({"message": "Forbidden"}, 403 if path else 200)

    return app


@pytest.mark.spec("SC-001", "SC-008", "SC-011")
def test_a_working_api_passes(make_settings: MakeSettings) -> None:
    with serving(create_app(make_settings())) as url:
        assert run_smoke_test(url) == (True, [])
        assert run_smoke_test(f"{url}/") == (True, []), "a URL may be pasted with its slash"


def test_a_frontend_that_may_not_call_is_named(make_settings: MakeSettings) -> None:
    with serving(create_app(make_settings())) as url:
        is_well, failures = run_smoke_test(url, "https://other.example.com")

    assert not is_well
    assert len(failures) == 2
    assert all("is FrontendUrl right?" in failure for failure in failures)


def test_a_database_that_does_not_answer_is_named(make_settings: MakeSettings) -> None:
    with serving(create_app(make_settings(database_url=UNREACHABLE_URL))) as url:
        is_well, failures = run_smoke_test(url)

    assert (is_well, failures) == (False, ["GET status 503 in place of 200"])


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "socks5://127.0.0.1:1", "no proxy at all"])
def test_this_machine_is_reached_without_the_proxy(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy")
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, proxy)

    with serving(create_app(make_settings())) as url:
        assert run_smoke_test(url) == (True, [])


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_another_host_is_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setattr(smoke, "CHECKS", smoke.CHECKS[:1])
        monkeypatch.setattr(smoke, "ATTEMPTS", 1)
        asked: list[bytes] = []

        def refuse() -> None:
            client, _ = proxy.accept()
            with client:
                asked.append(client.recv(100))
                client.sendall(b"\x05\xff" if scheme == "socks5" else b"")  # no method of authentication is accepted

        refusing = Thread(target=refuse, daemon=True)
        refusing.start()
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            is_well, failures = run_smoke_test("http://api.invalid")
            gc.collect()  # httpcore2 does not close the connection that a SOCKS proxy has refused
        refusing.join(10)

    assert not is_well
    assert len(failures) == 1
    assert asked


def test_a_proxy_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1")
    printed: list[str] = []

    assert not smoke.run("https://api.invalid", ORIGIN, printed.append, pause_seconds=0)

    [line] = printed
    assert line.startswith("  FAILED  the proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY cannot be used: ")


def test_another_service_at_that_url_is_noticed() -> None:
    with serving(app_without_cors()) as url:
        is_well, failures = run_smoke_test(url)

    assert not is_well
    assert len(failures) == 4


def test_an_api_that_allows_every_origin_is_named(make_settings: MakeSettings) -> None:
    app = create_app(make_settings())
    app.add_middleware(CORSMiddleware, allow_origin_regex=".*", allow_credentials=True, allow_methods=["*"])

    with serving(app) as url:
        is_well, failures = run_smoke_test(url)

    assert not is_well
    assert f"A {smoke.FOREIGN_ORIGIN} may call" in failures


def test_nothing_at_that_url_is_a_failure_and_no_traceback() -> None:
    is_well, failures = run_smoke_test("http://127.0.0.1:1")

    assert not is_well
    assert len(failures) == len(smoke.CHECKS)


def test_the_command_takes_a_url_and_an_origin(capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke.main([]) == 2
    assert "Usage" in capsys.readouterr().err
