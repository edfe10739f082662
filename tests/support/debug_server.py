"""The application with every logger at DEBUG, in a process of its own: `python -m tests.support.debug_server FD`."""

import logging
import socket
import sys

import uvicorn

from backend.app import create_app
from backend.settings import Settings

if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG)  # as AWS_LAMBDA_LOG_LEVEL=DEBUG does in Lambda
    app = create_app(Settings(_env_file=None))
    config = uvicorn.Config(app, log_level="debug", access_log=True, proxy_headers=False)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
