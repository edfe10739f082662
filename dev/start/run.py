"""The steps of `make start`: settings, port, database, migrations, server."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from backend.settings import ConfigurationError, load_settings
from dev.embedded_postgres.server import EmbeddedPostgres
from dev.local_data import explain, make_local_data
from dev.local_secret import local_secret
from dev.paths import CHECKOUT, LOCAL_DATA
from dev.start import request_lines, server, variables
from dev.start.database import connection_strings, embedded, prepare
from dev.user_error import UserError
from dev.version import version_of


def start() -> None:
    """Start the database, migrate it, and serve the API until SIGINT or SIGTERM.

    :raises UserError: the API cannot start, or its PostgreSQL has ended
    """
    try:
        with ExitStack() as running:
            _start(running)
    except ConfigurationError as error:
        raise UserError(str(error)) from None
    except OSError as error:
        raise UserError(explain(error)) from None


def _start(running: ExitStack) -> None:
    from_developer = variables.read(CHECKOUT / ".env")
    port = variables.parse_port(from_developer["PORT"])
    listening_socket = running.enter_context(server.reserve(port))
    make_local_data()

    os.environ |= {"BETTER_AUTH_SECRET": local_secret(LOCAL_DATA / "better_auth_secret")} | from_developer
    data = "in the database of DATABASE_URL"
    if "DATABASE_URL" not in from_developer:
        postgres = running.enter_context(embedded(LOCAL_DATA, port, _report))
        running.enter_context(_stop_when_it_ends(postgres))
        os.environ |= connection_strings(postgres)
        data = str(postgres.directory)
    settings = load_settings()
    prepare(settings, _report)

    _report("Starting the API")
    from backend.main import app  # reads the environment when it is imported

    app.version = version_of(CHECKOUT)
    if sys.stdout.isatty():
        request_lines.use(is_coloured=request_lines.wants_colour(os.environ))

    def report_ready() -> None:
        url = f"http://{server.HOST}:{port}"
        _report(f"Ready. Stop with Ctrl-C.\n  API        {url}\n  Docs       {url}/docs")
        _report(f"  Frontend   {', '.join(settings.frontend_url)} may call it (FRONTEND_URL)\n  Data       {data}")

    server.serve(app, listening_socket, report_ready)


@contextmanager
def _stop_when_it_ends(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Stop the API when PostgreSQL has been killed. Every request would be 503, which would hide the cause.

    :raises UserError: PostgreSQL has ended
    """
    has_ended = threading.Event()

    def stop() -> None:
        has_ended.set()
        os.kill(os.getpid(), signal.SIGTERM)

    postgres.on_unexpected_end(stop)
    try:
        yield
    except KeyboardInterrupt:
        if has_ended.is_set():
            raise UserError("PostgreSQL has ended; `make start` starts it again, with its data") from None
        raise


def _report(line: str) -> None:
    print(line, flush=True)
