"""What an instance imports before its first request. Each module prolongs a cold start."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from dev.paths import CHECKOUT
from tests.conftest import ORIGIN, SECRET

MOST_MODULES = 850
"""About 800 at the time of writing. A dependency that adds dozens of modules fails the test."""
FORBIDDEN = {
    *("boto3", "botocore", "aws_xray_sdk", "awslambdaric", "moto"),
    *("alembic", "mako", "cryptography", "rsa", "pyasn1", "dns", "email_validator"),
    *("httpx", "httpx2", "httpcore", "requests", "urllib3", "aiohttp", "uvicorn", "multipart", "jinja2", "yaml"),
    *("asyncpg", "psycopg", "psycopg2", "greenlet", "pytest", "hypothesis", "tests", "dev"),
    *("urllib.request", "xmlrpc", "multiprocessing", "unittest", "pydantic.v1"),
}

# Imitates the bundle: packages that are not locked, and modules that the build removes, cannot be imported.
PROBE = """
import json, sys
hidden = set(json.loads(sys.argv[1]))
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name in hidden:
            raise ImportError(name)
sys.meta_path.insert(0, Hide())
import backend.main
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The modules that a process has after importing `backend.main` as in the bundle."""
    locked = set(re.findall(r"^([a-z0-9-]+)==", (CHECKOUT / "requirements.txt").read_text(), re.MULTILINE))
    hidden = {
        package
        for package, distributions in packages_distributions().items()
        if not locked & {re.sub(r"[-_.]+", "-", name).lower() for name in distributions}
    }
    run = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(sorted(hidden | {"rsa", "pyasn1", "pydantic.v1"}))],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("empty"),
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(CHECKOUT),
            "DATABASE_URL": "postgresql://todo_api:password@localhost/todo",
            "BETTER_AUTH_SECRET": SECRET,
            "FRONTEND_URL": ORIGIN,
        },
    )
    modules: list[str] = json.loads(run.stdout)
    return modules


def test_nothing_is_imported_that_no_request_needs(imported: list[str]) -> None:
    found = {name for name in imported if FORBIDDEN & {name, name.partition(".")[0]}}

    assert found == set()


def test_the_number_of_imported_modules_has_a_limit(imported: list[str]) -> None:
    assert len(imported) <= MOST_MODULES


def test_what_the_first_request_needs_is_already_imported(imported: list[str]) -> None:
    needed = {"anyio._backends._asyncio", "sqlalchemy.dialects.postgresql.pg8000", "argon2", "jose.jws"}

    assert needed <= set(imported)
