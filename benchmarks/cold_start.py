"""What starting a new Lambda instance costs, against the same code as SAM packs it, and against its libraries alone.

Wall time depends on the machine and on who else uses it, so what is compared is run in turns and only ratios mean
anything; instructions (valgrind's callgrind) are the same in every run.
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

from benchmarks.bundles import STACK_ALONE, Bundles
from benchmarks.laboratory import Laboratory
from benchmarks.measure import Finding, Section, milliseconds
from benchmarks.server import environment
from dev.bundle.verify import size_bytes
from dev.local_lambda.events import http_event
from dev.local_lambda.runtime_api import LambdaInstance

TARGET_OF_USUAL, TARGET_OF_WARM, TARGET_OF_STACK = 0.28, 1.5, 1.1
WARM_INVOCATIONS = 20
ISOLATED_PYTHON = (sys.executable, "-S")
"""Without what is installed here."""
IMPORT = "import backend.main"
NO_CERTIFICATES = "import ssl; context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)"
CERTIFICATES = f"{NO_CERTIFICATES}; context.load_default_certs()"
"""What making a TLS context adds to the import where DATABASE_CA_FILE does not name a single one."""
WHY_CERTIFICATES = (
    "a bundle of certificates is parsed as a whole; the first connection would have to do so if the start did not, and"
    " DATABASE_CA_FILE, with the one certificate that Neon's chain ends in, spares it"
)
NO_VALGRIND = "valgrind is missing (apt install valgrind): NO INSTRUCTIONS ARE COUNTED"


@dataclass
class Starts:
    """Seconds of each start of one function: until it takes events, and then until its first answer."""

    inits: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    peak_megabytes: float = 0

    @property
    def init(self) -> float:
        """The median of the first part."""
        return statistics.median(self.inits)

    @property
    def whole(self) -> float:
        """The median of both."""
        return statistics.median(map(sum, zip(self.inits, self.firsts, strict=True)))


def measure(laboratory: Laboratory, say: Callable[[str], None], bundles: Bundles) -> Section:
    """Starts, imports and sizes."""
    variables = environment(laboratory.through_pooler(laboratory.ours))
    before = bundles.files()
    start_rows, start_findings = _starts(laboratory, say, bundles, variables)
    import_rows, import_findings = _imports(laboratory, say, bundles, variables)
    assert bundles.files() == before, "the bundles were not read-only"
    mine, usual = (size_bytes(folder) / 1e6 for folder in (bundles.ours, bundles.usual))
    zipped = f"{bundles.zipped_bytes() / 1e6:.1f} MB"
    return Section(
        "Cold start",
        "The built bundle in Lambda's own runtime client, with the database behind PgBouncer, TLS and SCRAM; the first"
        " request is `GET /api/health`. SAM's default is the same code as its builder packs it: all sources, without"
        " bytecode, every file of 1980. The libraries alone are FastAPI, Mangum, SQLModel and pg8000 from our bundle,"
        f" with bytecode, imported by a function that does nothing. Medians of {laboratory.budget.starts} rounds."
        " Instructions are callgrind's, less those of a Python that imports nothing; those for reading the system's CA"
        " certificates are counted by themselves and added.",
        ("what", laboratory.ours.name, "against", "which takes", "ratio"),
        [*start_rows, *import_rows, _megabytes(f"size, unzipped ({zipped} zipped)", mine, usual)],
        [*start_findings, *import_findings],
    )


def _starts(
    laboratory: Laboratory, say: Callable[[str], None], bundles: Bundles, variables: Mapping[str, str]
) -> tuple[list[tuple[str, ...]], list[Finding]]:
    ours, usual, libraries = Starts(), Starts(), Starts()
    warms, rounds = [], laboratory.budget.starts
    for turn in range(rounds):
        for starts, folder in ((ours, bundles.ours), (usual, bundles.usual)):
            with LambdaInstance(folder, variables, python=ISOLATED_PYTHON, path=(bundles.runtime,)) as instance:
                starts.inits.append(instance.init_seconds)
                starts.firsts.append(_seconds(instance))
                starts.peak_megabytes = max(starts.peak_megabytes, _peak_megabytes(instance))
                if starts is ours:
                    warms.append(statistics.median(_seconds(instance) for _ in range(WARM_INVOCATIONS)))
        path = (bundles.ours, bundles.runtime)
        with LambdaInstance(
            bundles.stack_alone, {}, handler="function.handler", python=ISOLATED_PYTHON, path=path
        ) as instance:
            libraries.inits.append(instance.init_seconds)
        takes, others = (milliseconds(starts.inits[-1] + starts.firsts[-1]) for starts in (ours, usual))
        say(f"cold start, round {turn + 1} of {rounds}: {takes} against {others}")
    first, warm = statistics.median(ours.firsts), statistics.median(warms)
    of_usual, of_warm = ours.whole / usual.whole, first / warm
    of_libraries = ours.init / libraries.init
    rows: list[tuple[str, ...]] = [
        _row("INIT and first response", ours.whole, "SAM's default", usual.whole),
        _row("INIT", ours.init, "SAM's default", usual.init),
        _row("INIT", ours.init, "the libraries alone", libraries.init),
        _row("first request", first, "a warm one", warm),
        _megabytes("peak memory", ours.peak_megabytes, usual.peak_megabytes),
    ]
    why = (
        f"the libraries alone take {libraries.init / usual.whole:.2f} of SAM's default, and this project's INIT"
        f" {of_libraries:.2f} of theirs; the rest is the first request"
    )
    why_first = (
        f"{milliseconds(first - warm)} more, because nearly all of its code runs for the first time, and because SCRAM"
        " stretches the password, which later connections remember: before they did, it was 1.35"
    )
    return rows, [
        Finding.at_most("INIT and first response, of SAM's default", of_usual, TARGET_OF_USUAL, reason=why),
        Finding.at_most("first request, of a warm one", of_warm, TARGET_OF_WARM, reason=why_first),
    ]


def _row(what: str, takes: float, against: str, other: float) -> tuple[str, ...]:
    return what, milliseconds(takes), against, milliseconds(other), f"{takes / other:.2f}"


def _megabytes(what: str, mine: float, usual: float) -> tuple[str, ...]:
    return what, f"{mine:.1f} MB", "SAM's default", f"{usual:.1f} MB", f"{mine / usual:.2f}"


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
    laboratory: Laboratory, say: Callable[[str], None], bundles: Bundles, variables: Mapping[str, str]
) -> tuple[list[tuple[str, ...]], list[Finding]]:
    what = "import, in instructions"
    if not shutil.which("valgrind"):
        say(NO_VALGRIND)
        return [(what, NO_VALGRIND, "", "", "")], []
    say("cold start: instructions of the imports are being counted (half a minute)")
    system = {"SSL_CERT_FILE": str(laboratory.ca_bundle)} if laboratory.ca_bundle else {}
    with ThreadPoolExecutor(os.cpu_count()) as counters:
        runs: Sequence[tuple[str, Mapping[str, str]]]
        runs = ((IMPORT, variables), (STACK_ALONE, {}), (CERTIFICATES, system), (NO_CERTIFICATES, system), ("pass", {}))
        waiting = [counters.submit(count_instructions, bundles.ours, *run) for run in runs]
        everything, stack, certificates, no_certificates, nothing = (each.result() for each in waiting)
    libraries, with_one = stack - nothing, everything - nothing
    with_all = with_one + certificates - no_certificates
    say(f"cold start: {_millions(with_one)} instructions, {with_one / libraries:.2f} of the libraries alone")
    variants = ("one CA certificate (DATABASE_CA_FILE)", with_one), ("all of the system's CA certificates", with_all)
    rows: list[tuple[str, ...]] = []
    findings = []
    for certificates_are, mine in variants:
        row = f"{what}, {certificates_are}"
        rows.append((row, _millions(mine), "the libraries alone", _millions(libraries), f"{mine / libraries:.2f}"))
        findings.append(Finding.at_most(row, mine / libraries, TARGET_OF_STACK, reason=WHY_CERTIFICATES))
    return rows, findings


def count_instructions(bundle: Path, code: str, variables: Mapping[str, str]) -> int:
    """How many instructions a new Python takes for this code, with nothing but the bundle to import from."""
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
