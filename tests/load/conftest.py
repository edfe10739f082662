"""Fixtures for load tests. A test that uses them runs twice: against a server, and against function instances."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.load import deployments
from tests.load.clients import Clients
from tests.load.deployments import Deployment
from tests.support.database_copy import DatabaseCopy
from tests.support.pooler import require_pgbouncer

INSTANCES = 8
"""Twice as many as the pooler has connections, so that instances have to wait for one."""


@pytest.fixture(params=["server", "function instances"])
def deployment(request: pytest.FixtureRequest, fresh_database: DatabaseCopy, tmp_path: Path) -> Iterator[Deployment]:
    """The running API, on a database of its own."""
    if request.param == "server":
        with deployments.server(fresh_database, tmp_path / "log") as deployment:
            yield deployment
    else:
        require_pgbouncer()
        with deployments.functions(fresh_database, INSTANCES) as deployment:
            yield deployment


@pytest.fixture
def clients(deployment: Deployment) -> Iterator[Clients]:
    """Clients of the deployment."""
    with Clients(deployment.url) as clients:
        yield clients
