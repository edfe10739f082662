"""Measures variants in turns, so that other load on the machine affects all of them, and holds the results."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from benchmarks.charts import Chart


@dataclass(frozen=True)
class Finding:
    """A measured figure with a target. The report gives `gap` and `reason` when the target is not met."""

    what: str
    measured: str
    target: str
    is_met: bool
    gap: str = "see its table"
    reason: str = "the reason is not known"

    @classmethod
    def at_most(cls, what: str, ratio: float, limit: float, *, suffix: str = "", **more: str) -> Self:
        """A ratio whose target is at most `limit`. `suffix` is printed after the measured ratio."""
        gap = f"{ratio / limit - 1:.0%} above"
        return cls(what, f"{ratio:.2f}{suffix}", f"≤ {limit:.2f}", ratio <= limit, gap, **more)


@dataclass(frozen=True)
class Section:
    """A section of the report, with one table, and a chart where it has one. `note` says how it was measured."""

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    findings: Sequence[Finding] = field(default=())
    chart: Chart | None = None


def interleave(rounds: int, variants: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The median seconds of each variant. Every round runs all of them, and each round starts with another one."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    for name in names:
        variants[name]()  # the first call is slower and not measured
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.perf_counter()
            variants[name]()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def milliseconds(seconds: float) -> str:
    """A duration for a table, with about three digits."""
    value = seconds * 1000
    if value >= 100:
        return f"{value:.0f} ms"
    return f"{value:.1f} ms" if value >= 10 else f"{value:.2f} ms"
