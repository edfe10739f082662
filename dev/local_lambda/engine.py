"""The container engine on this machine (Docker, or podman), over its unix socket.

Both serve Docker's Engine API: https://docs.docker.com/reference/api/engine/. The SAM CLI uses the same socket.
"""

import ipaddress
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from dev.user_error import UserError

ANSWER_SECONDS = 60
"""Removing a container can take that long when the disk is slow."""
NAME_OF_THIS_MACHINE = "host.docker.internal"
"""Docker Desktop's containers resolve this name. Elsewhere SAM adds it to a container's hosts file."""
NONE_FOUND = (
    "No container engine answers here. Start Docker, or podman's service (sudo systemctl start podman.socket), or name "
    "its socket (DOCKER_HOST=unix:///path). `make invoke EVENT=events/list-tasks.json` needs none"
)
NONE_NAMED = "No container engine answers at DOCKER_HOST={host}; start it, or unset the variable"
ROOTLESS = (
    "{socket} belongs to a rootless engine, whose containers cannot reach a database on this machine. Use the system's "
    "engine (DOCKER_HOST=unix:///run/podman/podman.sock), or `make invoke EVENT=…`, which needs none"
)


class Engine:
    """An engine that answers on this unix socket.

    :raises OSError: none does
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._request("GET", "/_ping")

    @classmethod
    def find(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The engine that DOCKER_HOST names, or the first that answers in one of the usual places.

        :raises UserError: there is none, or this user must not use it
        """
        named = environment.get("DOCKER_HOST", "")
        if named and not named.startswith("unix://"):
            raise UserError(f"DOCKER_HOST is {named}: only an engine on this machine can reach its database (unix://…)")
        refused = None
        for path in [Path(named.removeprefix("unix://"))] if named else _usual_places(environment):
            try:
                return cls(path)
            except PermissionError:
                refused = refused or path
            except (OSError, HTTPException):
                continue
        if refused:
            raise UserError(f"You may not use {refused}; `sudo usermod -aG docker $USER` and a new login allow it")
        raise UserError(NONE_NAMED.format(host=named) if named else NONE_FOUND)

    def address_of_this_machine(self) -> str | None:
        """The address at which a container reaches this machine, if this machine itself has it.

        :return: the bridge's address; None when the engine runs in a virtual machine, as Docker Desktop does
        :raises UserError: the engine's containers reach no such address
        """
        info = self._request("GET", "/info")[1]
        if sys.platform != "linux" or info.get("OperatingSystem") == "Docker Desktop":
            return None
        if info.get("Rootless") or "name=rootless" in (info.get("SecurityOptions") or ()):
            raise UserError(ROOTLESS.format(socket=self.path))
        status, bridge = self._request("GET", "/networks/bridge")  # podman gives this name to its own default
        ranges = bridge.get("IPAM", {}).get("Config") or [] if status == 200 else []
        for each in ranges:
            network = ipaddress.ip_network(each["Subnet"])
            if network.version == 4:
                return str(each.get("Gateway") or next(network.hosts()))
        raise UserError(f"The engine on {self.path} has no default network, so no container can reach this machine")

    def has_image(self, name: str) -> bool:
        """Whether the image is on this machine."""
        return self._request("GET", f"/images/{name}/json")[0] == 200

    def remove_containers(self, variable: str) -> None:
        """Remove SAM's containers, running or not, that have this environment variable (`NAME=value`)."""
        for container in self._of_sam():
            status, details = self._request("GET", f"/containers/{container}/json")
            if status == 200 and variable in (details["Config"]["Env"] or ()):
                self._request("DELETE", f"/containers/{container}?force=true")

    def _of_sam(self) -> Iterator[str]:
        filters = quote(json.dumps({"label": ["sam.cli.container.type=lambda"]}))
        for container in self._request("GET", f"/containers/json?all=true&filters={filters}")[1]:
            yield container["Id"]

    def _request(self, method: str, target: str) -> tuple[int, Any]:
        """The status and the JSON of the answer."""
        connection = _UnixConnection(self.path)
        try:
            connection.request(method, target)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(text) if is_json and text else None


def _usual_places(environment: Mapping[str, str]) -> list[Path]:
    """The sockets of Docker, of Docker Desktop (macOS, Linux) and of podman, the system's before the user's own."""
    home, runtime = Path.home(), environment.get("XDG_RUNTIME_DIR")
    places = [Path("/var/run/docker.sock"), home / ".docker/run/docker.sock", home / ".docker/desktop/docker.sock"]
    places += [Path("/run/podman/podman.sock")]
    return places + ([Path(runtime, "podman/podman.sock")] if runtime else [])


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
