"""Runs `pip install`, and shows how far it is."""

import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

POLL_SECONDS = 0.2
SECONDS_BETWEEN_LINES = 10.0
"""Where the output is no terminal, and a line that is written stays."""
PACKAGE = re.compile(r"^[A-Za-z0-9][\w.\[\]-]*==[^;\n]*$", re.MULTILINE)
"""A line of a lock file that holds on every system."""


class RefusedByPip(Exception):
    """pip has failed. The message is its reason."""


class Progress:
    """One line that moves on a terminal; elsewhere a line every ten seconds."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._is_terminal = output.isatty() and os.environ.get("TERM") != "dumb"
        self._started = self._shown = time.monotonic()

    def show(self, step: str) -> None:
        """Say what is being done; outside a terminal not more often than every ten seconds."""
        now = time.monotonic()
        line = f"  {step} ({now - self._started:.0f} s)"
        if self._is_terminal:
            self._output.write(f"\r\033[K{line}")
        elif now - self._shown >= SECONDS_BETWEEN_LINES:
            self._shown = now
            self._output.write(f"{line}\n")
        self._output.flush()

    def end(self) -> None:
        """Leave the line empty for what comes next."""
        if self._is_terminal:
            self._output.write("\r\033[K")
            self._output.flush()


def pip_install(python: Path, lock_files: Sequence[Path], *options: str) -> None:
    """Install exactly the packages of these files into the environment of `python`.

    Without bytecode: Python writes what it needs when it first imports it, which is a fraction of all.

    :raises RefusedByPip: it failed
    """
    command: list[str | Path] = [
        python,
        "-I",
        "-m",
        "pip",
        "install",
        "--no-user",
        "--no-input",
        "--no-compile",
        "--require-hashes",
    ]
    command += ["--no-deps", "--disable-pip-version-check", "--no-color", "--progress-bar=off", *options]
    command += [f"--requirement={file}" for file in lock_files]
    total = len({package for file in lock_files for package in PACKAGE.findall(file.read_text())})  # some are in two
    progress = Progress(sys.stderr)  # stdout may be what the person keeps: make invoke EVENT=… > answer
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        try:
            output = _follow(pip, progress, total)
        except BaseException:
            pip.terminate()  # after a Ctrl-C it is ending already; a SIGTERM has reached this process alone
            raise
        finally:
            progress.end()
    if pip.returncode != 0:
        raise RefusedByPip(reason(output))


def reason(output: Sequence[str]) -> str:
    """The line of pip's output that says why it failed."""
    said = [line.strip() for line in output if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in said if line.startswith("ERROR:")]
    network = [line.partition("broken by ")[2] for line in said if "broken by " in line]
    return (errors or said or ["nothing"])[0 if errors else -1].rstrip(".") + (f" ({network[-1]})" if network else "")


def _follow(pip: subprocess.Popen[str], progress: Progress, total: int) -> list[str]:
    """Show how far pip is until it ends. Returns what it has printed."""
    assert pip.stdout is not None
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    stdout = pip.stdout

    def read() -> None:
        for line in stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    output: list[str] = []
    collected, step = 0, "asking for the packages"
    while True:
        try:
            line = lines.get(timeout=POLL_SECONDS)
        except queue.Empty:
            line = ""
        if line is None:
            return output
        if line:
            output.append(line)
        if line.startswith(("Collecting ", "Requirement already satisfied")):
            collected += 1
            step = f"{collected} of {max(total, collected)} packages"
        elif line.startswith("Installing collected packages"):
            step = f"unpacking {collected} packages"
        progress.show(step)
