"""Measuring side by side, so that whatever else the machine does falls on both; and writing down what was found."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Finding:
    """One figure that DESIGN.md sets a target for. `gap` and `reason` are told when it is not met."""

    what: str
    measured: str
    target: str
    is_met: bool
    gap: str = "see its table"
    reason: str = "the reason is not known"

    @classmethod
    def at_most(cls, what: str, ratio: float, limit: float, *, beside: str = "", **more: str) -> Self:
        """A ratio that is to be small. `beside` says what else is to be known of it."""
        gap = f"{ratio / limit - 1:.0%} above"
        return cls(what, f"{ratio:.2f}{beside}", f"≤ {limit:.2f}", ratio <= limit, gap, **more)


@dataclass(frozen=True)
class Section:
    """A table of the report. `note` says how it was measured."""

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    findings: Sequence[Finding] = field(default=())


def interleave(rounds: int, variants: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The median seconds of each variant. Each round runs all of them, each time another one first."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    for name in names:
        variants[name]()  # what a first time costs is not what is asked here
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.perf_counter()
            variants[name]()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def milliseconds(seconds: float) -> str:
    """A duration for a table: three digits are more than such a machine repeats."""
    value = seconds * 1000
    if value >= 100:
        return f"{value:.0f} ms"
    return f"{value:.1f} ms" if value >= 10 else f"{value:.2f} ms"
