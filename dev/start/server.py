"""Serves the API with uvicorn on a port of this machine."""

import asyncio
import errno
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from dev.user_error import UserError

HOST = "127.0.0.1"


def reserve(port: int) -> socket.socket:
    """Bind the port, so that a port in use is reported before anything is started.

    Clients cannot connect until `serve` listens.

    :raises UserError: the port cannot be used
    """
    reserved = socket.socket()
    # Allows a port on which connections of a server before are still in TIME_WAIT.
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        reserved.bind((HOST, port))
    except OSError as error:
        reserved.close()
        raise _port_error(error, port) from None
    return reserved


def serve(app: FastAPI, reserved: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM, which then take their usual effect.

    :param on_ready: called when the server accepts connections
    :raises UserError: the port cannot be used
    """

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_ready()

    port = reserved.getsockname()[1]
    config = uvicorn.Config(
        app,
        log_config=None,  # the application logs every request itself
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # there is no proxy, so an X-Forwarded-For is forged
        timeout_graceful_shutdown=5,
    )
    try:
        asyncio.run(Server(config).serve(sockets=[reserved]))
    except OSError as error:  # two processes can bind a port with SO_REUSEADDR; only one can listen
        raise _port_error(error, port) from None


def _port_error(error: OSError, port: int) -> UserError:
    reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
    return UserError(f"Port {port} {reason}; set PORT to another one, e.g. PORT={port % 65535 + 1} make start")
