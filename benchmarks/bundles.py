"""Builds the folder that Lambda runs, once as `make build` does and once as SAM's default builder would.

Both are like Lambda's /var/task: all file times are of 1980, and functions cannot write bytecode into them.
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

LIBRARIES_ALONE = "import fastapi, mangum, sqlmodel, pg8000"
ARCHITECTURE = Architecture.named("x86_64")
CAN_RUN_HERE = sys.version_info[:2] == PYTHON and sysconfig.get_platform() == "linux-x86_64"
NO_SOURCES = shutil.ignore_patterns("__pycache__", "node_modules")


class Bundles:
    """Both folders, and the folders that a function needs besides. They are complete when `wait()` has returned.

    :param directory: the folder to build them in
    :raises UserError: this machine cannot run Lambda's Python and processor
    """

    def __init__(self, directory: Path) -> None:
        if not CAN_RUN_HERE:
            raise UserError("only Python 3.13 on Linux x86_64 can run the bundle")
        self.ours, self.sam_default = directory / "ours", directory / "sam_default"
        self.runtime, self.libraries_alone = directory / "runtime", directory / "libraries_alone"
        self._errors = directory / "errors"
        builds = (["dev.bundle", f"--into={self.ours}"], ["pip", *_sam_default_command(self.sam_default)])
        with self._errors.open("ab") as errors:
            self._builders = [
                subprocess.Popen([sys.executable, "-m", *build], cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=errors)
                for build in builds
            ]

    def wait(self) -> None:
        """Wait until both are built.

        :raises UserError: one cannot be built
        """
        if any(builder.wait() for builder in self._builders):
            errors = self._errors.read_text().splitlines() or ["no reason given"]
            raise UserError(f"a bundle cannot be made: {errors[-1]}")
        for part in ("backend", "dev", "tests", "events"):
            shutil.copytree(CHECKOUT / part, self.sam_default / part, ignore=NO_SOURCES)
        for path in self.sam_default.rglob("*"):
            os.utime(path, (ZIP_EPOCH_SECONDS, ZIP_EPOCH_SECONDS))
        _link_runtime(self.runtime)
        self.libraries_alone.mkdir()
        function = f"{LIBRARIES_ALONE}\ndef handler(event, context):\n    return {{'statusCode': 200}}\n"
        (self.libraries_alone / "function.py").write_text(function)

    def close(self) -> None:
        """Stop builds that still run."""
        for builder in self._builders:
            builder.kill()
            builder.wait()

    def files(self) -> set[Path]:
        """All files in both folders. A function that wrote one, such as bytecode, would speed up the next start."""
        return {*self.ours.rglob("*"), *self.sam_default.rglob("*")}

    def zipped_bytes(self) -> int:
        """The size of our bundle as a zip file, which is what is uploaded."""
        return Path(shutil.make_archive(str(self.ours), "zip", self.ours)).stat().st_size


@contextmanager
def building_bundles() -> Iterator[Bundles]:
    """Start building the bundles, and remove them when the block ends.

    :raises UserError: this machine cannot run Lambda's Python and processor
    """
    with tempfile.TemporaryDirectory(prefix="todo-api-bundles-") as directory:
        bundles = Bundles(Path(directory))
        try:
            yield bundles
        finally:
            bundles.close()


def _sam_default_command(folder: Path) -> list[str]:
    """pip's arguments as SAM's default builder gives them: no bytecode. `wait()` adds all sources (`CodeUri: .`)."""
    options = ["install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore", "--no-deps"]
    requirements = str(CHECKOUT / "requirements.txt")
    return [*options, "--no-compile", f"--target={folder}", "--requirement", requirements, *ARCHITECTURE.pip_options]


def _link_runtime(folder: Path) -> None:
    folder.mkdir()
    for pattern in RUNTIME:
        for found in Path(sysconfig.get_path("purelib")).glob(pattern):
            (folder / found.name).symlink_to(found)
