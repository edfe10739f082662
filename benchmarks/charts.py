"""Draws the report's charts as SVG files that can be read on light and on dark pages."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from benchmarks.drivers import OURS, Driver

GREEN, ORANGE, PURPLE = "#2b8a6b", "#c2571a", "#7d5bb5"
COLORS: Mapping[str, str] = {
    OURS: GREEN,
    Driver.PSYCOPG: PURPLE,
    Driver.PG8000: ORANGE,
    Driver.PG8000_ONE_TLS_CONTEXT: ORANGE,
}
"""An application has the same colour in every chart. It can be told from the others and from both backgrounds."""
OTHER_COLORS = (GREEN, "#4a78b8", PURPLE, "#b3476d", ORANGE, "#8a6d1f", "#5d7a8c", "#7a7f87")
"""For other series, in their order."""
INK, PAPER = "#111213", "#fefdfc"
"""What is drawn in these becomes the colours of text and background that the reader's browser asks for."""
STYLE = """<style>
:root { color: #24292f; background: #ffffff; --paper: #ffffff }
@media (prefers-color-scheme: dark) { :root { color: #d5dae0; background: #0f141a; --paper: #0f141a } }
</style>"""
MOST_LEGEND_COLUMNS = 4
WIDTH_INCHES, LINES_INCHES, ROW_INCHES, FRAME_INCHES = 8.0, 2.9, 0.3, 1.3


@dataclass(frozen=True)
class Panel:
    """One diagram.

    :ivar kind: `dots` has a row for each of `x`; `stack` is one bar for each of `x`, made of all series
    :ivar x: the names of the rows or bars, or the numbers on the horizontal axis of lines
    :ivar series: the values by the name of what they belong to. None where there is none
    :ivar unit: of the values, for the axis
    :ivar logarithmic: which axes of lines are
    """

    kind: Literal["dots", "stack", "lines"]
    x: Sequence[str] | Sequence[float]
    series: Mapping[str, Sequence[float | None]]
    unit: str
    x_label: str = ""
    logarithmic: Literal["", "x", "xy"] = ""

    @property
    def inches(self) -> float:
        """Its height."""
        return LINES_INCHES if self.kind == "lines" else ROW_INCHES * len(self.x) * (1 + (self.kind == "stack"))


@dataclass(frozen=True)
class Chart:
    """A chart of the report.

    :ivar file: the file's name
    :ivar title: what the chart shows, as a sentence
    :ivar description: for a reader who cannot see it
    """

    file: str
    title: str
    description: str
    panels: Sequence[Panel]

    def draw(self, folder: Path) -> None:
        """Write the SVG file into the folder."""
        (folder / self.file).write_text(self.svg())

    def svg(self) -> str:
        """The chart. The same figures give the same text."""
        with mpl.rc_context():
            mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": self.file, "font.family": "sans-serif"})
            mpl.rcParams.update({"text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK})
            mpl.rcParams.update({"xtick.color": INK, "ytick.color": INK})
            heights = [panel.inches for panel in self.panels]
            figure = Figure((WIDTH_INCHES, sum(heights) + FRAME_INCHES), layout="constrained")
            all_axes = figure.subplots(len(self.panels), squeeze=False, height_ratios=heights)[:, 0]
            for axes, panel in zip(all_axes, self.panels, strict=True):
                _draw(axes, panel)
            _add_title_and_legend(all_axes[0], self.title, len(self.panels[0].series))
            out = io.StringIO()
            figure.savefig(out, format="svg", facecolor=PAPER, metadata={"Date": None, "Creator": None})
        return _adapting(out.getvalue(), self.title, self.description)


def _add_title_and_legend(axes: Axes, title: str, series: int) -> None:
    columns = MOST_LEGEND_COLUMNS if series <= MOST_LEGEND_COLUMNS else MOST_LEGEND_COLUMNS - 1
    lines = math.ceil(series / columns)
    axes.set_title(title, loc="left", x=0, pad=16 + 18 * lines, fontsize=12, fontweight="bold")
    place = (-0.01, 1.0)
    axes.legend(loc="lower left", bbox_to_anchor=place, ncols=columns, frameon=False, columnspacing=1.4)


def _draw(axes: Axes, panel: Panel) -> None:
    axes.set_facecolor(PAPER)
    axes.spines[["top", "right"]].set_visible(False)
    {"dots": _draw_dots, "stack": _draw_stack, "lines": _draw_lines}[panel.kind](axes, panel)
    axes.grid(axis="both" if panel.kind == "lines" else "x", color=INK, alpha=0.15, linewidth=0.6)
    axes.set_axisbelow(True)


def _color(name: str, number: int) -> str:
    return COLORS.get(name) or OTHER_COLORS[number % len(OTHER_COLORS)]


def _draw_dots(axes: Axes, panel: Panel) -> None:
    names = [str(each) for each in panel.x]
    rows = list(zip(*panel.series.values(), strict=True))
    for name, values in zip(names, rows, strict=True):
        known = [value for value in values if value is not None]
        axes.plot((min(known), max(known)), (name, name), color=INK, alpha=0.3, linewidth=1, zorder=1)
    for number, (label, series) in enumerate(panel.series.items()):
        points = [(value, name) for value, name in zip(series, names, strict=True) if value is not None]
        axes.scatter(
            [value for value, _ in points],
            [name for _, name in points],
            s=170,
            color=_color(label, number),
            label=label,
            zorder=2,
        )
        for value, name in points:
            axes.annotate(f"{value:g}", (value, name), ha="center", va="center_baseline", fontsize=8, color="#ffffff")
    axes.set_ylim(-0.6, len(names) - 0.4)
    _finish_rows(axes, panel)


def _draw_stack(axes: Axes, panel: Panel) -> None:
    names = [str(each) for each in panel.x]
    longest = max(sum(value or 0 for value in bar) for bar in zip(*panel.series.values(), strict=True))
    ends = [0.0] * len(names)
    for number, (label, values) in enumerate(panel.series.items()):
        lengths = [value or 0 for value in values]
        bars = axes.barh(names, lengths, 0.66, left=ends, color=_color(label, number), label=label)
        ends = [end + length for end, length in zip(ends, lengths, strict=True)]
        labels = [f"{length:.0f}" if length > longest * 0.03 else "" for length in lengths]
        axes.bar_label(bars, labels, label_type="center", fontsize=8, color="#ffffff")
    for name, end in zip(names, ends, strict=True):
        axes.annotate(f"{end:.0f}", (end, name), xytext=(4, 0), textcoords="offset points", va="center", weight="bold")
    axes.set_ylim(-0.5, len(names) - 0.5)
    _finish_rows(axes, panel)


def _finish_rows(axes: Axes, panel: Panel) -> None:
    axes.invert_yaxis()
    axes.set_xlabel(panel.unit)
    axes.set_xlim(0, axes.get_xlim()[1] * 1.03)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _draw_lines(axes: Axes, panel: Panel) -> None:
    numbers = [float(each) for each in panel.x]
    ends: dict[float, float] = {}
    lines = [
        [(x, value) for x, value in zip(numbers, values, strict=True) if value is not None]
        for values in panel.series.values()
    ]
    for number, (label, points) in enumerate(zip(panel.series, lines, strict=True)):
        axes.plot(*zip(*points, strict=True), color=_color(label, number), marker="o", linewidth=2.2, label=label)
        x, value = points[-1]
        ends[x] = max(value, ends.get(x, value))
    for number, (label, points) in enumerate(zip(panel.series, lines, strict=True)):
        x, value = points[-1]
        above_or_below = 6 if value in (0, ends[x]) else -14
        axes.annotate(
            f"{value:,.3g}",
            (x, value),
            xytext=(0, above_or_below),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=_color(label, number),
        )
    if panel.logarithmic:
        axes.set_xscale("log")
        axes.minorticks_off()
    if panel.logarithmic == "xy":
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:,g}")
    else:
        axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
    axes.set_xticks(numbers, [f"{number:,g}" for number in numbers])
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.unit)


def _adapting(svg: str, title: str, description: str) -> str:
    """Matplotlib's SVG with colours that follow the reader's light or dark mode, and with a name for screen readers."""
    svg = svg[svg.index("<svg") :]
    svg = svg.replace(INK, "currentColor").replace(PAPER, "var(--paper)")
    label = f"<title>{_escaped(title)}</title><desc>{_escaped(description)}</desc>"
    return re.sub(r"(<svg[^>]*>)", lambda found: f'{found[1][:-1]} role="img">{label}{STYLE}', svg, count=1)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
