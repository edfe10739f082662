"""Builds the bundle reproducibly: the same commit gives the same bytes."""

import compileall
import os
import py_compile
import shutil
import stat
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from dev.bundle import certificates
from dev.bundle.target import Architecture, require_python
from dev.user_error import UserError
from dev.version import version_of, write_version

TASK_ROOT = "/var/task"
"""The folder into which Lambda unpacks the bundle. Tracebacks name the modules' paths in it."""
ZIP_EPOCH_SECONDS = 315_532_800
"""1980-01-01, the oldest time that a zip file can contain, and the one that SAM gives to every file."""

NOT_DEPLOYED = ("backend/migrations",)
"""Migrations run on a developer's machine or in a pipeline, with Alembic and `DATABASE_DIRECT_URL`."""
UNUSED_FOLDERS = ("bin", "passlib/tests", "sqlalchemy/testing")
OPTIONAL_IMPORTS = ("rsa", "pyasn1", "pydantic/v1")
"""Libraries that others import inside `try … except ImportError`, and that this project does not use: python-jose's
other algorithms, and FastAPI's support of Pydantic 1. Without them there is 5 % less to import."""
UNUSED_SUFFIXES = (".pyi", ".pyx", ".pxd", ".c", ".h", ".exe")
UNUSED_NAMES = ("py.typed", "RECORD", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json", "zip-safe", "top_level.txt")
"""Files that nothing reads at run time. METADATA and entry_points.txt stay: `importlib.metadata` reads them."""


def assemble(checkout: Path, bundle: Path, architecture: Architecture) -> None:
    """Build the bundle of `checkout` in the folder `bundle`, which is emptied first.

    :raises UserError: it cannot be built
    """
    require_python()
    _empty(bundle)
    _install(checkout / "requirements.txt", bundle, architecture)
    _install_certificates(checkout / "requirements" / "bundle.txt", bundle, architecture)
    shutil.copytree(checkout / "backend", bundle / "backend", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    write_version(bundle, version_of(checkout))
    _remove_unused(bundle)
    _compile(bundle)
    _make_uniform(bundle)


def _empty(bundle: Path) -> None:
    if bundle.exists() and not (bundle.is_dir() and (not any(bundle.iterdir()) or (bundle / "backend").is_dir())):
        raise UserError(f"{bundle} is there already, and is not a bundle; remove it first")
    shutil.rmtree(bundle, ignore_errors=True)
    bundle.mkdir(parents=True)


def _install(requirements: Path, bundle: Path, architecture: Architecture) -> None:
    if find_spec("pip") is None:
        raise UserError(f"{sys.executable} has no pip; `make build` in a checkout with .venv uses the one there")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--root-user-action=ignore", "--no-deps", "--require-hashes", f"--requirement={requirements}"]
    command += [f"--target={bundle}", "--no-compile", *architecture.pip_options]
    installed = subprocess.run(command, check=False, capture_output=True, text=True)
    if installed.returncode != 0:
        errors = [line for line in installed.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
        raise UserError(f"pip cannot install requirements.txt for {architecture.name}: {errors[-1]}")


def _install_certificates(requirements: Path, bundle: Path, architecture: Architecture) -> None:
    with TemporaryDirectory() as scratch:
        packages = Path(scratch)
        _install(requirements, packages, architecture)
        certificates.write_folder((packages / "certifi" / "cacert.pem").read_text(), bundle / certificates.FOLDER)


def _remove_unused(bundle: Path) -> None:
    for folder in (*UNUSED_FOLDERS, *OPTIONAL_IMPORTS, *NOT_DEPLOYED):
        shutil.rmtree(bundle / folder, ignore_errors=True)
    for path in list(bundle.rglob("*")):
        if path.name in UNUSED_NAMES or path.suffix in UNUSED_SUFFIXES or path.match("test_*.py"):
            path.unlink()


def _compile(bundle: Path) -> None:
    """Compile every module to bytecode that Python uses without checking the source's time (PEP 552, unchecked hash).

    SAM sets all file times to 1980, and on Lambda the folder is read-only: bytecode with a timestamp would be compiled
    again at each start.
    """
    compiled = compileall.compile_dir(
        bundle,
        maxlevels=20,
        quiet=2,
        stripdir=str(bundle),
        prependdir=TASK_ROOT,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise UserError("a module cannot be compiled; `python -m compileall backend` says which")


def _make_uniform(bundle: Path) -> None:
    """Remove what differs between machines: file times, permissions, empty folders."""
    for folder, _, names in os.walk(bundle, topdown=False):
        for name in names:
            path = Path(folder, name)
            path.chmod(0o755 if path.suffix == ".so" else 0o644)
            os.utime(path, (ZIP_EPOCH_SECONDS, ZIP_EPOCH_SECONDS))
        here = Path(folder)
        if here != bundle and not any(here.iterdir()):
            here.rmdir()
            continue
        here.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
        os.utime(here, (ZIP_EPOCH_SECONDS, ZIP_EPOCH_SECONDS))
