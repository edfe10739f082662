"""Compiles the frontend's TypeScript with the programs of package.json, and runs it in Node.

The existing frontend calls the API with axios. openapi-typescript generates the types from openapi.json that a
frontend's developer would use; it needs TypeScript 5, which compiles them. playwright-core controls the system's
Chromium and downloads none. Its version 1.61 is the last one for Node 18, the version of Debian 12.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from dev.paths import CHECKOUT
from tests.support.missing import skip_or_fail
from tests.support.npm import install, run

SOURCES = CHECKOUT / "tests/frontend"
MODULES = SOURCES / "node_modules"


def require_chromium() -> str:
    """The browser's path. Without one, skip the test; in CI, fail it."""
    found = shutil.which("chromium")
    if found is None:
        skip_or_fail("Chromium is missing (apt install chromium): NOTHING IS TESTED IN A BROWSER")
    return found


def build(into: Path) -> None:
    """Generate the types from openapi.json, compile, and fill the folder that the frontend's server serves."""
    install(SOURCES)
    for source in SOURCES.iterdir():
        if source.suffix in (".ts", ".mjs", ".json", ".html"):
            shutil.copy(source, into)
    (into / "node_modules").symlink_to(MODULES)
    shutil.copy(MODULES / "axios/dist/esm/axios.js", into)
    run(into, "node_modules/.bin/openapi-typescript", str(CHECKOUT / "openapi.json"), "--output", "openapi.d.ts")
    run(into, "node_modules/.bin/tsc", "--project", ".")


def run_script(folder: Path, script: str, *arguments: Any, **variables: str) -> Any:
    """Run a script with these arguments as JSON. Gives the JSON that it prints."""
    return json.loads(run(folder, script, json.dumps(arguments), **variables))
