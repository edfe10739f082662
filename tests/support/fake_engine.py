"""A stand-in for a container engine: it answers what `dev.local_lambda.engine` asks, and keeps a list of containers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any
from urllib.parse import urlsplit

BRIDGE = "127.0.0.77"
"""An address of this machine that nothing else listens on."""


@dataclass
class FakeEngine:
    """What the engine says, and the environment of each of its containers by id."""

    socket: Path
    info: dict[str, Any] = field(default_factory=lambda: {"OperatingSystem": "Debian GNU/Linux"})
    network: dict[str, Any] | None = field(
        default_factory=lambda: {"IPAM": {"Config": [{"Subnet": "127.0.0.0/8", "Gateway": BRIDGE}]}}
    )
    images: set[str] = field(default_factory=set)
    containers: dict[str, list[str]] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variable that leads to it."""
        return {"DOCKER_HOST": f"unix://{self.socket}"}

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """The status and the body of an answer, as of Docker's Engine API."""
        match method, *urlsplit(target).path.strip("/").split("/"):
            case "GET", "_ping":
                return 200, None
            case "GET", "info":
                return 200, self.info
            case "GET", "networks", "bridge":
                return (200, self.network) if self.network else (404, {"message": "no such network"})
            case "GET", "images", *name, "json":
                return (200, {}) if "/".join(name) in self.images else (404, {"message": "no such image"})
            case "GET", "containers", "json":
                return 200, [{"Id": container} for container in self.containers]
            case "GET", "containers", container, "json" if container in self.containers:
                return 200, {"Config": {"Env": self.containers[container]}}
            case "POST", "containers", "create":
                self.containers[f"made-{len(self.containers)}"] = body["Env"]
                return 201, {}
            case "DELETE", "containers", container:
                del self.containers[container]
                return 204, None
        return 404, {"message": "no such thing"}


@contextmanager
def fake_engine(folder: Path) -> Iterator[FakeEngine]:
    """An engine that serves a socket in the folder while the block runs."""
    engine = FakeEngine(folder / "engine.sock")

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = engine.answer(self.command, self.path, body)
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if content else "text/plain")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(BrokenPipeError):  # the client was killed meanwhile
                self.wfile.write(content)

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815  # the names are http.server's

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with ThreadingUnixStreamServer(str(engine.socket), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield engine
        server.shutdown()
