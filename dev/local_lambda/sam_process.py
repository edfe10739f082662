"""Runs the SAM CLI so that nothing of it is left behind, also when the process that wants it is killed.

`run` starts this module as a process of its own, which has the secrets: it reads them from standard input, writes them
to files for SAM, and stays until SAM has ended. SAM ends by itself, or because standard input was closed. Then files
and containers are removed. SAM itself would leave its container at SIGTERM.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from dev.guardian import Guarded
from dev.local_lambda.engine import Engine
from dev.paths import CHECKOUT


@dataclass(frozen=True)
class Job:
    """A command of SAM, with the files that it reads."""

    command: Sequence[str]
    files: Mapping[str, Any] = field(default_factory=dict)
    """The content of a JSON file by the option that names the file."""
    options: Sequence[str] = ()
    """The developer's own options. They come last, so they win."""
    socket: str | None = None
    """The engine from which SAM's containers are removed afterwards."""
    mark: str = ""
    """The environment variable, `NAME=value`, by which these containers are known."""


def run(job: Job, output: IO[str] | None = None) -> int:
    """Run the command to its end. Returns its exit code.

    :param output: a file for what SAM prints, in place of standard output and standard error
    """
    variables = {"SAM_CLI_TELEMETRY": "0", **os.environ}
    if job.socket:
        variables["DOCKER_HOST"] = f"unix://{job.socket}"
    process = subprocess.Popen(
        [sys.executable, "-m", "dev.local_lambda.sam_process"],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        text=True,
        cwd=CHECKOUT,
        env=variables,
        start_new_session=True,  # Ctrl-C must not reach it: it still has to clean up
    )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(asdict(job)) + "\n")
        process.stdin.flush()
        return process.wait()
    finally:
        process.stdin.close()
        process.wait()


def main() -> int:
    """Run the command that standard input describes, and remove what it leaves. Returns its exit code."""
    job = Job(**json.loads(sys.stdin.readline()))
    with TemporaryDirectory(prefix="todo-api-sam-") as folder:
        command = list(job.command)
        for option, content in job.files.items():
            path = Path(folder, f"{option.strip('-')}.json")
            path.write_text(json.dumps(content))
            command += [option, str(path)]
        code = Guarded([*command, *job.options], is_group=True).wait()
    if job.socket:
        with suppress(OSError, HTTPException):  # the engine was stopped, and its containers with it
            Engine(Path(job.socket)).remove_containers(job.mark)
    return code


if __name__ == "__main__":
    sys.exit(main())
