"""Compiles the frontend's TypeScript with the programs of package.json, and runs it in Node.

The existing frontend calls the API with axios. openapi-typescript generates the types from openapi.json that a
frontend's developer would use; it needs TypeScript 5, which compiles them. playwright-core controls the system's
Chromium and downloads none. Its version 1.61 is the last one for Node 18, the version of Debian 12.
"""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from dev.paths import CHECKOUT
from tests.support.missing import skip_or_fail

SOURCES = CHECKOUT / "tests/frontend"
MODULES = SOURCES / "node_modules"
NODE_MAJOR = 18
"""The version of Debian 12."""
INSTALL_SECONDS = 300
RUN_SECONDS = 110


def require_node() -> None:
    """Skip the test if Node is missing; in CI, fail it."""
    if shutil.which("npm") and (node := shutil.which("node")):
        version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
        if int(version.lstrip("v").partition(".")[0]) >= NODE_MAJOR:
            return
    skip_or_fail(f"Node {NODE_MAJOR} or newer, or npm, is missing (apt install nodejs npm): NO FRONTEND IS TESTED")


def require_chromium() -> str:
    """The browser's path. Without one, skip the test; in CI, fail it."""
    found = shutil.which("chromium")
    if found is None:
        skip_or_fail("Chromium is missing (apt install chromium): NOTHING IS TESTED IN A BROWSER")
    return found


def install() -> None:
    """Install what package-lock.json says into node_modules, once for all test processes."""
    lock_file, installed = SOURCES / "package-lock.json", MODULES / ".package-lock.json"
    with lock_file.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed.exists() and installed.stat().st_mtime >= lock_file.stat().st_mtime:
            return
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, cwd=SOURCES, timeout=INSTALL_SECONDS)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        installed.touch()


def build(into: Path) -> None:
    """Generate the types from openapi.json, compile, and fill the folder that the frontend's server serves."""
    install()
    for source in SOURCES.iterdir():
        if source.suffix in (".ts", ".mjs", ".json", ".html"):
            shutil.copy(source, into)
    (into / "node_modules").symlink_to(MODULES)
    shutil.copy(MODULES / "axios/dist/esm/axios.js", into)
    run(into, "node_modules/.bin/openapi-typescript", str(CHECKOUT / "openapi.json"), "--output", "openapi.d.ts")
    run(into, "node_modules/.bin/tsc", "--project", ".")


def run(folder: Path, *command: str, **variables: str) -> str:
    """Run a program with Node in the folder. Gives its output."""
    ran = subprocess.run(
        ["node", *command],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=RUN_SECONDS,
        env={**os.environ, **variables},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def run_script(folder: Path, script: str, *arguments: Any, **variables: str) -> Any:
    """Run a script with these arguments as JSON. Gives the JSON that it prints."""
    return json.loads(run(folder, script, json.dumps(arguments), **variables))
