"""The findings as text: the same tables for the terminal and for docs/benchmarks.md."""

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

from benchmarks.laboratory import Laboratory
from benchmarks.measure import Section, milliseconds

PACKAGES = ("fastapi", "starlette", "pydantic", "mangum", "sqlmodel", "sqlalchemy", "pg8000", "uvicorn", "argon2-cffi")

TARGETS = re.compile(r"## Targets\n\n((?:\|.*\n)+)")
IN_README = re.compile(r"<!-- targets -->.*?<!-- end -->", re.DOTALL)

INTRODUCTION = """\
Written by `make bench`. Both sides of a row were measured by turns in one run, so that whatever else the machine did
fell on both: the ratios are what counts.

What is compared with, “stock”, is the same API written the plain way: stock pg8000 with `ssl_context=True`, ORM rows,
`response_model`, yield dependencies (`benchmarks/stock.py`; a test proves that it answers alike). Told that, or
nothing of TLS at all, pg8000 makes a TLS context for every connection, which reads all of the system's CA certificates,
and verifies nothing with them. “Stock, one TLS context” is the same application with one verifying context for the
process, as SQLAlchemy's documentation of pg8000 shows it. The targets are judged against the first; the figure against
the second stands beside it. This project verifies the certificate and the host's name of every connection."""


def markdown(sections: Sequence[Section], circumstances: Sequence[tuple[str, str]], warnings: Sequence[str]) -> str:
    """The whole report."""
    findings = [finding for section in sections for finding in section.findings]
    lines = ["# Benchmarks", "", INTRODUCTION, ""]
    for warning in warnings:
        lines += [f"**{warning}**", ""]
    verdicts = [(each.what, each.measured, each.target, "yes" if each.is_met else "NO") for each in findings]
    lines += ["## Targets", "", *table(("what", "measured", "target", "met"), verdicts), ""]
    if missed := [each for each in findings if not each.is_met]:
        lines += ["What is not met, how far it is from its target, and why:", ""]
        lines += [*(f"- {each.what} ({each.gap}): {each.reason}." for each in missed), ""]
    for section in sections:
        lines += [f"## {section.title}", "", section.note, "", *table(section.columns, section.rows), ""]
    lines += ["## Circumstances", "", *table(("", ""), circumstances), ""]
    return "\n".join(lines)


def with_targets(readme: str, report: str) -> str:
    """The README, with the report's table of targets where its own was."""
    table_of_targets = TARGETS.search(report)
    assert table_of_targets is not None
    return IN_README.sub(lambda _: f"<!-- targets -->\n\n{table_of_targets[1]}\n<!-- end -->", readme)


def circumstances(laboratory: Laboratory, *, load_before: float) -> list[tuple[str, str]]:
    """Where and when it was measured."""
    [[[server_version]]] = laboratory.ours.database.query("show server_version")
    return [
        ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("machine", f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"),
        ("load before and after", f"{load_before:.1f} and {os.getloadavg()[0]:.1f} (1 minute)"),
        ("Python", platform.python_version()),
        ("PostgreSQL", f"{server_version}, fsync off"),
        ("PgBouncer", _pgbouncer_version() if laboratory.pooler else "missing"),
        ("CA certificates", _ca_certificates(laboratory.ca_bundle)),
        ("packages", ", ".join(f"{package} {version(package)}" for package in PACKAGES)),
    ]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table whose text is to be read as well."""
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
        return "each in a file of its own, which OpenSSL reads when it needs it"
    started = time.perf_counter()
    context = ssl.create_default_context(cafile=str(bundle))
    taken = milliseconds(time.perf_counter() - started)
    return f"{context.cert_store_stats()['x509']} in {bundle}, read in {taken}"


def _pgbouncer_version() -> str:
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert program is not None
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return told.split()[1]
