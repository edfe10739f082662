"""Writes the measurements as Markdown, for docs/benchmarks.md, the README and the terminal."""

import os
import platform
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import Section, milliseconds
from benchmarks.testbed import Testbed
from tests.support.database_copy import DatabaseCopy

PACKAGES = (
    *("fastapi", "starlette", "pydantic", "mangum", "sqlmodel", "sqlalchemy", "pg8000", "uvicorn", "argon2-cffi"),
    "psycopg",
)

TARGETS = re.compile(r"## Targets\n\n((?:\|.*\n)+)")
IN_README = re.compile(r"<!-- targets -->.*?<!-- end -->", re.DOTALL)

CHARTS = "charts"
"""The folder of the charts, beside the report."""

INTRODUCTION = """\
Written by `make bench`. The sides of a row are measured in turns in one run, so that other load on the machine affects
all of them. Compare the ratios: the times depend on the machine.

“Stock” is the same API without this project's optimisations: pg8000 as it comes, with `ssl_context=True`, ORM rows,
`response_model`, dependencies with `yield` (`benchmarks/stock.py`; a test proves that it gives the same answers). With
`ssl_context=True`, and also by default, pg8000 makes a TLS context for every connection. That reads all of the system's
CA certificates, and verifies nothing with them. “Stock, one TLS context” is the same application with one verifying
context for the process, as SQLAlchemy's documentation of pg8000 shows. “psycopg 3” is the same application on
`psycopg[binary]`, which verifies too. This project verifies the certificate and the host name of every connection."""


def markdown(sections: Sequence[Section], circumstances: Sequence[tuple[str, str]], warnings: Sequence[str]) -> str:
    """The whole report, as Markdown."""
    findings = [finding for section in sections for finding in section.findings]
    lines = ["# Benchmarks", "", INTRODUCTION, ""]
    for warning in warnings:
        lines += [f"**{warning}**", ""]
    verdicts = [(each.what, each.measured, each.target, "yes" if each.is_met else "NO") for each in findings]
    lines += ["## Targets", "", *table(("what", "measured", "target", "met"), verdicts), ""]
    if missed := [each for each in findings if not each.is_met]:
        lines += ["Targets that are not met, how far the figure is from the target, and why:", ""]
        lines += [*(f"- {each.what} ({each.gap}): {each.reason}." for each in missed), ""]
    for section in sections:
        lines += [f"## {section.title}", "", section.note, ""]
        if section.chart:
            lines += [f"![{section.chart.description}]({CHARTS}/{section.chart.file})", ""]
        lines += [*table(section.columns, section.rows), ""]
    lines += ["## Circumstances", "", *table(("", ""), circumstances), ""]
    return "\n".join(lines)


def draw_charts(sections: Sequence[Section], folder: Path) -> None:
    """Write the charts into the folder, and remove those of earlier reports."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for section in sections:
        if section.chart:
            section.chart.draw(folder)


def with_targets(readme: str, report: str) -> str:
    """The README with its table of targets replaced by the report's."""
    table_of_targets = TARGETS.search(report)
    assert table_of_targets is not None
    return IN_README.sub(lambda _: f"<!-- targets -->\n\n{table_of_targets[1]}\n<!-- end -->", readme)


def circumstances(testbed: Testbed, *, load_before: float) -> list[tuple[str, str]]:
    """Date, machine and versions of a measurement."""
    return [
        *machine(testbed.ours.database, load_before=load_before),
        ("PgBouncer", _pgbouncer_version() if testbed.pooler else "missing"),
        ("CA certificates", _ca_certificates(testbed.ca_bundle)),
        ("packages", ", ".join(f"{package} {version(package)}" for package in PACKAGES)),
    ]


def machine(database: DatabaseCopy, *, load_before: float) -> list[tuple[str, str]]:
    """Date, machine, and versions of Python and PostgreSQL."""
    [[[server_version]]] = database.query("show server_version")
    return [
        ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("machine", f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"),
        ("load before and after", f"{load_before:.1f} and {os.getloadavg()[0]:.1f} (1 minute)"),
        ("Python", platform.python_version()),
        ("PostgreSQL", f"{server_version}, fsync off"),
    ]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table whose columns are aligned."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (columns, *rows)]
    lines.insert(1, ["-" * max(width, 3) for width in widths])
    return [f"| {' | '.join(line)} |" for line in lines]


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _ca_certificates(bundle: Path | None) -> str:
    if bundle is None:
        return "one file each, which OpenSSL reads when it needs it"
    started = time.perf_counter()
    context = ssl.create_default_context(cafile=str(bundle))
    taken = milliseconds(time.perf_counter() - started)
    return f"{context.cert_store_stats()['x509']} in {bundle}, read in {taken}"


def _pgbouncer_version() -> str:
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert program is not None
    output = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return output.split()[1]
