"""`make bench` runs to its end, with so few repetitions that its figures mean nothing."""

import shutil
from pathlib import Path

import pytest

from benchmarks import cold_start
from benchmarks.__main__ import run
from benchmarks.budget import Budget
from benchmarks.bundles import CAN_RUN_HERE
from tests.support.missing import skip_or_fail
from tests.support.pooler import require_pgbouncer

pytestmark = [pytest.mark.spec("SC-007"), pytest.mark.long]

NEXT_TO_NOTHING = Budget(
    list_rounds={10: 1, 1000: 1},
    network_rounds={1: 1, 20: 1},
    sign_in_rounds=1,
    warm_rounds=3,
    starts=1,
    import_rounds=1,
    throughput_rounds=1,
    step_seconds={1: 0.2, 16: 0.2},
    warm_up_seconds=0.2,
    instances=2,
    counted_requests=2,
)


@pytest.mark.timeout(600)
def test_the_whole_benchmark_writes_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_pgbouncer()
    monkeypatch.setattr(cold_start, "IMPORT", "import json")  # callgrind takes half a minute for the real import
    monkeypatch.setattr(cold_start, "LIBRARIES_ALONE", "import decimal")
    printed: list[str] = []
    run(NEXT_TO_NOTHING, tmp_path / "benchmarks.md", printed.append)
    text = (tmp_path / "benchmarks.md").read_text()
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        *("Targets", "Network round trips"),
        *(("Cold start", "What INIT is made of") if CAN_RUN_HERE else ()),
        *("Warm invocation", "CPU of a warm request", "List of tasks", "A network between function and pooler"),
        *("Sign-in", "Task requests at once", "Circumstances"),
    ]
    assert text.count("| as many, the first time too ") == 2
    charts = {path.name for path in (tmp_path / "charts").iterdir()}
    assert charts >= {"round-trips.svg", "list-length.svg", "network-delay.svg", "throughput.svg"}
    assert all(f"](charts/{name})" in text for name in charts)
    for row in ("1 client, server", "16 clients, server, pool", "16 clients, 2 function instances", "1,000 tasks"):
        assert f"\n| {row}" in text
    assert " errors" not in text.partition("## Task requests at once")[2].replace("| errors", "")
    assert any("round trips, list: 5 | 4 | 16 (first 24) | " in line for line in printed)


def test_instructions_are_counted(tmp_path: Path) -> None:
    """They are the same each time, and more for more work."""
    if not shutil.which("valgrind"):
        skip_or_fail(cold_start.NO_VALGRIND)
    counted = [cold_start.count_instructions(tmp_path, code, {}) for code in ("pass", "pass", "import decimal, json")]
    assert counted[0] == pytest.approx(counted[1], rel=0.01)
    assert counted[2] > counted[1] * 1.2
