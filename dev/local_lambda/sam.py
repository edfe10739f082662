"""`sam local` with a database: `python -m dev.local_lambda.sam invoke events/….json`, and `… start-api`.

SAM runs the bundle in a container with Lambda's image, so an engine is needed (Docker, or podman). The container knows
this machine as `host.docker.internal`, and connects to the embedded PostgreSQL without TLS, which the function allows
because SAM sets `AWS_SAM_LOCAL`.
"""

import argparse
import shutil
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from backend.settings import ConfigurationError
from dev.bundle.target import PYTHON
from dev.local_data import make_local_data
from dev.local_lambda import events, sam_bundle, sam_process
from dev.local_lambda.engine import NAME_OF_THIS_MACHINE, Engine
from dev.local_lambda.invoke import (
    migrated,
    report,
    sender,
    start_function,
    with_temporary_database,
)
from dev.local_lambda.relay import Relay
from dev.local_secret import local_secret
from dev.make_process import interrupt_on_sigterm
from dev.paths import CHECKOUT
from dev.start import variables
from dev.start.database import embedded
from dev.user_error import UserError

FUNCTION = "ApiFunction"
PORT = 3001
"""Not SAM's own default, 3000: the frontend's server has that one."""
IMAGE = f"public.ecr.aws/lambda/python:{'.'.join(map(str, PYTHON))}-x86_64"
NO_IMAGE = (
    f"Lambda's image is not on this machine, and could not be fetched (SAM says why above). `docker pull {IMAGE}`, "
    "or podman's, fetches it where there is a network. `make invoke EVENT=…` needs none"
)
USAGE = "Usage: python -m dev.local_lambda.sam invoke events/list-tasks.json [SAM's options], or … start-api [options]"


def main(arguments: list[str]) -> int:
    """Run a command of `sam local` to its end. Returns its exit code."""
    try:
        with ExitStack() as running:
            match arguments:
                case ["invoke", event, *options] if not event.startswith("-"):
                    return _invoke(events.read(Path(event)), options, running)
                case ["start-api", *options]:
                    return _start_api(options, running)
                case _:
                    raise UserError(USAGE)
    except (UserError, ConfigurationError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        report("Stopped.")
        return 0


def _invoke(event: Any, options: list[str], running: ExitStack) -> int:
    """Have SAM run the function on the event, with its placeholders filled, and with a database that is not kept."""
    tools = _Tools.find()
    function_variables = with_temporary_database(running)
    with start_function(function_variables) as function:
        secret = function_variables["BETTER_AUTH_SECRET"]
        filled = events.fill(event, send=sender(function), secret=secret)
    return tools.run(["invoke", FUNCTION], options, function_variables, running, {"--event": filled})


def _start_api(options: list[str], running: ExitStack) -> int:
    """Serve the function with the database of `make start`. Its data stay."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", "-p", type=_port, default=PORT)
    address, _ = parser.parse_known_args(options)
    _require_free(address.host, address.port)
    tools = _Tools.find()
    data = make_local_data()
    postgres = running.enter_context(embedded(data, address.port, report))
    function_variables = migrated(postgres, local_secret(data / "better_auth_secret"))
    origins = variables.read(CHECKOUT / ".env")["FRONTEND_URL"]
    function_variables["FRONTEND_URL"] = ",".join(origin.strip().rstrip("/") for origin in origins.split(","))
    report(f"{function_variables['FRONTEND_URL']} may call it (FRONTEND_URL). The data are in {postgres.directory}")
    # Without warm containers SAM starts one for each request, which takes seconds.
    command = ["start-api", "--port", str(PORT), "--warm-containers", "EAGER"]
    return tools.run(command, options, function_variables, running)


@dataclass(frozen=True)
class _Tools:
    """The programs that `sam local` needs."""

    sam: str
    engine: Engine
    address: str | None
    """Where a container reaches this machine, unless it knows that by itself."""

    @classmethod
    def find(cls) -> "_Tools":
        """Find them, and bring the bundle up to date.

        :raises UserError: something is missing
        """
        sam = _sam()
        engine = Engine.find()
        tools = cls(sam, engine, engine.address_of_this_machine())
        sam_bundle.build_if_stale(sam)
        return tools

    def run(
        self,
        command: list[str],
        options: list[str],
        function_variables: dict[str, str],
        running: ExitStack,
        files: dict[str, Any] | None = None,
    ) -> int:
        """Run `sam local …` with these variables until it ends. Returns its exit code."""
        port = urlsplit(function_variables["DATABASE_URL"]).port
        assert port
        hosts = []
        if self.address:
            port = running.enter_context(Relay(self.address, port)).port
            hosts = ["--add-host", f"{NAME_OF_THIS_MACHINE}:{self.address}"]
        url = from_container(function_variables["DATABASE_URL"], port)
        has_image = self.engine.has_image(IMAGE)
        command = [self.sam, "local", *command, "--template", str(sam_bundle.TEMPLATE), *hosts]
        command += ["--parameter-overrides", f"FrontendUrl={function_variables['FRONTEND_URL']}"]
        command += ["--skip-pull-image"] if has_image else []  # SAM would ask the registry each time
        in_container = {"DATABASE_URL": url, "BETTER_AUTH_SECRET": function_variables["BETTER_AUTH_SECRET"]}
        job = sam_process.Job(
            command,
            {"--env-vars": {FUNCTION: in_container}} | (files or {}),
            options,
            str(self.engine.path),
            f"DATABASE_URL={url}",
        )
        code = sam_process.run(job)
        if code != 0 and not has_image and not self.engine.has_image(IMAGE):
            raise UserError(NO_IMAGE)
        return code


def from_container(url: str, port: int) -> str:
    """The connection string with which a container reaches this machine's database on this port."""
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    address = f"{credentials}@{NAME_OF_THIS_MACHINE}:{port}"
    return urlunsplit((parts.scheme, address, parts.path, "sslmode=disable", ""))


def _port(text: str) -> int:
    try:
        return variables.parse_port(text)
    except UserError:
        raise UserError(f"--port must be a number from 1 to 65535, e.g. --port {PORT + 1}") from None


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(f"Port {port} of {host} cannot be used ({error.strerror}); --port names another") from None


def _sam() -> str:
    installed = CHECKOUT / ".venv-sam" / "bin" / "sam"
    program = str(installed) if installed.exists() else shutil.which("sam")
    if program is None:
        raise UserError("The SAM CLI is not installed: `make .venv-sam/installed` installs it")
    return program


if __name__ == "__main__":
    interrupt_on_sigterm()
    sys.exit(main(sys.argv[1:]))
