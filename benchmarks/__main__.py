"""`make bench`: measures what DESIGN.md promises, says how it goes, and writes docs/benchmarks.md."""

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
from benchmarks import cold_start, lists, report, round_trips, sign_in, throughput, warm
from benchmarks.budget import USUAL, Budget
from benchmarks.bundles import Bundles, bundles_in_the_making
from benchmarks.laboratory import Laboratory, laboratory
from benchmarks.measure import Section
from dev.paths import CHECKOUT
from dev.user_error import UserError

REPORT = CHECKOUT / "docs" / "benchmarks.md"
README = CHECKOUT / "README.md"
NO_COLD_START = "COLD STARTS ARE LEFT OUT"

Say = Callable[[str], None]


def main() -> None:
    """Measure for `make bench`, and print the report."""
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)  # what is measured is configured here alone
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {line}", file=sys.stderr, flush=True)

    run(USUAL, REPORT, say)
    text = REPORT.read_text()
    README.write_text(report.with_targets(README.read_text(), text))
    print(f"\n{text}")
    say(f"written to {REPORT.relative_to(CHECKOUT)}; the targets to {README.relative_to(CHECKOUT)}, too")


def run(budget: Budget, into: Path, say: Say) -> None:
    """Run every measurement; the report is written when all have ended well."""
    load_before, warnings = os.getloadavg()[0], list[str]()

    def warn(line: str) -> None:
        warnings.append(line)
        say(line)

    with ExitStack() as running:
        nowhere = running.enter_context(open(os.devnull, "w"))
        access_log = telemetry.logger.registered_handler
        assert isinstance(access_log, logging.StreamHandler)
        running.callback(access_log.setStream, access_log.setStream(nowhere))
        running.enter_context(contextlib.redirect_stdout(nowhere))  # the metrics
        say(f"load of this machine before: {load_before:.1f}; PostgreSQL, PgBouncer, people and bundles are being made")
        bundles = begin_bundles(running, warn)
        if not find_spec("awslambdaric"):
            warn("AWS publishes Lambda's runtime client for Linux only: FUNCTION INSTANCES ARE LEFT OUT")
        ready = running.enter_context(laboratory(warn, budget))
        sections = _sections(ready, bundles, say, warn)
        into.write_text(report.markdown(sections, report.circumstances(ready, load_before=load_before), warnings))


def begin_bundles(running: ExitStack, warn: Say) -> Bundles | None:
    """Have them made until `running` ends, where this machine can run them."""
    try:
        return running.enter_context(bundles_in_the_making())
    except UserError as problem:
        warn(f"{problem}: {NO_COLD_START}")
        return None


def _are_made(bundles: Bundles, warn: Say) -> bool:
    try:
        bundles.wait()
    except UserError as problem:
        warn(f"{problem}: {NO_COLD_START}")
        return False
    return True


def _sections(ready: Laboratory, bundles: Bundles | None, say: Say, warn: Say) -> list[Section]:
    sections = []
    if ready.pooler:
        sections.append(round_trips.measure(ready, say))  # no clock: the bundles may be made meanwhile
    if ready.pooler and bundles and _are_made(bundles, warn):
        sections.append(cold_start.measure(ready, say, bundles))
    sections.append(warm.measure(ready, say))
    if ready.pooler:
        sections += [lists.measure(ready, say), sign_in.measure(ready, say)]
    return [*sections, throughput.measure(ready, say)]


if __name__ == "__main__":
    main()
