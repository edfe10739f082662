"""Stands in for awslambdaric on macOS, where AWS publishes none: `python -m dev.local_lambda.runtime_client HANDLER`.

It asks Lambda's Runtime API for events and posts the handler's answers, one at a time. It knows no SnapStart.
"""

import json
import os
import sys
import traceback
from http.client import HTTPConnection, HTTPResponse
from importlib import import_module
from types import SimpleNamespace
from typing import Any

RUNTIME = "/2018-06-01/runtime"


def main(handler: str, api: str) -> None:
    """Handle events until the Runtime API ends.

    :param handler: a module and a function in it, as template.yaml names them
    :param api: host and port of the Runtime API
    """
    try:
        module, _, function = handler.rpartition(".")
        handle = getattr(import_module(module), function)
    except Exception as error:
        _ask(api, "POST", "/init/error", _describe(error))
        raise
    while True:
        answer, body = _ask(api, "GET", "/invocation/next")
        invocation = answer.headers["Lambda-Runtime-Aws-Request-Id"]
        context = SimpleNamespace(
            aws_request_id=invocation,
            invoked_function_arn=answer.headers["Lambda-Runtime-Invoked-Function-Arn"],
            function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
            function_version=os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
            memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        )
        try:
            outcome, result = "response", handle(json.loads(body), context)
        except Exception as error:  # noqa: BLE001 (Lambda reports what a handler raises, and goes on)
            outcome, result = "error", _describe(error)
        _ask(api, "POST", f"/invocation/{invocation}/{outcome}", result)


def _describe(error: Exception) -> dict[str, Any]:
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def _ask(api: str, method: str, path: str, result: Any = None) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(api)
    try:
        connection.request(method, RUNTIME + path, None if method == "GET" else json.dumps(result))
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1], os.environ["AWS_LAMBDA_RUNTIME_API"])
