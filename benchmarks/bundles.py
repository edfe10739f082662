"""The deployed folder as `make build` makes it, and as SAM's default builder would, both for this machine.

They are like Lambda's /var/task: every file of 1980, and nobody may write bytecode into them.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.bundle.assemble import ZIP_EPOCH_SECONDS
from dev.bundle.target import PYTHON, Architecture
from dev.paths import CHECKOUT
from dev.user_error import UserError
from tests.aws.conftest import RUNTIME

STACK_ALONE = "import fastapi, mangum, sqlmodel, pg8000"
ARCHITECTURE = Architecture.named("x86_64")
CAN_RUN_HERE = sys.version_info[:2] == PYTHON and sysconfig.get_platform() == "linux-x86_64"
NO_SOURCES = shutil.ignore_patterns("__pycache__", "node_modules")


class Bundles:
    """Both folders, and what a function needs besides; they are being made until `wait()` returns.

    :param directory: where to make them
    :raises UserError: this machine cannot run what Lambda runs
    """

    def __init__(self, directory: Path) -> None:
        if not CAN_RUN_HERE:
            raise UserError("only Python 3.13 on Linux x86_64 can run the bundle")
        self.ours, self.usual = directory / "ours", directory / "usual"
        self.runtime, self.stack_alone = directory / "runtime", directory / "stack_alone"
        self._errors = directory / "errors"
        programs = (["dev.bundle", f"--into={self.ours}"], ["pip", *_as_sam_does(self.usual)])
        with self._errors.open("ab") as errors:
            self._builders = [
                subprocess.Popen([sys.executable, "-m", *each], cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=errors)
                for each in programs
            ]

    def wait(self) -> None:
        """Wait until they are complete.

        :raises UserError: one cannot be made
        """
        if any(builder.wait() for builder in self._builders):
            said = self._errors.read_text().splitlines() or ["no reason given"]
            raise UserError(f"a bundle cannot be made: {said[-1]}")
        for part in ("backend", "dev", "tests", "events"):
            shutil.copytree(CHECKOUT / part, self.usual / part, ignore=NO_SOURCES)
        for path in self.usual.rglob("*"):
            os.utime(path, (ZIP_EPOCH_SECONDS, ZIP_EPOCH_SECONDS))
        _link_runtime(self.runtime)
        self.stack_alone.mkdir()
        function = f"{STACK_ALONE}\ndef handler(event, context):\n    return {{'statusCode': 200}}\n"
        (self.stack_alone / "function.py").write_text(function)

    def close(self) -> None:
        """End what is still being made."""
        for builder in self._builders:
            builder.kill()
            builder.wait()

    def files(self) -> set[Path]:
        """All of them: a function that writes one would make the next start cheaper."""
        return {*self.ours.rglob("*"), *self.usual.rglob("*")}

    def zipped_bytes(self) -> int:
        """What is uploaded of ours."""
        return Path(shutil.make_archive(str(self.ours), "zip", self.ours)).stat().st_size


@contextmanager
def bundles_in_the_making() -> Iterator[Bundles]:
    """Begin to make them, for the block.

    :raises UserError: this machine cannot run what Lambda runs
    """
    with tempfile.TemporaryDirectory(prefix="todo-api-bundles-") as directory:
        bundles = Bundles(Path(directory))
        try:
            yield bundles
        finally:
            bundles.close()


def _as_sam_does(folder: Path) -> list[str]:
    """The default builder with `CodeUri: .`: the packages and all sources, no bytecode."""
    options = ["install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore", "--no-deps"]
    requirements = str(CHECKOUT / "requirements.txt")
    return [*options, "--no-compile", f"--target={folder}", "--requirement", requirements, *ARCHITECTURE.pip_options]


def _link_runtime(folder: Path) -> None:
    folder.mkdir()
    for pattern in RUNTIME:
        for found in Path(sysconfig.get_path("purelib")).glob(pattern):
            (folder / found.name).symlink_to(found)
