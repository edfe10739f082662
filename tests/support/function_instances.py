"""Several instances of the Lambda function behind a replacement for API Gateway, for any HTTP client.

Every instance is a process of its own, run by Lambda's runtime client, and handles one event at a time. It is simpler
than AWS: there are never more instances than at the start, so a request waits for a free one where Lambda would start
another; nothing is throttled or frozen; preflights reach the function, while API Gateway answers them itself.
"""

import base64
import json
import queue
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from dev.local_lambda.events import http_event
from dev.local_lambda.loopback import Endpoint, LoopbackServer
from dev.local_lambda.runtime_api import LambdaInstance
from dev.paths import CHECKOUT
from dev.user_error import UserError

TEXT_TYPES = ("application/json", "application/javascript", "application/xml", "text/")
"""Bodies of these types are passed as text, all others in Base64."""
CLIENTS_AT_ONCE = 1024


@dataclass(frozen=True)
class FunctionInstances:
    """The function's URL, and its instances."""

    url: str
    instances: list[LambdaInstance]

    def log(self) -> str:
        """The output of all instances so far."""
        return "".join(instance.log() for instance in self.instances)


@contextmanager
def function_instances(
    count: int, variables: Mapping[str, str], *, handler: str = "backend.main.handler", root: Path = CHECKOUT
) -> Iterator[FunctionInstances]:
    """Start so many instances behind a free port of 127.0.0.1.

    :param variables: the function's whole environment; it inherits no variables
    :param handler: the function, importable from `root`, as a template names it
    """
    pytest.importorskip("awslambdaric", reason="AWS publishes Lambda's runtime client for Linux only")
    with ExitStack() as running:

        def start(_: int) -> LambdaInstance:
            return running.enter_context(LambdaInstance(root, variables, handler=handler))

        with ThreadPoolExecutor(count) as starters:
            instances = list(starters.map(start, range(count)))
        gateway = running.enter_context(_Gateway(instances))
        gateway.start()
        running.callback(gateway.shutdown)
        yield FunctionInstances(f"http://127.0.0.1:{gateway.server_port}", instances)


class _Gateway(LoopbackServer):
    """Passes every request to an idle instance."""

    request_queue_size = CLIENTS_AT_ONCE

    def __init__(self, instances: list[LambdaInstance]) -> None:
        super().__init__(_Endpoint)
        self._idle: queue.Queue[LambdaInstance] = queue.Queue()
        for instance in instances:
            self._idle.put(instance)

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """The function's answer, or API Gateway's if there is none."""
        instance = self._idle.get()
        try:
            answer = instance.invoke(event)
        except UserError:
            return _failure(503, "Service Unavailable")
        finally:
            self._idle.put(instance)
        if answer.error is not None:
            return _failure(500, "Internal Server Error")
        value: dict[str, Any] = answer.value
        return value


class _Endpoint(Endpoint):
    server: _Gateway

    def _serve(self) -> None:
        if "Transfer-Encoding" in self.headers:  # no test sends one; it is not supported, and must not be ignored
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return
        expected = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(expected)
        if len(body) < expected:  # the client has hung up; API Gateway forwards only whole requests
            self.close_connection = True
            return
        self._reply(self.server.invoke(self._event(body)))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815  # http.server's names

    def _event(self, body: bytes) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        event = http_event(self.command, path)
        event["requestContext"]["http"]["sourceIp"] = self.client_address[0]
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
        text = _text(body, headers.get("content-type", ""))
        return {
            **event,
            "rawQueryString": query,
            "headers": headers | {"x-forwarded-proto": "https"},
            "body": base64.b64encode(body).decode() if text is None else text or None,
            "isBase64Encoded": text is None,
        }

    def _reply(self, answer: dict[str, Any]) -> None:
        text = answer.get("body", "")
        body = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
        self.send_response_only(answer["statusCode"])
        for name, value in answer.get("headers", {}).items():
            if name != "content-length":
                self.send_header(name, value)
        if answer["statusCode"] != HTTPStatus.NO_CONTENT:  # RFC 9110, 8.6
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _text(body: bytes, content_type: str) -> str | None:
    """The body as an event's text; None if it must be in Base64."""
    if body and not content_type.lower().startswith(TEXT_TYPES):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _failure(status: int, message: str) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    return {"statusCode": status, "headers": headers, "body": json.dumps({"message": message})}
