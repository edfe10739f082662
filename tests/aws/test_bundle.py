"""The built bundle: what is in it, and that it is the same each time."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.web import docs
from dev.bundle.assemble import assemble
from dev.bundle.target import PYTHON, Architecture
from dev.bundle.verify import size_bytes, verify
from dev.paths import CHECKOUT
from dev.version import version_of
from tests.conftest import ORIGIN, SECRET

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
ZIP_EPOCH_SECONDS = 315_532_800


def tree_hash(folder: Path) -> str:
    """A digest of every file's name, mode, time and bytes."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found = path.stat()
        digest.update(f"{path.relative_to(folder)} {found.st_mode:o} {found.st_mtime}\n".encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def test_the_same_inputs_give_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    again = tmp_path / "elsewhere" / "task"

    assemble(CHECKOUT, again, Architecture.named("x86_64"))

    assert tree_hash(again) == tree_hash(bundle)


def test_the_bundle_for_arm64_passes_the_same_checks(bundle: Path, tmp_path: Path) -> None:
    architecture = Architecture.named("arm64")

    assemble(CHECKOUT, tmp_path / "task", architecture)

    verify(tmp_path / "task", architecture)
    assert {path.name for path in bundle.rglob("*.py")} == {path.name for path in (tmp_path / "task").rglob("*.py")}


def test_only_the_backend_and_locked_packages_are_in_it(bundle: Path) -> None:
    ours = {path.relative_to(bundle).as_posix() for path in (bundle / "backend").rglob("*.py")}
    sources = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "backend").rglob("*.py")}

    assert ours == {name for name in sources if not name.startswith("backend/migrations/")}
    assert not [name for name in ("bin", "dev", "tests", "events", ".env", "Makefile") if (bundle / name).exists()]


@pytest.mark.parametrize("pattern", ["*.pyi", "py.typed", "RECORD", "*.c", "*.h", "*.pyx", "test_*.py"])
def test_nothing_in_it_is_for_development(bundle: Path, pattern: str) -> None:
    found = [path.relative_to(bundle) for path in bundle.rglob(pattern)]

    assert found == []


def test_it_tells_which_commit_it_was_built_from(bundle: Path) -> None:
    program = "from backend.main import app; print(app.version, app.openapi()['info']['version'])"
    environment = {
        "DATABASE_URL": "postgresql://todo_api:password@localhost/todo",
        "BETTER_AUTH_SECRET": SECRET,
        "FRONTEND_URL": ORIGIN,
    }
    command = [sys.executable, "-S", "-B", "-c", program]
    ran = subprocess.run(command, cwd=bundle, env=environment, check=True, capture_output=True, text=True)

    version = version_of(CHECKOUT)
    assert ran.stdout.split() == [version, version]


def test_the_assets_of_the_documentation_pages_are_in_it(bundle: Path) -> None:
    pages = {*docs.PAGES.values(), *docs.START_SCRIPTS.values()}

    assert not [name for name in pages if not (bundle / "backend/web/docs" / name).exists()]
    package = bundle / docs.PACKAGE / "static"
    assert not [name for name in docs.PACKAGE_ASSETS.values() if not (package / name).exists()]
    for licence in ("swagger/LICENSE", "redoc/redoc.standalone.js.LICENSE.txt"):
        assert (package / licence).exists()


def test_the_metadata_that_importlib_reads_is_kept(bundle: Path) -> None:
    for package in ("scramp", "pg8000", "fastapi", "opentelemetry_api"):
        assert list(bundle.glob(f"{package}-*.dist-info/METADATA")), package


def test_every_file_has_the_earliest_time_that_zip_knows(bundle: Path) -> None:
    assert {path.stat().st_mtime for path in bundle.rglob("*")} == {ZIP_EPOCH_SECONDS}


def test_it_is_much_smaller_than_lambda_allows(bundle: Path) -> None:
    assert size_bytes(bundle) < 60_000_000


@pytest.mark.skipif(sys.version_info[:2] != PYTHON, reason="only Python 3.13 can build the bundle")
def test_a_developers_own_files_are_left_out(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for name in ("backend", "requirements", "requirements.txt"):
        os.makedirs(checkout, exist_ok=True)
        (checkout / name).symlink_to(CHECKOUT / name)
    for name in (".env", ".data", ".venv"):
        (checkout / name).mkdir()

    assemble(checkout, tmp_path / "task", Architecture.named("x86_64"))

    assert not [path for path in (tmp_path / "task").iterdir() if path.name.startswith(".")]
