"""The generated clients, and the APIs that they talk to."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from backend.app import create_app
from tests.clients.toolchain import PythonClient, TypeScriptClients
from tests.conftest import MakeSettings
from tests.support.npm import require_node
from tests.support.serving import serving

NO_DATABASE = {"database_url": "postgresql://todo_api:x@127.0.0.1:1/none"}


@pytest.fixture(scope="session")
def toolchain(tmp_path_factory: pytest.TempPathFactory) -> TypeScriptClients:
    """The folder for the generators of TypeScript, and for the linters of OpenAPI documents."""
    require_node()
    return TypeScriptClients(tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="session")
def typescript(toolchain: TypeScriptClients) -> TypeScriptClients:
    """The generated clients in TypeScript."""
    toolchain.generate()
    return toolchain


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> PythonClient:
    """The generated client in Python."""
    return PythonClient(tmp_path_factory.mktemp("python_client"))


@pytest.fixture
def apis(make_settings: MakeSettings) -> Iterator[dict[str, str]]:
    """An API that allows one wrong password, one without a database, and one whose `GET /` has a bug."""
    broken = create_app(make_settings())
    broken.title = None  # type: ignore[assignment]  # `GET /` gives it as text
    with ExitStack() as running:
        yield {
            "api": running.enter_context(serving(create_app(make_settings(signin_failures_per_account_and_address=1)))),
            "unavailable": running.enter_context(serving(create_app(make_settings(**NO_DATABASE)))),
            "broken": running.enter_context(serving(broken)),
        }
