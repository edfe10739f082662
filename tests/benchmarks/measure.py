"""Measuring side by side, so that whatever else the machine does falls on both; and writing down what was found."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """One figure that DESIGN.md sets a target for."""

    what: str
    measured: str
    target: str
    is_met: bool


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
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms"
