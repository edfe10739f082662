"""Fixtures: a cluster of its own, so that faults of its roles disturb no other test."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster


@pytest.fixture(scope="session")
def own_cluster() -> Iterator[Cluster]:
    """The cluster, with whatever the last test has left."""
    directory = Path(tempfile.mkdtemp(prefix="todo-api-cluster-"))
    directory.chmod(0o711)  # root's PostgreSQL runs as the account `nobody`, which has to enter
    try:
        with Cluster(directory / "postgres") as cluster:
            yield cluster
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def cluster(own_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, without any role or database of another test."""
    with own_cluster.emptied():
        yield own_cluster
