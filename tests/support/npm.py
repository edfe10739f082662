"""Packages from npm for tests: what a folder's package-lock.json says, in a `node_modules` beside it."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from tests.support.missing import skip_or_fail

NODE_MAJOR = 18
"""The version of Debian 12."""
INSTALL_SECONDS = 600
RUN_SECONDS = 110


def require_node() -> None:
    """Skip the test if Node is missing; in CI, fail it."""
    if shutil.which("npm") and (node := shutil.which("node")):
        version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
        if int(version.lstrip("v").partition(".")[0]) >= NODE_MAJOR:
            return
    skip_or_fail(f"Node {NODE_MAJOR} or newer, or npm, is missing (apt install nodejs npm): NO FRONTEND IS TESTED")


def install(folder: Path) -> Path:
    """Install what the folder's package-lock.json says, once for all test processes. Gives its `node_modules`."""
    modules, lock_file = folder / "node_modules", folder / "package-lock.json"
    installed = modules / ".package-lock.json"
    with lock_file.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.stat().st_mtime < lock_file.stat().st_mtime:
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            ran = subprocess.run(
                command, check=False, capture_output=True, text=True, cwd=folder, timeout=INSTALL_SECONDS
            )
            assert ran.returncode == 0, ran.stdout + ran.stderr
            installed.touch()
    return modules


def run(folder: Path, *command: str, node: str | Path = "node", **variables: str) -> str:
    """Run a program with Node in the folder. Gives its output.

    :param node: the path of another Node than the system's
    :raises AssertionError: it failed; with its output
    """
    ran = subprocess.run(
        [node, *command],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=RUN_SECONDS,
        env={**os.environ, **variables},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
