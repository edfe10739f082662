"""The Lambda function in this process, and the built bundle in a process of its own."""

import asyncio
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backend.app import create_app
from backend.aws.handler import GatewayHandler
from dev.bundle.assemble import assemble
from dev.bundle.target import PYTHON, Architecture
from dev.bundle.verify import verify
from dev.local_lambda.runtime_api import LambdaInstance
from dev.paths import CHECKOUT
from tests.conftest import ORIGIN, SECRET, MakeSettings
from tests.support.database_copy import DatabaseCopy
from tests.support.pooler import Pooler, require_pgbouncer

RUNTIME = ("awslambdaric", "runtime_client*", "simplejson", "snapshot_restore_py*")
"""Packages of Lambda's runtime client, which Lambda provides outside the bundle."""


@dataclass
class Context:
    """The context of an invocation, as Lambda passes it."""

    function_name: str = "todo-api"
    function_version: str = "7"
    memory_limit_in_mb: str = "1769"
    aws_request_id: str = "5f0e9f0c-6c4e-4c1c-9a53-7d1f0f2f0f11"
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:todo-api:live"


@pytest.fixture(autouse=True)
def event_loop() -> Iterator[None]:
    """The event loop in which Mangum runs the application: one for the whole process, as on Lambda."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


Handle = Callable[[Any], dict[str, Any]]


@pytest.fixture
def handle(make_settings: MakeSettings) -> Handle:
    """The function, as Lambda calls it. It has no pool, so nothing has to be closed."""
    handler = GatewayHandler(create_app(make_settings(database_pool_size=0)))
    return lambda event: handler(event, Context())


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle for this machine's processor, write-protected."""
    if sys.version_info[:2] != PYTHON or sysconfig.get_platform() != "linux-x86_64":
        pytest.skip("only Python 3.13 on Linux x86_64 can run the bundle")
    made = tmp_path_factory.mktemp("bundle") / "task"
    architecture = Architecture.named("x86_64")
    assemble(CHECKOUT, made, architecture)
    verify(made, architecture)
    return made


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runtime client only, without the other packages that are installed here."""
    pytest.importorskip("awslambdaric")
    folder = tmp_path_factory.mktemp("runtime")
    installed = Path(sysconfig.get_path("purelib"))
    for pattern in RUNTIME:
        for found in installed.glob(pattern):
            if found.suffix != ".dist-info":
                (folder / found.name).symlink_to(found)
    return folder


Start = Callable[..., LambdaInstance]


@pytest.fixture
def start(bundle: Path, runtime: Path) -> Iterator[Start]:
    """Starts instances of the bundle with these variables. They can import only the bundle and the runtime client."""
    running: list[LambdaInstance] = []

    def start(environment: dict[str, str], **options: Any) -> LambdaInstance:
        python = (sys.executable, "-S")  # without site-packages
        instance = LambdaInstance(bundle, environment, python=python, path=(runtime,), **options)
        running.append(instance)
        return instance

    yield start
    for instance in running:
        instance.close()


@pytest.fixture
def pooler(fresh_database: DatabaseCopy) -> Iterator[Pooler]:
    """A PgBouncer with TLS in front of the database."""
    require_pgbouncer()
    with Pooler(fresh_database.server) as pooler:
        yield pooler


@pytest.fixture
def variables(pooler: Pooler, fresh_database: DatabaseCopy) -> dict[str, str]:
    """The function's environment, with the database behind the pooler."""
    return {
        "DATABASE_URL": pooler.url(fresh_database),
        "DATABASE_CA_FILE": str(pooler.ca_file),
        "BETTER_AUTH_SECRET": SECRET,
        "FRONTEND_URL": ORIGIN,
    }
