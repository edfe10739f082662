"""`make bench`: measures all that has a target. Writes docs/benchmarks.md, its charts, and the targets in README.md."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from backend import telemetry
from backend.settings import Settings
from benchmarks import (
    cold_start,
    init_parts,
    instructions,
    lists,
    network,
    report,
    round_trips,
    sign_in,
    throughput,
    warm,
)
from benchmarks.budget import DEFAULT, Budget
from benchmarks.bundles import Bundles, building_bundles
from benchmarks.measure import Section
from benchmarks.testbed import Testbed, build_testbed
from dev.paths import CHECKOUT
from dev.user_error import UserError

REPORT = CHECKOUT / "docs" / "benchmarks.md"
README = CHECKOUT / "README.md"
NO_COLD_START = "COLD STARTS ARE LEFT OUT"

LogProgress = Callable[[str], None]


def main() -> None:
    """Measure, write the report and print it."""
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)  # the benchmark sets them itself
    started = time.monotonic()

    def log_progress(line: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {line}", file=sys.stderr, flush=True)

    run(DEFAULT, REPORT, log_progress)
    text = REPORT.read_text()
    README.write_text(report.with_targets(README.read_text(), text))
    print(f"\n{text}")
    log_progress(f"written: {REPORT.relative_to(CHECKOUT)}, and the targets in {README.relative_to(CHECKOUT)}")


def run(budget: Budget, into: Path, log_progress: LogProgress) -> None:
    """Run every measurement, and when none has failed, write the report to the file `into` and the charts beside it."""
    load_before, warnings = os.getloadavg()[0], list[str]()

    def warn(line: str) -> None:
        warnings.append(line)
        log_progress(line)

    with ExitStack() as running:
        devnull = running.enter_context(open(os.devnull, "w"))
        access_log = telemetry.logger.registered_handler
        assert isinstance(access_log, logging.StreamHandler)
        running.callback(access_log.setStream, access_log.setStream(devnull))
        running.enter_context(contextlib.redirect_stdout(devnull))  # hides the metrics
        log_progress(
            f"load of this machine: {load_before:.1f}; starting PostgreSQL and PgBouncer, building the bundles"
        )
        bundles = begin_bundles(running, warn)
        if not find_spec("awslambdaric"):
            warn("AWS publishes Lambda's runtime client for Linux only: FUNCTION INSTANCES ARE LEFT OUT")
        testbed = running.enter_context(build_testbed(warn, budget))
        sections = _sections(testbed, bundles, log_progress, warn)
        into.write_text(report.markdown(sections, report.circumstances(testbed, load_before=load_before), warnings))
        report.draw_charts(sections, into.parent / report.CHARTS)


def begin_bundles(running: ExitStack, warn: LogProgress) -> Bundles | None:
    """Start building the bundles. Returns None, with a warning, where this machine cannot run them."""
    try:
        return running.enter_context(building_bundles())
    except UserError as error:
        warn(f"{error}: {NO_COLD_START}")
        return None


def _are_complete(bundles: Bundles, warn: LogProgress) -> bool:
    try:
        bundles.wait()
    except UserError as error:
        warn(f"{error}: {NO_COLD_START}")
        return False
    return True


def _sections(testbed: Testbed, bundles: Bundles | None, log_progress: LogProgress, warn: LogProgress) -> list[Section]:
    sections = []
    if testbed.pooler:
        sections.append(round_trips.measure(testbed, log_progress))  # counts, so the bundles can be built meanwhile
    if testbed.pooler and bundles and _are_complete(bundles, warn):
        sections.append(cold_start.measure(testbed, log_progress, bundles))
        sections.append(init_parts.measure(testbed, log_progress, bundles))
    sections.append(warm.measure(testbed, log_progress))
    if testbed.pooler:
        sections += [part.measure(testbed, log_progress) for part in (instructions, lists, network, sign_in)]
    return [*sections, throughput.measure(testbed, log_progress)]


if __name__ == "__main__":
    main()
