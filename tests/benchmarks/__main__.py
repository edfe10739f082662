"""`make bench`: measures what DESIGN.md promises, says how it goes, and writes docs/benchmarks.md."""

import contextlib
import os
import sys
import time

from backend import telemetry
from backend.settings import Settings
from dev.postgres import CHECKOUT
from tests.benchmarks import lists, report, round_trips, sign_in, throughput
from tests.benchmarks.laboratory import laboratory

REPORT = CHECKOUT / "docs" / "benchmarks.md"
THROUGH_THE_POOLER = (round_trips.measure, lists.measure, sign_in.measure)
WITH_OR_WITHOUT = (throughput.measure,)


def main() -> None:
    """Run every measurement; the report is written when all have ended well."""
    started, load_before = time.monotonic(), os.getloadavg()[0]
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)  # what is measured is configured here alone
    warnings: list[str] = []

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {line}", file=sys.stderr, flush=True)

    def warn(line: str) -> None:
        warnings.append(line)
        say(line)

    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # the access log, and the metrics
        telemetry.logger.registered_handler.setStream(nowhere)  # type: ignore[attr-defined]  # a StreamHandler
        say(f"load of this machine before: {load_before:.1f}; PostgreSQL, PgBouncer and people are being made")
        with laboratory(warn) as ready:
            measurements = (*(THROUGH_THE_POOLER if ready.pooler else ()), *WITH_OR_WITHOUT)
            sections = [measure(ready, say) for measure in measurements]
            circumstances = report.circumstances(ready, load_before=load_before)
    text = report.markdown(sections, circumstances, warnings)
    REPORT.write_text(text)
    print(f"\n{text}")
    say(f"written to {REPORT.relative_to(CHECKOUT)}")


if __name__ == "__main__":
    main()
