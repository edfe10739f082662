"""The frontend made from its TypeScript, by the programs of package.json, and run by Node.

axios is what the existing frontend calls the API with. openapi-typescript makes of openapi.json the types that a
frontend's developer would use; it needs TypeScript 5, which compiles them. playwright-core drives the system's
Chromium and downloads none; 1.61 is its last version for Node 18, which is Debian 12's.
"""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from dev.paths import CHECKOUT
from tests.support.missing import missing

SOURCES = CHECKOUT / "tests/frontend"
MODULES = SOURCES / "node_modules"
NODE_MAJOR = 18
"""Debian 12's."""
INSTALL_SECONDS = 300
RUN_SECONDS = 110


def require_node() -> None:
    """Skip the test where Node is missing; fail where it must not be."""
    if shutil.which("npm") and (node := shutil.which("node")):
        version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
        if int(version.lstrip("v").partition(".")[0]) >= NODE_MAJOR:
            return
    missing(f"Node {NODE_MAJOR} or newer, or npm, is missing (apt install nodejs npm): NO FRONTEND IS TESTED")


def require_chromium() -> str:
    """The browser's path. Skip the test where there is none; fail where there must be one."""
    found = shutil.which("chromium")
    if found is None:
        missing("Chromium is missing (apt install chromium): NOTHING IS TESTED IN A BROWSER")
    return found


def install() -> None:
    """Bring node_modules to what package-lock.json says, once for all processes of a run."""
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
    """Generate the types from openapi.json, compile, and lay out what a frontend's server would serve."""
    install()
    for source in SOURCES.iterdir():
        if source.suffix in (".ts", ".mjs", ".json", ".html"):
            shutil.copy(source, into)
    (into / "node_modules").symlink_to(MODULES)
    shutil.copy(MODULES / "axios/dist/esm/axios.js", into)
    run(into, "node_modules/.bin/openapi-typescript", str(CHECKOUT / "openapi.json"), "--output", "openapi.d.ts")
    run(into, "node_modules/.bin/tsc", "--project", ".")


def run(folder: Path, *command: str, **variables: str) -> str:
    """Run a program of Node's in the folder, to its end. Gives what it prints."""
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


def told(folder: Path, script: str, *arguments: Any, **variables: str) -> Any:
    """What a script makes of these arguments, by JSON both ways."""
    return json.loads(run(folder, script, json.dumps(arguments), **variables))
