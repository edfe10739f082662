"""`make scale`: fills a database, measures, and writes docs/scaling.md."""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from backend.settings import Settings
from benchmarks.report import machine
from benchmarks.scale import growth, hot_rows, limits, operations, simulation
from benchmarks.scale.databases import build_databases, refuse_small_disk
from benchmarks.scale.document import markdown
from benchmarks.scale.prices import NETWORK_SECONDS
from benchmarks.scale.size import DEFAULT, Size
from dev.command import exit_code
from dev.make_process import interrupt_on_sigterm
from dev.paths import CHECKOUT
from tests.postgres.test_round_trips import OPERATIONS
from tests.support.cheap_passwords import hash_cheaply

REPORT = CHECKOUT / "docs" / "scaling.md"


def main() -> None:
    """Measure, write the document and print it.

    :raises UserError: there is too little disk
    """
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)  # the measurement sets them itself
    interrupt_on_sigterm()
    started = time.monotonic()

    def log_progress(line: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {line}", file=sys.stderr, flush=True)

    refuse_small_disk(Path(tempfile.gettempdir()))
    run(DEFAULT, REPORT, log_progress)
    print(f"\n{REPORT.read_text()}")
    log_progress(f"written: {REPORT.relative_to(CHECKOUT)}")


def run(size: Size, into: Path, log_progress: Callable[[str], None]) -> None:
    """Run every measurement, and write the document to the file `into` when none has failed."""
    load_before = os.getloadavg()[0]
    with ExitStack() as running:
        hash_cheaply(running.enter_context(pytest.MonkeyPatch.context()).setattr)
        running.enter_context(growth.captured_log())  # hides the access log and the metrics
        log_progress(f"load of this machine: {load_before:.1f}; starting PostgreSQL")
        databases = running.enter_context(build_databases(size, log_progress))
        timings, of_operations = operations.measure(databases, size, log_progress)
        of_growth = growth.measure(databases, timings.seconds(), log_progress)
        of_hot_rows = hot_rows.measure(databases, size, log_progress)
        of_simulation = simulation.measure(databases, size, log_progress)
        round_trips = sum(OPERATIONS[name].round_trips for name in operations.MIX) / len(operations.MIX)
        measured = limits.Measured(timings.seconds() + round_trips * NETWORK_SECONDS, timings.cpu["full"])
        of_limits = limits.section(measured)
        circumstances = machine(databases.full.database, load_before=load_before)
    into.write_text(markdown([of_operations, of_growth, of_limits, of_hot_rows, of_simulation], circumstances))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(exit_code(main))
    sys.exit(130)
