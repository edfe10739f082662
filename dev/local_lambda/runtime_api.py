"""Runs the function in a process like a Lambda instance: in AWS's runtime client, without Docker.

The client, awslambdaric, asks this module's server for the next event and posts the answer to it, as it does with
Lambda's Runtime API: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. An instance handles one event at a
time.
"""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from dev.local_lambda.loopback import Endpoint, LoopbackServer
from dev.user_error import UserError

FUNCTION = "todo-api-local"
FUNCTION_ARN = f"arn:aws:lambda:eu-central-1:000000000000:function:{FUNCTION}:live"
INIT_SECONDS = 60
TIMEOUT_SECONDS = 30
MEMORY_MB = 1769


@dataclass(frozen=True)
class Answer:
    """The result of an invocation: `value` is what the handler returned, `error` describes what it raised."""

    value: Any = None
    error: Any = None


class InitFailed(UserError):
    """The function failed before it could take events. The text contains the last line that it printed."""


class LambdaInstance:
    """A running function instance, from construction to `close()`.

    :param root: the folder with the code, like /var/task
    :param environment: the function's environment variables. It inherits none of ours but PATH
    :param handler: the handler as template.yaml names it
    :param python: the command that runs Python, before `-m` and the client
    :param path: more folders to import from
    :param client: the module that is the runtime client
    :param inside: a folder for the instance's own one, for a caller that removes everything in it
    :param snap_start: wait before the first event, where Lambda would take the snapshot, until `restore()`
    :raises InitFailed: it does not start
    """

    def __init__(
        self,
        root: Path,
        environment: Mapping[str, str],
        *,
        handler: str = "backend.main.handler",
        python: Sequence[str] = (sys.executable,),
        path: Sequence[Path] = (),
        client: str = "awslambdaric",
        inside: Path | None = None,
        snap_start: bool = False,
    ) -> None:
        self._api = _RuntimeApi()
        self._directory = tempfile.TemporaryDirectory(prefix="todo-api-lambda-", dir=inside)  # has no `.env`
        self._log = Path(self._directory.name, "log")  # not a pipe: a full one would block the function
        variables = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": os.pathsep.join(map(str, (root, *path))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MB),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start" if snap_start else "on-demand",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_REGION": "eu-central-1",
            "LAMBDA_TASK_ROOT": str(root),
            **environment,
        }
        started = time.perf_counter()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*python, "-m", client, handler],
                env=variables,
                cwd=self._directory.name,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_until(self._api.is_ready)
        except BaseException:
            self.close()
            raise
        self.init_seconds = time.perf_counter() - started

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def invoke(self, event: object) -> Answer:
        """Send one event to the function and wait for the answer.

        :raises UserError: the process ended, or there is no answer within `TIMEOUT_SECONDS`
        """
        answers = self._api.submit(event)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            try:
                return answers.get(timeout=0.1)
            except queue.Empty:
                if self.process.poll() is not None:
                    raise UserError(f"The function ended: {self._last_line()}") from None
        raise UserError(f"The function timed out after {TIMEOUT_SECONDS} seconds")

    def restore(self) -> None:
        """Continue after the snapshot, as a restored instance does.

        :raises InitFailed: a restore hook of the function failed
        """
        self._api.is_ready.clear()
        self._api.is_restored.set()
        self._wait_until(self._api.is_ready)

    def log(self) -> str:
        """What the function has printed so far."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """Stop the function's process and the Runtime API."""
        self.process.terminate()
        self.process.wait(10)
        self._api.shutdown()
        self._api.server_close()
        self._directory.cleanup()

    def _wait_until(self, is_set: threading.Event) -> None:
        deadline = time.monotonic() + INIT_SECONDS
        while not is_set.wait(0.005):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise InitFailed(f"The function does not start: {self._last_line()}")
        if self._api.init_error is not None:
            raise InitFailed(f"The function does not start: {self._api.init_error.get('errorMessage')}")

    def _last_line(self) -> str:
        lines = [line for line in self.log().splitlines() if line.strip()] or ["it prints nothing"]
        try:
            return str(json.loads(lines[-1])["message"])
        except (ValueError, KeyError, TypeError):
            return lines[-1]


class _RuntimeApi(LoopbackServer):
    """The server that stands in for Lambda's Runtime API."""

    def __init__(self) -> None:
        super().__init__(_Endpoint)
        self.events: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.answers: dict[str, queue.Queue[Answer]] = {}
        self.is_ready, self.is_restored = threading.Event(), threading.Event()
        self.init_error: dict[str, Any] | None = None
        self.start()

    def submit(self, event: object) -> queue.Queue[Answer]:
        """Queue an event for the function. Returns the queue that will receive its answer."""
        invocation = str(uuid4())
        answers: queue.Queue[Answer] = queue.Queue()
        self.answers[invocation] = answers
        self.events.put((invocation, json.dumps(event).encode()))
        return answers


class _Endpoint(Endpoint):
    server: _RuntimeApi

    def do_GET(self) -> None:  # noqa: N802  # the name is http.server's
        """Answer `/runtime/invocation/next`, and `/runtime/restore/next`, where Lambda would take the snapshot."""
        self.server.is_ready.set()
        if self.path.endswith("/restore/next"):
            self.server.is_restored.wait()
            self._reply(200)
            return
        invocation, event = self.server.events.get()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + TIMEOUT_SECONDS) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": FUNCTION_ARN,
        }
        self._reply(200, event, headers)

    def do_POST(self) -> None:  # noqa: N802
        """Take the result of an invocation, or an error of the start or of a restore."""
        body = json.loads(self._body() or b"null")
        self._reply(202, b"{}")
        *_, kind, subject, outcome = self.path.split("/")
        if kind == "runtime":  # init or restore
            self.server.init_error = body
            self.server.is_ready.set()
        else:
            answer = Answer(error=body) if outcome == "error" else Answer(value=body)
            self.server.answers.pop(subject).put(answer)

    def _reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Content-Length"):
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):  # chunked
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body
