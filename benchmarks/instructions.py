"""Counts the CPU instructions of a warm request, on Lambda's path and on the server's.

valgrind's callgrind counts the instructions of a process, the libraries in C included. They are the same in every run,
whatever else the machine does. It counts only while it is switched on, so the start of the process is not in the count.
"""

import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accounts import TASKS_PER_CLIENT
from benchmarks.cold_start import NO_VALGRIND
from benchmarks.drivers import Driver
from benchmarks.invocations import ANSWERED
from benchmarks.measure import Finding, Section
from benchmarks.server import APPLICATIONS, SERVER_MODULE, child_environment, environment
from benchmarks.testbed import Application, Testbed
from dev.local_lambda.events import http_event

MOST_MILLIONS_ON_LAMBDA, MOST_MILLIONS_ON_A_SERVER = 9.5, 3.3
LAMBDA, SERVER = "Lambda, TLS", "server, pool"
UNCOUNTED_REQUESTS = 5
"""They fill what later requests use again: compiled SQL, the key that SCRAM derives, the pool."""
COLLECTED = re.compile(r"Collected *: *(\d+)")
START_SECONDS = 120
STOP_SECONDS = 30

Ask = Callable[[int], None]
"""Sends so many requests, one after the other."""


@dataclass
class Counted:
    """A process under callgrind, which does not count until it is told."""

    process: subprocess.Popen[str]
    log: Path

    def switch(self, on: bool) -> None:
        """Begin or stop counting."""
        command = ["callgrind_control", "-i", "on" if on else "off", str(self.process.pid)]
        subprocess.run(command, check=True, capture_output=True, timeout=START_SECONDS)

    def stop(self) -> int:
        """End the process. Gives the instructions that were counted."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait(STOP_SECONDS)
        return collected(self.log.read_text())


def measure(testbed: Testbed, log_progress: Callable[[str], None]) -> Section:
    """Count on both paths."""
    title, columns = "CPU of a warm request", ("path", "instructions of one request")
    if not shutil.which("valgrind"):
        log_progress(NO_VALGRIND)
        return Section(title, NO_VALGRIND, columns, [])
    requests = testbed.budget.counted_requests
    stock = testbed.peers[Driver.PG8000_ONE_TLS_CONTEXT]
    log_progress("instructions: counting those of warm requests (half a minute)")
    with ThreadPoolExecutor(2) as counters:  # as many as there are cores
        waiting = {
            SERVER: counters.submit(count_on_server, testbed, requests),
            **{
                f"{LAMBDA}{suffix}": counters.submit(count_on_lambda, testbed, application, requests)
                for application, suffix in ((testbed.ours, ""), (stock, f" ({stock.name})"))
            },
        }
        counts = {name: each.result() / 1e6 for name, each in waiting.items()}
    for name, millions in counts.items():
        log_progress(f"instructions, {name}: {millions:.2f} million")
    findings = [
        Finding.at_most(f"list of {TASKS_PER_CLIENT}, millions of instructions, {name}", counts[name], most, reason=why)
        for name, most, why in (
            (LAMBDA, MOST_MILLIONS_ON_LAMBDA, "more than half of them are OpenSSL's, for the handshake"),
            (SERVER, MOST_MILLIONS_ON_A_SERVER, "libraries take most of them: uvicorn with h11, FastAPI, SQLAlchemy"),
        )
    ]
    return Section(
        title,
        f"`GET /api/tasks` with {TASKS_PER_CLIENT} tasks. On Lambda's path each request to the handler has a new"
        " connection through PgBouncer (TLS 1.3 and SCRAM). The server is uvicorn with a pool, directly to PostgreSQL,"
        " and its client keeps its connection. callgrind counts the instructions of the application's"
        f" process, its access log included: the mean of {requests} requests behind {UNCOUNTED_REQUESTS} that are not"
        " counted. What PostgreSQL, PgBouncer and the kernel do is not in it.",
        columns,
        [(name, f"{millions:.2f} million") for name, millions in counts.items()],
        findings,
    )


def count_on_lambda(testbed: Testbed, application: Application, requests: int) -> float:
    """The instructions of one request to the handler, with a new connection."""
    event = http_event("GET", "/api/tasks", headers=testbed.accounts.readers[0].headers)
    variables = environment(testbed.through_pooler(application))
    arguments = ["benchmarks.invocations", application.deployed_handler]
    with _counted(arguments, variables, stdout=subprocess.PIPE) as counted:
        to_process, from_process = counted.process.stdin, counted.process.stdout
        assert to_process is not None
        assert from_process is not None
        to_process.write(f"{json.dumps(event)}\n")

        def ask(count: int) -> None:
            to_process.write(f"{count}\n")
            to_process.flush()
            printed: list[str] = []
            while not printed or printed[-1] != f"{ANSWERED}\n":  # before it come the lines of the access log
                printed.append(from_process.readline())
                assert printed[-1], f"the function has ended: {printed}"

        return _count(counted, ask, requests)


def count_on_server(testbed: Testbed, requests: int) -> float:
    """The instructions of one request to uvicorn."""
    account = testbed.accounts.readers[0]
    variables = environment(testbed.with_pool(testbed.ours))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        arguments = [SERVER_MODULE, APPLICATIONS[testbed.ours.name], str(listening.fileno())]
        with _counted(arguments, variables, stdout=subprocess.DEVNULL, pass_fds=[listening.fileno()]) as counted:
            client = http.client.HTTPConnection("127.0.0.1", listening.getsockname()[1], timeout=START_SECONDS)

            def ask(count: int) -> None:
                for _ in range(count):
                    client.request("GET", "/api/tasks", headers=account.headers)
                    answer = client.getresponse()
                    assert (answer.status, len(json.loads(answer.read()))) == (200, TASKS_PER_CLIENT)

            try:
                return _count(counted, ask, requests)
            finally:
                client.close()


def collected(log: str) -> int:
    """The instructions that callgrind has counted, from its log.

    :raises ValueError: there are none; with the log, which says why
    """
    found = [int(count) for count in COLLECTED.findall(log)]
    if not found or not found[-1]:
        raise ValueError(f"callgrind has counted nothing: {log}")
    return found[-1]


@contextmanager
def _counted(
    arguments: Sequence[str], variables: Mapping[str, str], *, stdout: int, pass_fds: Sequence[int] = ()
) -> Iterator[Counted]:
    """Run a module of Python under callgrind, which does not count yet. The process is killed when the block ends."""
    with tempfile.TemporaryDirectory(prefix="todo-api-callgrind-") as directory:
        log = Path(directory, "log")
        valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]
        with subprocess.Popen(
            [*valgrind, f"--log-file={log}", sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE,  # closed when this process ends, even if it is killed; then the other one ends too
            stdout=stdout,
            text=True,
            pass_fds=pass_fds,
            cwd=directory,  # has no `.env`
            env={**child_environment(variables), "PYTHONHASHSEED": "0"},
        ) as process:
            try:
                yield Counted(process, log)
            finally:
                process.kill()


def _count(counted: Counted, ask: Ask, requests: int) -> float:
    ask(UNCOUNTED_REQUESTS)
    counted.switch(on=True)
    ask(requests)
    counted.switch(on=False)
    return counted.stop() / requests
