"""What an instance imports before its first request. Each module prolongs a cold start."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dev.local_lambda.events import http_event
from dev.paths import CHECKOUT
from tests.conftest import ORIGIN, SECRET
from tests.support.database_copy import DatabaseCopy
from tests.support.people import PASSWORD, Person

UNUSED_URL = "postgresql://todo_api:password@localhost/todo"
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
imported = set(sys.modules)
from types import SimpleNamespace
context = SimpleNamespace(function_name="f", function_version="7", memory_limit_in_mb=1769, aws_request_id="id")
for event in json.loads(sys.argv[2]):
    assert backend.main.handler(event, context)["statusCode"] < 300
print(json.dumps([sorted(imported), sorted(set(sys.modules) - imported)]))
"""


def modules(
    empty: Path, *, events: Sequence[dict[str, Any]] = (), database_url: str = UNUSED_URL
) -> tuple[list[str], list[str]]:
    """The modules that a process has after importing `backend.main` as in the bundle, and those it has more afterwards.

    :param empty: a folder without a `.env`
    :param events: what the process then answers
    """
    locked = set(re.findall(r"^([a-z0-9-]+)==", (CHECKOUT / "requirements.txt").read_text(), re.MULTILINE))
    hidden = {
        package
        for package, distributions in packages_distributions().items()
        if not locked & {re.sub(r"[-_.]+", "-", name).lower() for name in distributions}
    }
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            PROBE,
            json.dumps(sorted(hidden | {"rsa", "pyasn1", "pydantic.v1"})),
            json.dumps(events),
        ],
        check=True,
        capture_output=True,
        text=True,
        cwd=empty,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(CHECKOUT),
            "DATABASE_URL": database_url,
            "BETTER_AUTH_SECRET": SECRET,
            "FRONTEND_URL": ORIGIN,
        },
    )
    imported, later = json.loads(run.stdout.splitlines()[-1])
    return imported, later


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The modules that a process has after importing `backend.main` as in the bundle."""
    return modules(tmp_path_factory.mktemp("empty"))[0]


def test_nothing_is_imported_that_no_request_needs(imported: list[str]) -> None:
    found = {name for name in imported if FORBIDDEN & {name, name.partition(".")[0]}}

    assert found == set()


def test_the_number_of_imported_modules_has_a_limit(imported: list[str]) -> None:
    assert len(imported) <= MOST_MODULES


def test_what_the_first_requests_need_is_already_imported(
    tmp_path: Path, ada: Person, shared_database: DatabaseCopy
) -> None:
    account = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    events = [
        http_event("GET", "/"),
        http_event("GET", "/api/health"),
        http_event("POST", "/api/auth/signup", body=account),
        http_event("POST", "/api/auth/signin", body=account),
        http_event("POST", "/api/tasks", body={"title": "Call the plumber"}, token=ada.auth["access_token"]),
        http_event("GET", "/api/tasks", token=ada.auth["access_token"]),
    ]

    _, later = modules(tmp_path, events=events, database_url=shared_database.url)

    assert later == []
