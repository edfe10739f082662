"""Bundles that the build refuses, each with one line that says why."""

import compileall
import py_compile
import shutil
import struct
from collections.abc import Callable
from importlib.util import cache_from_source
from pathlib import Path

import certifi
import pytest

from dev.bundle import verify as verifying
from dev.bundle.assemble import assemble
from dev.bundle.certificates import write_folder
from dev.bundle.target import Architecture, require_python
from dev.bundle.verify import verify
from dev.user_error import UserError

X86_64 = Architecture.named("x86_64")
HASH = py_compile.PycInvalidationMode.UNCHECKED_HASH


def elf(machine: int) -> bytes:
    """The header of a shared library."""
    return b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HH", 3, machine)


@pytest.fixture
def smallest_bundle(tmp_path: Path) -> Path:
    """The smallest bundle that passes the checks."""
    for package in ("backend", "fastapi", "mangum", "sqlmodel", "pg8000"):
        (tmp_path / package).mkdir()
    (tmp_path / "backend/main.py").write_text("handler = None\n")
    (tmp_path / "fastapi/library.abi3.so").write_bytes(elf(62))
    write_folder(Path(certifi.where()).read_text(), tmp_path / "certificates")
    compileall.compile_dir(tmp_path, quiet=2, invalidation_mode=HASH)
    verify(tmp_path, X86_64)
    return tmp_path


Spoil = Callable[[Path], object]


def bytecode(bundle: Path) -> Path:
    return Path(cache_from_source(str(bundle / "backend/main.py")))


def spoil_magic(bundle: Path) -> None:
    bytecode(bundle).write_bytes(b"\xcb\x0d\r\n" + bytecode(bundle).read_bytes()[4:])


def stamp_with_time(bundle: Path) -> None:
    mode = py_compile.PycInvalidationMode.TIMESTAMP
    py_compile.compile(str(bundle / "backend/main.py"), invalidation_mode=mode)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda b: (b / "fastapi/library.abi3.so").write_bytes(elf(183)), "library.abi3.so is not for x86_64"),
        (lambda b: (b / "fastapi/library.abi3.so").write_bytes(b"not a library"), "library.abi3.so is not for x86_64"),
        (lambda b: (b / "pg8000/new.py").write_text("x = 1"), "pg8000/new.py has no bytecode"),
        (lambda b: (b / "backend/main.py").write_text("x = 1"), "backend/main.py was made from another source"),
        (spoil_magic, "backend/main.py was made by another Python"),
        (stamp_with_time, "backend/main.py would be checked against the source's time"),
        (lambda b: shutil.rmtree(b / "certificates"), "certificates has 0 CA certificates"),
        (lambda b: next((b / "certificates").iterdir()).rename(b / "certificates/0.pem"), "certificates/0.pem must be"),
        (lambda b: (b / "boto3").mkdir(), "boto3 is in it, and does not belong there"),
        (lambda b: (b / "alembic.py").touch(), "alembic is in it, and does not belong there"),
        (lambda b: (b / ".env").touch(), ".env is in it, and does not belong there"),
        (lambda b: (b / "backend/migrations").mkdir(parents=True), "migrations is in it"),
        (lambda b: shutil.rmtree(b / "pg8000"), "pg8000 is missing"),
    ],
)
def test_a_spoilt_bundle_is_refused_with_one_line_that_says_why(
    smallest_bundle: Path, spoil: Spoil, message: str
) -> None:
    spoil(smallest_bundle)

    with pytest.raises(UserError, match=message) as refused:
        verify(smallest_bundle, X86_64)
    assert "\n" not in str(refused.value)


def test_a_bundle_that_has_grown_too_large_is_refused(smallest_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "UNZIPPED_LIMIT_BYTES", 100)

    with pytest.raises(UserError, match="MB unzipped is more than"):
        verify(smallest_bundle, X86_64)


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 14)])
def test_bytecode_of_another_python_is_refused_before_anything_is_done(version: tuple[int, int]) -> None:
    with pytest.raises(UserError, match=rf"made by Python 3\.13 only, .* this is 3\.{version[1]}"):
        require_python(version)


def test_a_processor_that_lambda_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match="ARCH must be x86_64 or arm64, not 'sparc'"):
        Architecture.named("sparc")


def test_a_folder_that_is_no_bundle_is_not_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dev.bundle.assemble.require_python", lambda: None)
    (tmp_path / "thesis.txt").write_text("three years of work")

    with pytest.raises(UserError, match="is there already, and is not a bundle"):
        assemble(tmp_path, tmp_path, X86_64)
    assert (tmp_path / "thesis.txt").exists()
