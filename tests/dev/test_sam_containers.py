"""`sam local` for real: the SAM CLI, a container engine, Lambda's image, and a page in Chromium.

With an engine that has no image of AWS's, any image of that name will do which has Python 3.13 and awslambdaric. Such a
stand-in tests SAM, the engine, the network and the bundle, but not AWS's image. tests/dev/test_sam_local.py has tests
that need no engine.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from dev.bundle.target import PYTHON
from dev.local_lambda.engine import Engine
from dev.local_lambda.sam import IMAGE
from dev.paths import CHECKOUT
from dev.user_error import UserError
from tests.frontend.conftest import chromium, frontend  # noqa: F401  # fixtures
from tests.frontend.host import serve_frontend
from tests.frontend.toolchain import run_script
from tests.support.missing import skip_or_fail
from tests.support.processes import free_port, is_running
from tests.support.sample_events import BODIES, EVENT_FILES, STATUSES

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
COMMAND = [sys.executable, "-m", "dev.local_lambda.sam"]
SECONDS = 300
NO_ENGINE = "SAM LOCAL IS NOT RUN FOR REAL: {reason}"


@pytest.fixture
def engine() -> Engine:
    """The engine of this machine. Continuous integration may have none: there is no engine in a container."""
    if sys.version_info[:2] != PYTHON:
        pytest.skip("only Python 3.13 can make the bundle")
    if not (CHECKOUT / ".venv-sam" / "bin" / "sam").exists():
        skip_or_fail("The SAM CLI is missing (make .venv-sam/installed): SAM LOCAL IS NOT TESTED")
    try:
        engine = Engine.find()
        engine.address_of_this_machine()
    except UserError as error:
        pytest.skip(NO_ENGINE.format(reason=error))
    if not engine.has_image(IMAGE) and not os.environ.get("CI"):
        pytest.skip(NO_ENGINE.format(reason=f"docker pull {IMAGE}"))
    return engine


class StartApi:
    """A running `start-api`."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.port, self.log = free_port(), folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "start-api", "--port", self.port],
                stdout=log,
                stderr=log,
                cwd=CHECKOUT,
                env={**os.environ, "TMPDIR": str(folder)} | variables,
                start_new_session=True,
            )
        deadline = time.monotonic() + SECONDS
        while "Running on" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def descendants(self) -> set[int]:
        """The processes that it has started, and they."""
        listed = subprocess.run(["ps", "-eo", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
        parents = {int(pid): int(parent) for pid, parent in map(str.split, listed.splitlines())}
        found = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found


Start = Callable[..., StartApi]


@pytest.fixture
def start(engine: Engine, tmp_path: Path) -> Iterator[Start]:
    started: list[StartApi] = []

    def start(**variables: str) -> StartApi:
        tmp_path.chmod(0o711)
        started.append(StartApi(tmp_path, **variables))
        return started[-1]

    yield start
    for api in started:
        api.process.terminate()
        api.process.wait(SECONDS)


@pytest.mark.spec("SC-001", "SC-002", "SC-003", "SC-004", "SC-005", "SC-017")
def test_every_event_gets_its_answer_by_sam_local_invoke(engine: Engine) -> None:
    for path in EVENT_FILES:
        ran = subprocess.run(
            [*COMMAND, "invoke", str(path)], check=False, capture_output=True, text=True, cwd=CHECKOUT, timeout=SECONDS
        )

        assert ran.returncode == 0, f"{path.stem}: {ran.stderr}"
        answer = json.loads(ran.stdout)
        assert answer.get("statusCode") == STATUSES[path.stem], f"{path.stem}: {answer}"
        if path.stem in BODIES:
            assert json.loads(answer["body"]).items() >= BODIES[path.stem].items()


@pytest.mark.spec("NFR-024", "NFR-027", "FR-034", "FR-035", "FR-039")
def test_a_page_in_a_browser_uses_start_api(
    start: Start,
    frontend: Path,  # noqa: F811
    chromium: dict[str, str],  # noqa: F811
) -> None:
    with serve_frontend(frontend) as origin:
        api = start(FRONTEND_URL=origin)

        seen = run_script(frontend, "in_browser.mjs", "session", {"api": api.url, "frontend": origin}, **chromium)

    assert seen["etag"] == '"1"'
    assert seen["tasks"] == [["Water the plants", True]]
    assert {int(status): answer["status"] for status, answer in seen["refused"].items()} == {
        status: status for status in (404, 405, 412, 422)
    }
    assert all(answer["detail"] and answer["requestId"] for answer in seen["refused"].values())
    assert (seen["removed"], seen["afterwards"]["status"]) == ({"status": 204}, 401)


@pytest.mark.spec("NFR-024")
def test_a_foreign_origin_gets_no_cors_headers(start: Start) -> None:
    api = start()
    asked = {"Origin": "https://foreign.example", "Access-Control-Request-Method": "POST"}

    with httpx2.Client(base_url=api.url, trust_env=False, timeout=SECONDS) as http:
        answers = [http.options("/api/tasks", headers=asked), http.get("/", headers=asked)]

    assert [answer.headers.get("access-control-allow-origin") for answer in answers] == [None, None]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_start_api_leaves_no_process_container_or_file(
    start: Start, engine: Engine, tmp_path: Path, how: signal.Signals
) -> None:
    api = start()
    processes, containers = api.descendants(), set(engine._of_sam())
    [secrets] = tmp_path.glob("todo-api-sam-*")
    assert containers

    api.process.send_signal(how)
    api.process.wait(SECONDS)

    deadline = time.monotonic() + SECONDS
    while any(map(is_running, processes)) or containers & set(engine._of_sam()) or secrets.exists():
        assert time.monotonic() < deadline, "something is left"
        time.sleep(0.2)
