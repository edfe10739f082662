"""`python -m dev.local_lambda.sam` with stand-ins for the SAM CLI and for the container engine.

tests/dev/test_sam_containers.py has real ones.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.postgres.url import DatabaseUrl
from dev.local_lambda import sam, sam_bundle
from dev.local_lambda.sam import IMAGE, from_container
from dev.paths import CHECKOUT
from tests.support.checkout_copy import copied_checkout
from tests.support.fake_engine import BRIDGE, fake_engine
from tests.support.fake_sam import SECONDS, Developer
from tests.support.processes import free_port, is_running

linux = pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for the engine is one on Linux")


@pytest.fixture
def developer() -> Iterator[Developer]:
    with copied_checkout() as copy, fake_engine(copy.temporary) as engine:
        engine.images.add(IMAGE)
        yield Developer(copy, engine)


def wait_until_gone(pid: int, folder: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while is_running(pid) or folder.exists():
        assert time.monotonic() < deadline, "something is left"
        time.sleep(0.05)


@linux
@pytest.mark.long
class TestInvoke:
    def test_sam_gets_the_filled_event_and_a_database_that_answers(self, developer: Developer) -> None:
        ran = developer.run("invoke", "events/list-tasks.json", "--debug")

        assert ran.returncode == 0, ran.stderr
        seen = developer.seen()
        assert seen["arguments"][:3] == ["local", "invoke", "ApiFunction"]
        assert seen["arguments"][-1] == "--debug"  # the developer's options come last
        assert f"host.docker.internal:{BRIDGE}" in seen["arguments"]
        assert seen["database"] == "N"  # PostgreSQL's answer to the question for TLS
        assert "<" not in seen["--event"]["headers"]["authorization"]
        # FRONTEND_URL is the template's, from its parameter, so that the function and the gateway agree.
        assert set(seen["--env-vars"]["ApiFunction"]) == {"DATABASE_URL", "BETTER_AUTH_SECRET"}
        assert "FrontendUrl=http://localhost:3000" in seen["arguments"]

    def test_nothing_is_left_behind(self, developer: Developer) -> None:
        developer.engine.containers["another's"] = ["DATABASE_URL=postgresql://another"]

        developer.run("invoke", "events/list-tasks.json")

        assert not Path(developer.seen()["folder"]).exists()
        assert set(developer.engine.containers) == {"another's"}
        assert not list(developer.copy.temporary.glob("todo-api-*"))
        assert [path.name for path in (developer.copy.folder / ".data").iterdir()] == ["sam-build.lock"]

    def test_the_bundle_is_built_when_something_has_changed(self, developer: Developer) -> None:
        source = developer.copy.folder / "backend" / "errors.py"
        first = developer.run("invoke", "events/info.json")
        second = developer.run("invoke", "events/info.json")
        source.write_text(source.read_text() + "# changed\n")
        third = developer.run("invoke", "events/info.json")

        assert "Building the bundle, which takes about half a minute: there is none" in first.stderr
        assert "Building" not in second.stderr
        assert "half a minute: backend/errors.py has changed" in third.stderr
        assert developer.builds() == 2

    def test_a_bundle_that_cannot_be_built_stops_it_with_the_reason(self, developer: Developer) -> None:
        ran = developer.run("invoke", "events/info.json", FAKE_BUILD_FAILS="Bundle: it is too large")

        assert ran.returncode == 1
        assert ran.stderr.splitlines()[1:] == ["The bundle cannot be built: it is too large"]

    def test_an_image_that_cannot_be_fetched_is_explained(self, developer: Developer) -> None:
        developer.engine.images.clear()

        ran = developer.run("invoke", "events/info.json", FAKE_SAM_FAILS="1")

        assert ran.returncode == 1
        assert "Lambda's image is not on this machine, and could not be fetched" in ran.stderr
        assert "--skip-pull-image" not in developer.seen()["arguments"]

    def test_sam_s_failure_is_the_command_s(self, developer: Developer) -> None:
        ran = developer.run("invoke", "events/info.json", FAKE_SAM_FAILS="3")

        assert ran.returncode == 3
        assert "Lambda's image" not in ran.stderr
        assert "--skip-pull-image" in developer.seen()["arguments"]


@linux
@pytest.mark.long
class TestStartApi:
    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    def test_leaves_nothing_when_it_is_stopped(self, developer: Developer, how: signal.Signals) -> None:
        process = developer.start("start-api", "--port", free_port())
        seen = developer.seen()
        assert Path(seen["folder"]).stat().st_mode & 0o077 == 0  # it has the secrets

        # Ctrl-C reaches every process of the terminal.
        (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
        output, errors = process.communicate(timeout=SECONDS)

        wait_until_gone(seen["pid"], Path(seen["folder"]))
        assert developer.engine.containers == {}
        assert process.returncode == (-how if how == signal.SIGKILL else 0), errors
        assert "Traceback" not in output + errors

    def test_two_run_at_once_each_with_its_own_data(self, developer: Developer) -> None:
        first = developer.start("start-api", "--port", free_port())
        one = developer.seen()["--env-vars"]["ApiFunction"]["DATABASE_URL"]
        developer.report.unlink()
        port = free_port()
        second = developer.start("start-api", "-p", port)
        other = developer.seen()["--env-vars"]["ApiFunction"]["DATABASE_URL"]

        for process in (first, second):
            process.terminate()
            process.communicate(timeout=SECONDS)

        assert DatabaseUrl.parse(one, sam_local=True).port != DatabaseUrl.parse(other, sam_local=True).port
        assert (developer.copy.folder / ".data" / f"postgres-{port}").exists()

    def test_its_origins_are_those_of_make_start(self, developer: Developer) -> None:
        (developer.copy.folder / ".env").write_text("FRONTEND_URL=http://localhost:5173/, http://127.0.0.1:5173\n")
        process = developer.start("start-api", "--port", free_port())

        arguments = developer.seen()["arguments"]
        process.terminate()
        process.communicate(timeout=SECONDS)

        assert "FrontendUrl=http://localhost:5173,http://127.0.0.1:5173" in arguments
        assert arguments[:4] == ["local", "start-api", "--port", "3001"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Usage: python -m dev.local_lambda.sam invoke"),
        (["invoke"], "Usage: "),
        (["invoke", "--debug", "events/info.json"], "Usage: "),
        (["invoke", "events/nothing.json"], "There is no events/nothing.json; there are events/"),
        (["start-api", "--port", "many"], "--port must be a number from 1 to 65535, e.g. --port 3002"),
    ],
)
def test_a_wrong_command_is_one_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sam.main(arguments) == 1

    errors = capsys.readouterr().err
    assert errors.startswith(message)
    assert errors.count("\n") == 1


def test_a_port_in_use_is_refused_before_anything_starts(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        assert sam.main(["start-api", f"-p{port}"]) == 1

    assert capsys.readouterr().err == (
        f"Port {port} of 127.0.0.1 cannot be used (Address already in use); --port names another\n"
    )


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "Make Failed: Bundle: Python 3.13 is needed; make build PYTHON=/path/to/python3.13 names one\nmake: ***",
            "The bundle cannot be built: Python 3.13 is needed; PYTHON=… before this command names one",
        ),
        ("Building\nError: no such template\n\n", "The bundle cannot be built: Error: no such template"),
        ("", "The bundle cannot be built: SAM gives no reason"),
    ],
)
def test_a_failed_build_is_one_sentence(output: str, message: str) -> None:
    assert sam_bundle._failure(output) == message


def test_the_advice_to_name_a_python_is_the_makefile_s() -> None:
    assert sam_bundle.NAME_A_PYTHON.removeprefix("make build ") in (CHECKOUT / "Makefile").read_text()


def test_a_missing_sam_cli_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sam, "CHECKOUT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert sam.main(["invoke", str(CHECKOUT / "events/info.json")]) == 1

    assert capsys.readouterr().err == "The SAM CLI is not installed: `make .venv-sam/installed` installs it\n"


def test_a_container_s_connection_string_leads_to_this_machine() -> None:
    url = from_container("postgresql://todo_api:p%40ss@127.0.0.1:54321/todo", 5999)

    assert url == "postgresql://todo_api:p%40ss@host.docker.internal:5999/todo?sslmode=disable"
    assert DatabaseUrl.parse(url, sam_local=True).tls_context() is None
