"""Generates clients from openapi.json, with the generators that a frontend's or a script's developer would take.

The generators for TypeScript need a newer Node than Debian's. So package.json brings one, for the processors that it
names.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from dev.paths import CHECKOUT
from tests.support import npm

SOURCES = CHECKOUT / "tests/clients"
PROGRAMS = "node_modules/.bin"
PYTHON_PACKAGE = "todo_api_client"
MYPY_SECONDS = 300


class TypeScriptClients:
    """A folder with openapi.json, the generated clients, and what uses them."""

    def __init__(self, folder: Path) -> None:
        modules = npm.install(SOURCES)
        self.folder = folder
        [self._node] = [*modules.glob("node-linux-*/bin/node"), *modules.glob("node-*darwin-*/bin/node")]
        for source in SOURCES.iterdir():
            if source.suffix in (".ts", ".mjs", ".json", ".yaml"):
                shutil.copy(source, folder)
        shutil.copy(CHECKOUT / "openapi.json", folder)
        (folder / "node_modules").symlink_to(modules)

    def run(self, program: str, *arguments: str) -> str:
        """Run one of the programs of package.json. Gives its output.

        :raises AssertionError: it failed; with its output
        """
        quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}
        return npm.run(self.folder, f"{PROGRAMS}/{program}", *arguments, node=self._node, **quiet)

    def generate(self) -> None:
        """Generate the clients, check all types, and bundle each script that a test runs."""
        self.run("openapi-typescript", "openapi.json", "--output", "generated/openapi.d.ts")
        self.run("openapi-ts")
        self.run("orval")
        self.check_types()
        self.run(
            "esbuild", "main.ts", "zod.ts", "--bundle", "--platform=node", "--outdir=.", "--out-extension:.js=.cjs"
        )

    def check_types(self) -> None:
        """Compile strictly."""
        self.run("tsc", "--project", ".")

    def run_script(self, name: str, argument: Any) -> Any:
        """Run a script of this folder with this argument. Gives the JSON that it prints."""
        return json.loads(npm.run(self.folder, f"{name}.cjs", json.dumps(argument), node=self._node))


class PythonClient:
    """A folder with the package that openapi-python-client generates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config = folder / "config.json"
        config.write_text(json.dumps({"package_name_override": PYTHON_PACKAGE, "post_hooks": []}))
        self._run(
            *("-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta", "none", "--config", config),
            *("--path", CHECKOUT / "openapi.json", "--output-path", folder / PYTHON_PACKAGE),
        )

    def check_types(self, script: Path = SOURCES / "session.py") -> None:
        """Check the package and the script with `mypy --strict`."""
        self._run("-m", "mypy", "--strict", "--config-file=", "--cache-dir=.mypy_cache", PYTHON_PACKAGE, script)

    def session(self, apis: dict[str, str]) -> Any:
        """Run session.py. Gives what it saw."""
        return json.loads(self._run(SOURCES / "session.py", json.dumps(apis)))

    def _run(self, *command: str | Path) -> str:
        ran = subprocess.run(
            [sys.executable, *command],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=MYPY_SECONDS,
            env={**os.environ, "PYTHONPATH": str(self.folder), "MYPYPATH": str(self.folder)},
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout
