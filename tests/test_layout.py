"""Tools check the structure (`make check`). These tests run them, and show that they notice a violation."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent
PACKAGES = ("backend", "benchmarks", "dev", "tests")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the packages in `folder` by the rules of pyproject.toml."""
    command = [str(PROGRAMS / "lint-imports"), "--no-cache"]
    return subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)


@pytest.mark.spec("NFR-018")
def test_imports_point_one_way() -> None:
    ran = lint_imports(CHECKOUT)

    assert ran.returncode == 0, ran.stdout
    assert " 0 broken" in ran.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("postgres/network.py", "import backend.settings"),
        ("database/failures.py", "import backend.web.routing"),
        ("auth/service.py", "import fastapi"),
        ("tasks/service.py", "import backend.auth.models"),
        ("tasks/router.py", "import sqlalchemy"),
        ("telemetry.py", "import boto3"),
        ("app.py", "import backend.migrations.apply"),
    ],
)
def test_an_import_in_the_wrong_direction_is_noticed(tmp_path: Path, module: str, line: str) -> None:
    for package in PACKAGES:
        shutil.copytree(
            CHECKOUT / package, tmp_path / package, ignore=shutil.ignore_patterns("node_modules", "__pycache__")
        )
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    source = tmp_path / "backend" / module
    source.write_text(f"{source.read_text()}\n{line}\n")

    assert lint_imports(tmp_path).returncode == 1


@pytest.mark.spec("NFR-022")
def test_every_function_says_its_types() -> None:
    command = [str(PROGRAMS / "ruff"), "check", "--no-cache", "--isolated", "--select", "ANN0,ANN2", "backend"]

    ran = subprocess.run(command, check=False, cwd=CHECKOUT, capture_output=True, text=True)

    assert ran.returncode == 0, ran.stdout
