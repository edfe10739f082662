"""A copy of this checkout in which a developer's commands run, without its data and without its `.env`."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dev.paths import CHECKOUT

PARTS = ("backend", "dev", "events", "requirements", "requirements.txt", "template.yaml", "pyproject.toml")


class CheckoutCopy:
    """A copy in `folder`. Programs that are put into `programs` are found before the system's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs, self.temporary = folder, folder / "programs", folder / "tmp"
        for made in (self.programs, self.temporary):
            made.mkdir()
            made.chmod(0o711)  # root's PostgreSQL runs as the account `nobody`, which has to enter
        for part in PARTS:
            source = CHECKOUT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy
            options: dict[str, Any] = {"ignore": shutil.ignore_patterns("__pycache__", ".*")} if source.is_dir() else {}
            copy(source, folder / part, **options)

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """Start `python -m` with these arguments, and with these environment variables only."""
        environment = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "HOME": str(self.temporary),
            "TMPDIR": str(self.temporary),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=environment | variables,
            start_new_session=True,  # so that a test can interrupt all of it, as Ctrl-C does
        )

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run it to its end."""
        process = self.start(*arguments, **variables)
        try:
            output, errors = process.communicate(timeout=100)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def write_program(self, name: str, text: str) -> None:
        """Put a program there. It is written in Python."""
        path = self.programs / name
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(0o755)


@contextmanager
def copied_checkout() -> Iterator[CheckoutCopy]:
    """A copy that is removed after the block."""
    with tempfile.TemporaryDirectory(prefix="todo-test-") as path:
        Path(path).chmod(0o711)
        yield CheckoutCopy(Path(path))
