"""Runs an application as several instances of a Lambda function. Each handles one request at a time."""

import os
from contextlib import ExitStack
from urllib.parse import urlsplit

from backend.settings import Settings
from benchmarks.server import environment
from benchmarks.testbed import Application
from tests.support.function_instances import function_instances


class Functions:
    """Running function instances, behind a stand-in for API Gateway on `port`."""

    def __init__(self, application: Application, settings: Settings, count: int) -> None:
        self._running = ExitStack()
        variables = environment(settings)
        if "SSL_CERT_FILE" in os.environ:
            variables["SSL_CERT_FILE"] = os.environ["SSL_CERT_FILE"]
        instances = function_instances(count, variables, handler=application.deployed_handler)
        port = urlsplit(self._running.enter_context(instances).url).port
        assert port is not None
        self.port = port

    def stop(self) -> None:
        """Stop the instances."""
        self._running.close()
