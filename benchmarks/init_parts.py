"""Measures what INIT is made of: the time that each library's modules take to be imported from the bundles."""

import os
import statistics
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.bundles import Bundles
from benchmarks.charts import Chart, Panel
from benchmarks.cold_start import IMPORT, ISOLATED_PYTHON
from benchmarks.measure import Section, milliseconds
from benchmarks.server import environment
from benchmarks.testbed import Testbed

PARTS = {
    "SQLAlchemy, SQLModel": ("sqlalchemy", "sqlmodel"),
    "FastAPI, Starlette": ("fastapi", "starlette", "anyio", "opentelemetry", "annotated_doc"),
    "Pydantic": ("pydantic", "pydantic_core", "pydantic_settings", "annotated_types", "typing_inspection", "dotenv"),
    "pg8000": ("pg8000", "scramp", "asn1crypto", "dateutil", "six"),
    "Powertools": ("aws_lambda_powertools", "jmespath"),
    "tokens, passwords": (
        "jose",
        "passlib",
        "argon2",
        "_argon2_cffi_bindings",
        "_cffi_backend",
        "rsa",
        "ecdsa",
        "pyasn1",
    ),
    "this project's modules": ("backend",),
}
REST = "Python's own, others"


def measure(testbed: Testbed, log_progress: Callable[[str], None], bundles: Bundles) -> Section:
    """Measure the imports from our bundle and from SAM's default one, in turns."""
    variables = environment(testbed.through_pooler(testbed.ours))
    folders = {testbed.ours.name: bundles.ours, "SAM's default": bundles.sam_default}
    runs: dict[str, list[Mapping[str, float]]] = {name: [] for name in folders}
    for turn in range(testbed.budget.import_rounds):
        for name, folder in folders.items():
            runs[name].append(run_import(folder, variables))
        log_progress(f"what INIT is made of, round {turn + 1} of {testbed.budget.import_rounds}")
    medians = {
        name: {part: statistics.median(run[part] for run in of) for part in (*PARTS, REST)} for name, of in runs.items()
    }
    ours, default = medians.values()
    rows: list[tuple[str, ...]] = [
        (part, milliseconds(ours[part]), milliseconds(default[part]), f"{ours[part] / default[part]:.2f}")
        for part in ours
    ]
    whole = [sum(each.values()) for each in (ours, default)]
    rows.append(("all imports", *map(milliseconds, whole), f"{whole[0] / whole[1]:.2f}"))
    series = {part: [each[part] * 1000 for each in medians.values()] for part in ours}
    description = "A bar for each bundle, made of the time that the modules of each library take: " + ", ".join(
        f"{name} {milliseconds(sum(each.values()))}" for name, each in medians.items()
    )
    return Section(
        "What INIT is made of",
        "The time of `import backend.main` by library, by `-X importtime`, each module without those that it imports."
        " Both bundles are as on Lambda: read-only, ours with bytecode, SAM's default without."
        f" Being measured, imports are slower: compare the shares. Medians of {testbed.budget.import_rounds} rounds.",
        ("modules of", testbed.ours.name, "SAM's default", "ratio"),
        rows,
        chart=Chart(
            "init.svg",
            "What INIT is made of",
            f"{description}.",
            [Panel("stack", list(medians), series, "ms of imports")],
        ),
    )


def run_import(bundle: Path, variables: Mapping[str, str]) -> dict[str, float]:
    """Import the function from the bundle in a new process. Gives the seconds of each part."""
    run = subprocess.run(
        [*ISOLATED_PYTHON, "-B", "-X", "importtime", "-c", IMPORT],
        check=True,
        capture_output=True,
        text=True,
        cwd=bundle.parent,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(bundle), **variables},
    )
    return by_part(run.stderr)


def by_part(import_times: str) -> dict[str, float]:
    """The seconds of each part, from lines such as `import time:  123 |  456 |   fastapi.routing` (microseconds)."""
    part_of = {package: part for part, packages in PARTS.items() for package in packages}
    seconds = dict.fromkeys((*PARTS, REST), 0.0)
    for line in import_times.splitlines():
        head, _, rest = line.partition("import time:")
        own, _, module = (
            (cell.strip() for cell in rest.split("|")) if not head and rest.count("|") == 2 else ("", "", "")
        )
        if own.isdigit():
            seconds[part_of.get(module.partition(".")[0], REST)] += int(own) / 1e6
    return seconds
