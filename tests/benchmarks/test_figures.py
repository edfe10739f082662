"""What the benchmark computes and prints, tested without measuring."""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bundles, init_parts, instructions, report
from benchmarks.__main__ import begin_bundles
from benchmarks.clients import Results
from benchmarks.cold_start import NO_VALGRIND
from benchmarks.measure import Finding, Section, interleave, milliseconds
from benchmarks.throughput import Candidate, Comparison
from dev.user_error import UserError

HUNDRED = [number / 100 for number in range(1, 101)]


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 0.50), (0.99, 0.99), (1.0, 1.00), (0.001, 0.01)])
def test_a_percentile_is_a_latency_that_occurred(share: float, seconds: float) -> None:
    assert Results(latencies=HUNDRED[::-1]).percentile(share) == seconds


def test_a_request_without_an_answer_took_forever() -> None:
    results = Results(latencies=[0.1] * 98, unanswered=2)
    assert (results.percentile(0.98), results.percentile(0.99)) == (0.1, math.inf)
    assert Results().percentile(0.5) == math.inf


def test_only_answers_within_the_time_count() -> None:
    results = Results(seconds=2, latencies=[0.1] * 11, answered_in_time=10)
    results.add(Results(seconds=2, latencies=[0.3], answered_in_time=1))
    assert results.per_second == 11 / 4
    assert len(results.latencies) == 12


def test_each_round_begins_with_another_variant() -> None:
    called: list[str] = []

    def call(name: str) -> Callable[[], None]:
        return lambda: called.append(name)

    medians = interleave(3, {name: call(name) for name in "abc"})
    assert "".join(called) == "abc" + "abc" + "bca" + "cab"
    assert medians.keys() == set("abc")


@pytest.mark.parametrize(("seconds", "text"), [(1.2345, "1234 ms"), (0.01234, "12.3 ms"), (0.001234, "1.23 ms")])
def test_a_duration_has_three_digits(seconds: float, text: str) -> None:
    assert milliseconds(seconds) == text


@pytest.mark.parametrize(("ratio", "is_met", "gap"), [(0.28, True, "0% above"), (0.35, False, "25% above")])
def test_a_finding_says_how_far_it_is_from_its_target(ratio: float, is_met: bool, gap: str) -> None:
    finding = Finding.at_most("cold start", ratio, 0.28)
    assert (finding.is_met, finding.gap, finding.target) == (is_met, gap, "≤ 0.28")


def test_the_count_is_the_last_one_that_callgrind_gives() -> None:
    log = "==7== Events    : Ir\n==7== Collected : 94074930\n==7==\n==7== I   refs:      94,074,930\n"
    assert instructions.collected(log) == 94_074_930
    assert instructions.collected("==7== Collected : 0\n" + log) == 94_074_930


def test_a_process_that_counted_nothing_shows_its_own_words() -> None:
    with pytest.raises(ValueError, match="brk segment overflow"):
        instructions.collected("==7== brk segment overflow in thread #1")
    with pytest.raises(ValueError, match="counted nothing"):
        instructions.collected("==7== Collected : 0\n")


def test_without_valgrind_the_report_says_that_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    printed: list[str] = []
    testbed: Any = None  # nothing of it is needed
    section = instructions.measure(testbed, printed.append)
    assert section.note == printed[0] == NO_VALGRIND
    assert not section.findings


def candidate(name: str, rate: float, **counts: Any) -> Candidate:
    """A candidate that was measured with 16 clients."""
    measured = Results(seconds=1, answered_in_time=int(rate), **counts)
    return Candidate(name, start=pytest.fail, results={16: measured}, rates={16: [rate, rate * 9, 0]})


@pytest.mark.parametrize(
    ("stock_rate", "errors", "measured", "is_met", "gap"),
    [
        (100, {}, "3.0 × stock, no error", True, ""),
        (200, {}, "1.5 × stock, no error", False, "50% below"),
        (0, {}, "stock stalls, no error", True, ""),
        (100, {503: 2}, "3.0 × stock, 2 errors", False, "2 errors"),
    ],
)
def test_throughput_is_judged_by_its_median_and_by_its_errors(
    stock_rate: float, errors: dict[int, int], measured: str, is_met: bool, gap: str
) -> None:
    ours, stock = candidate("ours", 300, statuses=errors), candidate("stock", stock_rate)
    finding = Comparison("pool", [ours, stock], min_ratio=3).finding(16)
    assert (finding.measured, finding.is_met) == (measured, is_met)
    assert finding.gap == gap or is_met


def test_a_further_application_is_shown_but_not_judged() -> None:
    others = [candidate("stock", 100), candidate("psycopg", 200)]
    comparison = Comparison("TLS", [candidate("ours", 300), *others], min_ratio=2.4)
    assert comparison.finding(16).measured == "3.0 × stock, no error (1.5 × psycopg)"
    assert [row[1:3] + row[-1:] for row in comparison.rows(16)] == [
        ("ours", "300/s", ""),
        ("stock", "100/s", "3.0 ×"),
        ("psycopg", "200/s", "1.5 ×"),
    ]


def test_a_table_has_columns_as_wide_as_their_widest_cell() -> None:
    assert report.table(("what", "ms"), [("a list", "1")]) == [
        "| what   | ms |",
        "| ------ | --- |",
        "| a list | 1  |",
    ]


def report_of(findings: Sequence[Finding]) -> str:
    """The report with these findings."""
    section = Section("Lists", "How.", ("list", "ratio"), [("10", "0.5")], findings)
    return report.markdown([section], [("date", "today")], ["PGBOUNCER IS MISSING"])


def test_the_report_says_what_is_not_met_by_how_much_and_why() -> None:
    met = Finding.at_most("sign-in", 1.1, 1.2, reason="never told")
    missed = Finding.at_most("list", 0.3, 0.25, suffix=" (0.4 of the other)", reason="the database is slow")
    text = report_of([met, missed])
    assert "**PGBOUNCER IS MISSING**" in text
    assert "| sign-in | 1.10                    | ≤ 1.20 | yes |" in text
    assert "| list    | 0.30 (0.4 of the other) | ≤ 0.25 | NO  |" in text
    assert "- list (20% above): the database is slow.\n" in text
    assert "never told" not in text
    assert "the reason is not known" in report_of([Finding.at_most("list", 0.3, 0.25)])
    assert "Targets that are not met" not in report_of([met])


def test_a_machine_that_cannot_run_the_bundle_says_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "CAN_RUN_HERE", False)
    warnings: list[str] = []
    with ExitStack() as running:
        assert begin_bundles(running, warnings.append) is None
    assert warnings == ["only Python 3.13 on Linux x86_64 can run the bundle: COLD STARTS ARE LEFT OUT"]


@pytest.mark.skipif(not bundles.CAN_RUN_HERE, reason="only Python 3.13 on Linux x86_64 can run the bundle")
def test_a_bundle_that_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundles, "CHECKOUT", tmp_path)  # an empty folder
    with bundles.building_bundles() as making, pytest.raises(UserError, match=r"a bundle cannot be made: .*dev"):
        making.wait()


def test_the_time_of_an_import_is_counted_for_its_library() -> None:
    lines = [
        "import time: self [us] | cumulative | imported package",
        "import time:      2000 |       2000 |   encodings.aliases",
        "import time:       500 |       2500 |     fastapi.routing",
        "import time:       250 |        250 | fastapi",
        "import time:      1000 |       9000 | backend.main",
        "a warning of a library | with | bars",
    ]
    seconds = init_parts.by_part("\n".join(lines))
    assert {part: taken for part, taken in seconds.items() if taken} == {
        init_parts.REST: 0.002,
        "FastAPI, Starlette": 0.00075,
        "this project's modules": 0.001,
    }
