"""Measures the start of a Lambda instance, compared with SAM's default bundle and with importing the libraries alone.

Wall time depends on the machine and its load, so the variants run in turns, and only the ratios can be compared.
Instruction counts (valgrind's callgrind) are the same in every run.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bundles import LIBRARIES_ALONE, Bundles
from benchmarks.measure import Finding, Section, milliseconds
from benchmarks.server import environment
from benchmarks.testbed import Testbed
from dev.bundle.verify import size_bytes
from dev.local_lambda.events import http_event
from dev.local_lambda.runtime_api import LambdaInstance

MAX_RATIO_TO_SAM_DEFAULT = 0.26
MAX_RATIO_TO_LIBRARIES = 1.1
ISOLATED_PYTHON = (sys.executable, "-S")
"""Python without this environment's packages."""
IMPORT = "import backend.main"
NO_CERTIFICATES = "import ssl; context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)"
CERTIFICATES = f"{NO_CERTIFICATES}; context.load_default_certs()"
"""What the import would also do if the bundle had no folder of CA certificates: load the system's file of them."""
CA_FILE = "DATABASE_CA_FILE"
"""Without this variable the bundle trusts the CA certificates in its own folder, as it does by default."""
WHY_LIBRARIES = (
    "the rest is pydantic-settings, Powertools, python-jose, passlib, the routes, the tables and the settings"
)
NO_VALGRIND = "valgrind is missing (apt install valgrind): NO INSTRUCTIONS ARE COUNTED"


@dataclass
class Starts:
    """The seconds of each start of a function: INIT, until it takes events, and from then until its first answer."""

    inits: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    peak_megabytes: float = 0

    @property
    def init(self) -> float:
        """The median of INIT."""
        return statistics.median(self.inits)

    @property
    def whole(self) -> float:
        """The median of INIT and first answer together."""
        return statistics.median(map(sum, zip(self.inits, self.firsts, strict=True)))


def measure(testbed: Testbed, log_progress: Callable[[str], None], bundles: Bundles) -> Section:
    """Measure starts, imports and sizes."""
    variables = environment(testbed.through_pooler(testbed.ours))
    before = bundles.files()
    start_rows, start_findings = _starts(testbed, log_progress, bundles, variables)
    import_rows, import_findings = _imports(testbed, log_progress, bundles, variables)
    assert bundles.files() == before, "the bundles were not read-only"
    our_size, default_size = (size_bytes(folder) / 1e6 for folder in (bundles.ours, bundles.sam_default))
    zipped = f"{bundles.zipped_bytes() / 1e6:.1f} MB"
    return Section(
        "Cold start",
        "The bundle of `make build`, run by Lambda's runtime client, with the database behind PgBouncer with TLS and"
        " SCRAM. The first request is `GET /api/health`. “SAM's default” is the same code as SAM's default builder"
        " packs it: all sources, no bytecode, all file times of 1980. “The libraries alone” is a function that does"
        " nothing but import FastAPI, Mangum, SQLModel and pg8000 from our bundle, with bytecode. Medians of"
        f" {testbed.budget.starts} rounds. callgrind counts the instructions; those of a Python that imports nothing"
        " are subtracted. The import trusts the bundle's folder of CA certificates, which is the default. What it would"
        " take to read the system's file of them instead is counted separately and added.",
        ("what", testbed.ours.name, "against", "which takes", "ratio"),
        [*start_rows, *import_rows, _megabytes(f"size, unzipped ({zipped} zipped)", our_size, default_size)],
        [*start_findings, *import_findings],
    )


def _starts(
    testbed: Testbed, log_progress: Callable[[str], None], bundles: Bundles, variables: Mapping[str, str]
) -> tuple[list[tuple[str, ...]], list[Finding]]:
    ours, sam_default, libraries = Starts(), Starts(), Starts()
    rounds = testbed.budget.starts
    for turn in range(rounds):
        for starts, folder in ((ours, bundles.ours), (sam_default, bundles.sam_default)):
            with LambdaInstance(folder, variables, python=ISOLATED_PYTHON, path=(bundles.runtime,)) as instance:
                starts.inits.append(instance.init_seconds)
                starts.firsts.append(_seconds(instance))
                starts.peak_megabytes = max(starts.peak_megabytes, _peak_megabytes(instance))
        path = (bundles.ours, bundles.runtime)
        with LambdaInstance(
            bundles.libraries_alone, {}, handler="function.handler", python=ISOLATED_PYTHON, path=path
        ) as instance:
            libraries.inits.append(instance.init_seconds)
        our_time, default_time = (milliseconds(each.inits[-1] + each.firsts[-1]) for each in (ours, sam_default))
        log_progress(f"cold start, round {turn + 1} of {rounds}: {our_time} against {default_time}")
    to_sam_default, to_libraries = ours.whole / sam_default.whole, ours.init / libraries.init
    rows: list[tuple[str, ...]] = [
        _row("INIT and first response", ours.whole, "SAM's default", sam_default.whole),
        _row("INIT", ours.init, "SAM's default", sam_default.init),
        _row("INIT", ours.init, "the libraries alone", libraries.init),
        _megabytes("peak memory", ours.peak_megabytes, sam_default.peak_megabytes),
    ]
    why = (
        f"the libraries alone take {libraries.init / sam_default.whole:.2f} of SAM's default. This project's INIT takes"
        f" {to_libraries:.2f} times as long as they do; the rest is the first request"
    )
    what = "INIT and first response, of SAM's default"
    return rows, [Finding.at_most(what, to_sam_default, MAX_RATIO_TO_SAM_DEFAULT, reason=why)]


def _row(what: str, takes: float, against: str, other: float) -> tuple[str, ...]:
    return what, milliseconds(takes), against, milliseconds(other), f"{takes / other:.2f}"


def _megabytes(what: str, ours: float, sam_default: float) -> tuple[str, ...]:
    return what, f"{ours:.1f} MB", "SAM's default", f"{sam_default:.1f} MB", f"{ours / sam_default:.2f}"


def _seconds(instance: LambdaInstance) -> float:
    event = http_event("GET", "/api/health")
    started = time.perf_counter()
    answer = instance.invoke(event)
    assert answer.value["statusCode"] == 200, answer
    return time.perf_counter() - started


def _peak_megabytes(instance: LambdaInstance) -> float:
    status = Path(f"/proc/{instance.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in status.splitlines() if line.startswith("VmHWM"))


def _imports(
    testbed: Testbed, log_progress: Callable[[str], None], bundles: Bundles, variables: Mapping[str, str]
) -> tuple[list[tuple[str, ...]], list[Finding]]:
    what = "import of the bundle, in instructions"
    if not shutil.which("valgrind"):
        log_progress(NO_VALGRIND)
        return [(what, NO_VALGRIND, "", "", "")], []
    log_progress("cold start: counting the instructions of the imports (half a minute)")
    system = {"SSL_CERT_FILE": str(testbed.ca_bundle)} if testbed.ca_bundle else {}
    default = {name: value for name, value in variables.items() if name != CA_FILE}
    with ThreadPoolExecutor(os.cpu_count()) as counters:
        runs: Sequence[tuple[str, Mapping[str, str]]]
        runs = (
            (IMPORT, default),
            (LIBRARIES_ALONE, {}),
            (CERTIFICATES, system),
            (NO_CERTIFICATES, system),
            ("pass", {}),
        )
        waiting = [counters.submit(count_instructions, bundles.ours, *run) for run in runs]
        everything, stack, certificates, no_certificates, nothing = (each.result() for each in waiting)
    ours, libraries = everything - nothing, stack - nothing
    log_progress(f"cold start: {_millions(ours)} instructions, {ours / libraries:.2f} of the libraries alone")
    variants = (
        (what, ours),
        (f"{what}, with the system's file of CA certificates", ours + certificates - no_certificates),
    )
    rows: list[tuple[str, ...]] = [
        (variant, _millions(taken), "the libraries alone", _millions(libraries), f"{taken / libraries:.2f}")
        for variant, taken in variants
    ]
    return rows, [Finding.at_most(what, ours / libraries, MAX_RATIO_TO_LIBRARIES, reason=WHY_LIBRARIES)]


def count_instructions(bundle: Path, code: str, variables: Mapping[str, str]) -> int:
    """The number of instructions with which a new Python process runs `code`. It can only import from `bundle`."""
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *ISOLATED_PYTHON, "-B", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=bundle.parent,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(bundle), "PYTHONHASHSEED": "0", **variables},
    )
    return next(int(line.split()[-1]) for line in run.stderr.splitlines() if "Collected" in line)


def _millions(instructions: int) -> str:
    return f"{instructions / 1e6:,.0f} million"
