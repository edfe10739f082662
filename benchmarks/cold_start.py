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

MAX_RATIO_TO_SAM_DEFAULT = 0.28
MAX_RATIO_TO_WARM_REQUEST = 1.5
MAX_RATIO_TO_LIBRARIES = 1.1
WARM_INVOCATIONS = 20
ISOLATED_PYTHON = (sys.executable, "-S")
"""Python without this environment's packages."""
IMPORT = "import backend.main"
NO_CERTIFICATES = "import ssl; context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)"
CERTIFICATES = f"{NO_CERTIFICATES}; context.load_default_certs()"
"""What the import also does when DATABASE_CA_FILE is not set: load the system's CA certificates."""
WHY_CERTIFICATES = (
    "a file of certificates is parsed as a whole. If the start did not do it, the first connection would have to."
    " DATABASE_CA_FILE avoids it, with a file that has only the root certificate of Neon's chain"
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
        " are subtracted. The instructions for reading the system's CA certificates are counted separately and added.",
        ("what", testbed.ours.name, "against", "which takes", "ratio"),
        [*start_rows, *import_rows, _megabytes(f"size, unzipped ({zipped} zipped)", our_size, default_size)],
        [*start_findings, *import_findings],
    )


def _starts(
    testbed: Testbed, log_progress: Callable[[str], None], bundles: Bundles, variables: Mapping[str, str]
) -> tuple[list[tuple[str, ...]], list[Finding]]:
    ours, sam_default, libraries = Starts(), Starts(), Starts()
    warms, rounds = [], testbed.budget.starts
    for turn in range(rounds):
        for starts, folder in ((ours, bundles.ours), (sam_default, bundles.sam_default)):
            with LambdaInstance(folder, variables, python=ISOLATED_PYTHON, path=(bundles.runtime,)) as instance:
                starts.inits.append(instance.init_seconds)
                starts.firsts.append(_seconds(instance))
                starts.peak_megabytes = max(starts.peak_megabytes, _peak_megabytes(instance))
                if starts is ours:
                    warms.append(statistics.median(_seconds(instance) for _ in range(WARM_INVOCATIONS)))
        path = (bundles.ours, bundles.runtime)
        with LambdaInstance(
            bundles.libraries_alone, {}, handler="function.handler", python=ISOLATED_PYTHON, path=path
        ) as instance:
            libraries.inits.append(instance.init_seconds)
        our_time, default_time = (milliseconds(each.inits[-1] + each.firsts[-1]) for each in (ours, sam_default))
        log_progress(f"cold start, round {turn + 1} of {rounds}: {our_time} against {default_time}")
    first, warm = statistics.median(ours.firsts), statistics.median(warms)
    to_sam_default, to_warm = ours.whole / sam_default.whole, first / warm
    to_libraries = ours.init / libraries.init
    rows: list[tuple[str, ...]] = [
        _row("INIT and first response", ours.whole, "SAM's default", sam_default.whole),
        _row("INIT", ours.init, "SAM's default", sam_default.init),
        _row("INIT", ours.init, "the libraries alone", libraries.init),
        _row("first request", first, "a warm one", warm),
        _megabytes("peak memory", ours.peak_megabytes, sam_default.peak_megabytes),
    ]
    why = (
        f"the libraries alone take {libraries.init / sam_default.whole:.2f} of SAM's default. This project's INIT takes"
        f" {to_libraries:.2f} times as long as they do; the rest is the first request"
    )
    why_first = (
        f"{milliseconds(first - warm)} more. Nearly all of its code runs for the first time, and SCRAM derives a key"
        " from the password, which later connections take from a cache. Before there was this cache, the ratio was 1.35"
    )
    return rows, [
        Finding.at_most(
            "INIT and first response, of SAM's default", to_sam_default, MAX_RATIO_TO_SAM_DEFAULT, reason=why
        ),
        Finding.at_most("first request, of a warm one", to_warm, MAX_RATIO_TO_WARM_REQUEST, reason=why_first),
    ]


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
    what = "import, in instructions"
    if not shutil.which("valgrind"):
        log_progress(NO_VALGRIND)
        return [(what, NO_VALGRIND, "", "", "")], []
    log_progress("cold start: counting the instructions of the imports (half a minute)")
    system = {"SSL_CERT_FILE": str(testbed.ca_bundle)} if testbed.ca_bundle else {}
    with ThreadPoolExecutor(os.cpu_count()) as counters:
        runs: Sequence[tuple[str, Mapping[str, str]]]
        runs = (
            (IMPORT, variables),
            (LIBRARIES_ALONE, {}),
            (CERTIFICATES, system),
            (NO_CERTIFICATES, system),
            ("pass", {}),
        )
        waiting = [counters.submit(count_instructions, bundles.ours, *run) for run in runs]
        everything, stack, certificates, no_certificates, nothing = (each.result() for each in waiting)
    libraries, with_one = stack - nothing, everything - nothing
    with_all = with_one + certificates - no_certificates
    log_progress(f"cold start: {_millions(with_one)} instructions, {with_one / libraries:.2f} of the libraries alone")
    variants = ("one CA certificate (DATABASE_CA_FILE)", with_one), ("all of the system's CA certificates", with_all)
    rows: list[tuple[str, ...]] = []
    findings = []
    for certificates_read, ours in variants:
        row = f"{what}, {certificates_read}"
        rows.append((row, _millions(ours), "the libraries alone", _millions(libraries), f"{ours / libraries:.2f}"))
        findings.append(Finding.at_most(row, ours / libraries, MAX_RATIO_TO_LIBRARIES, reason=WHY_CERTIFICATES))
    return rows, findings


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
