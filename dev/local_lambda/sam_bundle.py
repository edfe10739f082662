"""The bundle and the template that `sam build` makes, and that `sam local` runs."""

import os
import re
import tempfile
from pathlib import Path

from dev import version
from dev.bundle.assemble import NOT_DEPLOYED
from dev.file_lock import acquire
from dev.local_data import make_local_data
from dev.local_lambda.invoke import report
from dev.local_lambda.sam_process import Job, run
from dev.paths import CHECKOUT
from dev.user_error import UserError

TEMPLATE = CHECKOUT / ".aws-sam" / "build" / "template.yaml"
"""SAM writes it when the bundle is complete."""
COMMIT = re.compile(rb'(?m)^(__version__ = "[^"+]*)\+[^"]*')
"""What `dev.version` adds to the release in the bundle. It differs from the checkout's, and the code does not."""
NOT_COMPARED = re.compile("|".join(["^" + re.escape(name) for name in NOT_DEPLOYED] + ["/__pycache__/", r"/\."]))
BUILD_SECONDS = 600
NAME_A_PYTHON = "make build PYTHON=/path/to/python3.13"
"""What the Makefile advises. Here another command is run, and make reads PYTHON from the environment."""


def build_if_stale(sam: str) -> None:
    """Run `sam build`, unless the bundle was made from what the checkout is now.

    :raises UserError: it cannot be built
    """
    lock = acquire(make_local_data() / "sam-build.lock", BUILD_SECONDS)
    if lock is None:
        raise UserError(f"Another `sam build` of this checkout is still running after {BUILD_SECONDS // 60} minutes")
    try:
        if reason := _why_stale():
            report(f"Building the bundle, which takes about half a minute: {reason}")
            _build(sam)
    finally:
        os.close(lock)


def _build(sam: str) -> None:
    with tempfile.TemporaryFile("w+") as output:
        if run(Job([sam, "build"]), output) != 0:
            output.seek(0)
            raise UserError(_failure(output.read()))


def _why_stale() -> str | None:
    if not TEMPLATE.exists():
        return "there is none"
    built_at = TEMPLATE.stat().st_mtime
    for name in ("template.yaml", *(source for source in version.SOURCES if source != "backend")):
        for path in (CHECKOUT / name, *(CHECKOUT / name).rglob("*.py")):
            if path.stat().st_mtime > built_at:
                return f"{path.relative_to(CHECKOUT)} is newer"
    now, built = _sources(CHECKOUT), _sources(TEMPLATE.parent / "ApiFunction")
    changed = sorted(name for name in now.keys() | built.keys() if now.get(name) != built.get(name))
    return f"{changed[0]} has changed" if changed else None


def _sources(root: Path) -> dict[str, bytes]:
    """What is deployed of `backend`, by path. SAM sets the files' times to 1980, so only the content tells."""
    found = {path.relative_to(root).as_posix(): path for path in (root / "backend").rglob("*") if path.is_file()}
    names = [name for name in found if not NOT_COMPARED.search(name)]
    return {name: COMMIT.sub(rb"\1", found[name].read_bytes()) for name in names}


def _failure(output: str) -> str:
    """The line of SAM's output that says why the build failed. `dev.bundle` and the Makefile begin it by `Bundle:`."""
    lines = [line for line in output.splitlines() if line.strip()] or ["SAM gives no reason"]
    reasons = [line.rpartition("Bundle: ")[2] for line in lines if "Bundle: " in line] or lines[-1:]
    return f"The bundle cannot be built: {reasons[-1].replace(NAME_A_PYTHON, 'PYTHON=… before this command')}"
