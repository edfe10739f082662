"""The API on a port of this machine."""

import asyncio
import errno
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from dev.user_error import UserError

HOST = "127.0.0.1"


def reserve(port: int) -> socket.socket:
    """Take the port, before anything else is started for it. Nobody can connect until `serve`."""
    reserved = socket.socket()
    # A connection of the server before this one may still be waiting out its end.
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        reserved.bind((HOST, port))
    except OSError as error:
        reserved.close()
        raise _port_problem(error, port) from None
    return reserved


def serve(app: FastAPI, reserved: socket.socket, announce: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM, which then have their usual effect; `announce` when it accepts connections."""

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            announce()

    port = reserved.getsockname()[1]
    config = uvicorn.Config(
        app,
        log_config=None,  # the application's own logger says what there is to say
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing stands in front of it, so whoever sends X-Forwarded-For made it up
        timeout_graceful_shutdown=5,
    )
    try:
        asyncio.run(Server(config).serve(sockets=[reserved]))
    except OSError as error:  # two may reserve a port at the same moment; only one may listen
        raise _port_problem(error, port) from None


def _port_problem(error: OSError, port: int) -> UserError:
    what = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
    return UserError(f"Port {port} {what}; set PORT to another one, e.g. PORT={port % 65535 + 1} make start")
