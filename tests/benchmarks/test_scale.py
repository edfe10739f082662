"""What `make scale` calculates and refuses; and, with few rows, that it runs to its end and tells the truth."""

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.clients import Results
from benchmarks.scale.__main__ import REPORT, run
from benchmarks.scale.data import TASKS, Contents, fill, row_id
from benchmarks.scale.databases import refuse_small_disk
from benchmarks.scale.document import markdown
from benchmarks.scale.limits import (
    GATEWAY_QUOTA,
    RATES,
    THROTTLE_RATE,
    Measured,
    first_to_give_way,
    limits,
    section,
)
from benchmarks.scale.operations import LIST_OF_1000, WITH_TARGET, Timings
from benchmarks.scale.operations import section as operations_section
from benchmarks.scale.prices import MEMORY_MEGABYTES, Request, dollars_per_million
from benchmarks.scale.simulation import is_right
from benchmarks.scale.size import DEFAULT, Size
from dev.paths import CHECKOUT
from dev.user_error import UserError
from tests.postgres.test_round_trips import OPERATIONS
from tests.support.database_copy import DatabaseCopy
from tests.support.pooler import require_pgbouncer
from tests.support.task_totals import wrong_totals

FEW = Size(
    users=300,
    rounds=9,
    long_lists=2,
    cpu_requests=8,
    hot_seconds=0.4,
    instances=(2, 6),
    simulation_seconds=0.5,
    held={"rate": 0.05, "overload": 6.0},
)
TITLES = [
    "What grows with what",
    "What gives way first",
    "The hot rows",
    "More instances than server connections",
    "Which lever, in which order",
    "What would have to change in the code beyond that",
    "Circumstances",
]


def titles(text: str) -> list[str]:
    """The headings of a document."""
    return re.findall(r"^## (.*)$", text, re.MULTILINE)


def test_a_small_disk_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"10 GB of free disk.* has 9\.9 GB.*TMPDIR"):
        refuse_small_disk(tmp_path, lambda _: 9_900_000_000)
    refuse_small_disk(tmp_path, lambda _: 10_000_000_000)


def test_the_full_size_is_what_the_document_promises() -> None:
    contents = Contents(DEFAULT.users, DEFAULT.long_lists)
    assert contents.users == 500_000
    assert contents.tasks >= 10_000_000
    assert contents.sign_ins >= 1_000_000


def test_a_million_requests_cost_what_the_prices_say() -> None:
    cost = dollars_per_million(Request(seconds=0.006, round_trips=4, log_bytes=2000, answer_bytes=10_000))
    assert cost == pytest.approx(
        {
            "Lambda, requests": 0.20,
            "Lambda, duration": 10_000 * 1769 / 1024 * 0.0000166667,
            "HTTP API": 1.00,
            "CloudWatch Logs": 1.00,
            "data transfer out": 0.90,
        }
    )


def parameter(name: str) -> str:
    """The lines of a parameter in template.yaml."""
    found = re.search(rf"^  {name}:\n((?:    .*\n)+)", (CHECKOUT / "template.yaml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_calculation_uses_the_values_of_the_template() -> None:
    assert f"Default: {THROTTLE_RATE}\n" in parameter("ThrottleRate")
    assert f"MaxValue: {GATEWAY_QUOTA} " in parameter("ThrottleRate")
    assert f"Default: {MEMORY_MEGABYTES} " in parameter("MemorySize")


@pytest.mark.parametrize(
    ("measured", "rate", "first"),
    [
        (Measured(0.01, 0.0001), 100, None),
        (Measured(0.01, 0.0001), 501, "API Gateway's throttling, requests/s"),
        (Measured(0.01, 0.001), 1000, "processors of the smallest compute"),
        (Measured(20.0, 0.0001), 100, "Lambda's concurrency"),
    ],
)
def test_the_limit_that_gives_way_first_is_named(measured: Measured, rate: float, first: str | None) -> None:
    found = first_to_give_way(measured, rate)
    assert (found.name if found else None) == first


def test_a_need_above_its_limit_is_bold_and_has_a_lever() -> None:
    measured = Measured(seconds=0.01, database_cpu_seconds=0.001)
    table = section(measured)
    assert all(each.lever for each in limits(measured))
    throttling = next(row for row in table.rows if row[0].startswith("API Gateway's throttling"))
    assert throttling[1 : 1 + len(RATES)] == ("100", "**1,000**", "**10,000**")
    assert "- **100/s**: nothing." in table.note


def test_an_operation_slower_than_its_target_is_told() -> None:
    medians = {name: {"empty": 0.010, "full": 0.013} for name in (LIST_OF_1000, *OPERATIONS)}
    medians["toggle"] = {"empty": 0.010, "full": 0.0131}
    table = operations_section(Timings(medians, {"empty": 0.001, "full": 0.001}), 10_000_000, DEFAULT)
    verdicts = {row[0]: row[-1] for row in table.rows if row[-1]}
    assert verdicts == {**dict.fromkeys(WITH_TARGET, "yes"), "toggle": "NO"}


@pytest.mark.parametrize(
    ("stored", "right"),
    [(9, False), (10, True), (12, True), (13, False)],
    ids=["one is lost", "confirmed ones", "and unknown ones", "and a refused one"],
)
def test_a_simulation_is_right_if_no_task_is_lost_or_doubled(stored: int, right: bool) -> None:
    results = Results(unanswered=1, retry_after=3)
    results.statuses.update({201: 10, 503: 4})
    assert is_right(results, stored) is right


def test_a_filled_database_has_right_totals_and_known_ids(fresh_database: DatabaseCopy) -> None:
    contents = Contents(users=30, long_lists=2)
    fill(fresh_database, contents, lambda _: None)
    with fresh_database.connect_as_owner() as owner:
        [[tasks]] = owner.run("select count(*) from tasks")
        [[sign_ins]] = owner.run("select count(*) from refresh_tokens")
        [[most]] = owner.run("select max(tasks) from task_totals")
        [[emails]] = owner.run(
            "select array_agg(distinct email) from tasks join users u on u.id = user_id where tasks.id = any(:ids)",
            ids=[row_id(TASKS + 7), row_id(TASKS + contents.users + 7)],
        )
        assert wrong_totals(owner) == []
    assert (tasks, sign_ins, most) == (contents.tasks, contents.sign_ins, 1000)
    assert emails == ["user7@example.com"]


def test_the_document_is_what_this_code_writes() -> None:
    """Its sections, its operations and its text; the figures are another run's each time."""
    written = REPORT.read_text()
    frame = markdown([], [("", "")])
    assert titles(written)[1:] == TITLES
    assert frame.partition("## Circumstances")[0].strip() in written.replace(
        written[written.index("## Every") : written.index("## Which lever")], ""
    )
    for name in (LIST_OF_1000, *OPERATIONS):
        assert f"\n| {name} " in written
    for limit in limits(Measured(0.01, 0.001)):
        assert f"\n| {limit.name} " in written
    assert "10,040,000 tasks" in titles(written)[0]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_whole_measurement_writes_its_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_pgbouncer()
    pytest.importorskip("awslambdaric", reason="AWS publishes Lambda's runtime client for Linux only")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    lines: list[Any] = []
    run(FEW, tmp_path / "scaling.md", lines.append)
    text = (tmp_path / "scaling.md").read_text()
    assert titles(text) == ["Every operation on 8,000 tasks", *TITLES]
    for name in (LIST_OF_1000, *OPERATIONS):
        assert f"\n| {name} " in text
    simulation = text.partition("## More instances")[2].partition("## Which lever")[0]
    assert re.search(r"^\| 6 +\| 6000 ms .*4 × 201, 2 × 503.* yes", simulation, re.MULTILINE)
    assert "| NO " not in simulation
    assert any("of log" in line for line in lines)
