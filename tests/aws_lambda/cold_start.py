"""`python -m tests.aws_lambda.cold_start`: what starting the bundle costs, against the same code as SAM packs it.

Wall time depends on the machine and on who else uses it, so what is compared is run in turns and only ratios mean
anything; instructions (valgrind's callgrind) are the same in every run. Both bundles are like Lambda's /var/task: every
file of 1980, and nobody may write bytecode into them.
"""

import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from backend.database.migrations.apply import migrate
from dev.bundle.assemble import ZIP_EPOCH_SECONDS, assemble
from dev.bundle.target import Architecture
from dev.bundle.verify import size_bytes, verify
from dev.events import http_event
from dev.postgres import CHECKOUT, EmbeddedPostgres
from dev.runtime_api import LambdaInstance
from tests.aws_lambda.conftest import RUNTIME
from tests.conftest import ORIGIN, SECRET
from tests.database_copy import DatabaseCopy
from tests.pooler import Pooler

ROUNDS = int(os.environ.get("ROUNDS", "10"))
STACK_ALONE = "import fastapi, mangum, sqlmodel, pg8000"
ARCHITECTURE = Architecture.named("x86_64")


def main() -> None:
    """Measure, and print one line for each figure."""
    with tempfile.TemporaryDirectory(prefix="todo-api-cold-") as scratch:
        Path(scratch).chmod(0o711)
        ours, usual, runtime = (Path(scratch, name) for name in ("ours", "usual", "runtime"))
        assemble(CHECKOUT, ours, ARCHITECTURE)
        verify(ours, ARCHITECTURE)
        _pack_as_sam_does(usual)
        _link_runtime(runtime)
        zipped = shutil.make_archive(str(Path(scratch, "bundle")), "zip", ours)
        print(f"bundle: {size_bytes(ours) / 1e6:.1f} MB unzipped, {Path(zipped).stat().st_size / 1e6:.1f} MB zipped")
        with EmbeddedPostgres(Path(scratch, "postgres")) as server, Pooler(server) as pooler:
            database = DatabaseCopy(server, "todo")
            database.create(source="template1")
            migrate(database.owner_url, database.url, lambda _: None)
            variables = {
                "DATABASE_URL": pooler.url(database),
                "DATABASE_CA_FILE": str(pooler.ca_file),
                "BETTER_AUTH_SECRET": SECRET,
                "FRONTEND_URL": ORIGIN,
            }
            before = _files(ours) | _files(usual)
            _measure_starts(ours, usual, runtime, variables)
            assert _files(ours) | _files(usual) == before, "the bundles were not read-only"
            if shutil.which("valgrind"):
                _measure_imports(ours, variables)


def _pack_as_sam_does(folder: Path) -> None:
    """The default builder with `CodeUri: .`: the packages and all sources, no bytecode, every time 1980."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", f"--target={folder}"]
    command += ["--requirement", str(CHECKOUT / "requirements.txt"), *ARCHITECTURE.pip_options]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    for part in ("backend", "dev", "tests", "events"):
        shutil.copytree(CHECKOUT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for path in folder.rglob("*"):
        os.utime(path, (ZIP_EPOCH_SECONDS, ZIP_EPOCH_SECONDS))


def _files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def _link_runtime(folder: Path) -> None:
    folder.mkdir()
    for pattern in RUNTIME:
        for found in Path(sysconfig.get_path("purelib")).glob(pattern):
            (folder / found.name).symlink_to(found)


def _measure_starts(ours: Path, usual: Path, runtime: Path, variables: dict[str, str]) -> None:
    starts: dict[Path, list[float]] = {ours: [], usual: []}
    inits, firsts, warms, peaks = [], [], [], []
    for _ in range(ROUNDS):
        for bundle in (ours, usual):
            with LambdaInstance(bundle, variables, python=(sys.executable, "-S"), path=(runtime,)) as instance:
                first = _seconds(instance)
                starts[bundle].append(instance.init_seconds + first)
                if bundle == ours:
                    inits.append(instance.init_seconds)
                    firsts.append(first)
                    warms.append(statistics.median(_seconds(instance) for _ in range(20)))
                    peaks.append(_peak_bytes(instance))
    mine, theirs = (statistics.median(starts[bundle]) for bundle in (ours, usual))
    first, warm = statistics.median(firsts), statistics.median(warms)
    print(f"INIT: {statistics.median(inits) * 1000:.0f} ms (median of {ROUNDS})")
    print(f"INIT + first response: {mine * 1000:.0f} ms, SAM's default {theirs * 1000:.0f} ms: {mine / theirs:.3f}")
    print(f"first GET /api/health {first * 1000:.1f} ms, warm {warm * 1000:.1f} ms: {first / warm:.2f}")
    print(f"peak memory: {max(peaks) / 1e6:.0f} MB")


def _seconds(instance: LambdaInstance) -> float:
    event = http_event("GET", "/api/health")
    started = time.perf_counter()
    answer = instance.invoke(event)
    assert answer.value["statusCode"] == 200, answer
    return time.perf_counter() - started


def _peak_bytes(instance: LambdaInstance) -> int:
    status = Path(f"/proc/{instance.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _measure_imports(ours: Path, variables: dict[str, str]) -> None:
    nothing = _instructions(ours, variables, "pass")
    alone = _instructions(ours, variables, STACK_ALONE) - nothing
    system = {name: value for name, value in variables.items() if name != "DATABASE_CA_FILE"}
    for what, environment in {"one CA certificate": variables, "the system's CA certificates": system}.items():
        everything = _instructions(ours, environment, "import backend.main") - nothing
        print(f"import with {what}: {everything / 1e6:.0f} M instructions, {everything / alone:.3f} of the stack alone")


def _instructions(bundle: Path, variables: dict[str, str], code: str) -> int:
    command: Sequence[str] = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable]
    run = subprocess.run(
        [*command, "-S", "-B", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=bundle.parent,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(bundle), "PYTHONHASHSEED": "0", **variables},
    )
    return next(int(line.split()[-1]) for line in run.stderr.splitlines() if "Collected" in line)


if __name__ == "__main__":
    main()
