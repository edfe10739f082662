"""The charts of the benchmark: what is drawn, in colours that follow the reader's light or dark mode."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.charts import COLORS, INK, PAPER, Chart, Panel
from benchmarks.measure import Section
from dev.paths import CHECKOUT

OURS, PEER = "this project", "psycopg 3"
DOTS = Panel("dots", ["list", "get"], {OURS: [5, 6], PEER: [11, None]}, "round trips")
STACK = Panel("stack", ["ours", "default"], {"A": [100.4, 300], "B & C": [1, 50]}, "ms")
LINES = Panel("lines", [1, 16, 100], {OURS: [1.5, 2, 777], PEER: [3, 4, None]}, "ms", "clients", logarithmic="xy")
SVG = "{http://www.w3.org/2000/svg}"


def chart(*panels: Panel, title: str = "How often") -> Chart:
    return Chart("a.svg", title, "Dots & lines", panels)


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("panel", "shown"),
    [
        (DOTS, ["list", "get", "5", "6", "11", OURS, PEER, "round trips"]),
        (STACK, ["ours", "default", "100", "300", "101", "350", "A", "B & C", "ms"]),
        (LINES, ["1", "16", "100", "777", "4", OURS, PEER, "ms", "clients"]),
    ],
    ids=["dots", "stack", "lines"],
)
def test_a_chart_shows_its_figures_and_names_as_text(panel: Panel, shown: list[str]) -> None:
    assert {*shown, "How often"} <= set(texts(chart(panel).svg()))


def test_a_chart_follows_the_readers_light_or_dark_mode() -> None:
    svg = chart(DOTS, LINES).svg()
    assert "prefers-color-scheme: dark" in svg
    assert "currentColor" in svg
    assert INK not in svg
    assert PAPER not in svg


def test_an_application_has_the_same_color_in_every_chart() -> None:
    assert COLORS[PEER] in chart(DOTS).svg()
    assert COLORS[PEER] in chart(LINES).svg()


def test_a_chart_has_a_name_for_screen_readers() -> None:
    root = ET.fromstring(chart(DOTS, title="A < B").svg())
    assert (root.get("role"), root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc")) == (
        "img",
        "A < B",
        "Dots & lines",
    )


def test_the_same_figures_give_the_same_file() -> None:
    assert chart(DOTS, LINES).svg() == chart(DOTS, LINES).svg()


def test_the_report_shows_its_charts_and_removes_old_ones(tmp_path: Path) -> None:
    (tmp_path / "old.svg").touch()
    section = Section("Lists", "How.", ("list",), [("10",)], chart=chart(DOTS))
    report.draw_charts([section, Section("Other", "How.", ("a",), [("1",)])], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
    assert "How.\n\n![Dots & lines](charts/a.svg)\n" in report.markdown([section], [("date", "today")], [])


def test_every_chart_is_in_the_report_and_two_are_in_the_readme() -> None:
    shown = (CHECKOUT / "docs" / "benchmarks.md").read_text()
    drawn = {path.name for path in (CHECKOUT / "docs" / report.CHARTS).iterdir()}
    assert drawn == {"round-trips.svg", "network-delay.svg", "list-length.svg", "throughput.svg", "init.svg"}
    assert all(f"]({report.CHARTS}/{name})" in shown for name in drawn)
    readme = (CHECKOUT / "README.md").read_text()
    assert all(f"](docs/{report.CHARTS}/{name})" in readme for name in ("round-trips.svg", "network-delay.svg"))
