"""What `make start` does, step by step, and what it says meanwhile."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from backend.settings import ConfigurationError, load_settings
from dev.embedded_postgres.server import CHECKOUT, EmbeddedPostgres
from dev.start import server, settings
from dev.start.database import embedded, environment, prepare
from dev.start.secret import kept_secret
from dev.user_error import UserError

DATA = CHECKOUT / ".data"


def start() -> None:
    """Serve the API until SIGINT or SIGTERM, with everything that it needs.

    :raises UserError: something has to be mended first
    """
    try:
        with ExitStack() as running:
            _start(running)
    except (ConfigurationError, OSError) as error:
        raise UserError(str(error)) from None


def _start(running: ExitStack) -> None:
    given = settings.read(CHECKOUT / ".env")
    port = settings.port(given["PORT"])
    reserved = running.enter_context(server.reserve(port))
    DATA.mkdir(exist_ok=True)
    DATA.chmod(0o711)  # PostgreSQL's account has to get through; each secret in it is closed by itself

    os.environ |= {"BETTER_AUTH_SECRET": kept_secret(DATA / "better_auth_secret")} | given
    place = "in the database of DATABASE_URL"
    if "DATABASE_URL" not in given:
        postgres = running.enter_context(embedded(DATA, port, _say))
        running.enter_context(_only_as_long_as(postgres))
        os.environ |= environment(postgres)
        place = str(postgres.directory)
    configured = load_settings()
    prepare(configured, _say)

    _say("Starting the API")
    from backend.main import app  # reads the environment when it is imported

    def announce() -> None:
        url = f"http://{server.HOST}:{port}"
        _say(f"Ready. Stop with Ctrl-C.\n  API        {url}\n  Docs       {url}/docs")
        _say(f"  Frontend   {', '.join(configured.frontend_url)} may call it (FRONTEND_URL)\n  Data       {place}")

    server.serve(app, reserved, announce)


@contextmanager
def _only_as_long_as(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Stop when PostgreSQL has been killed: an API that answers 503 for ever would have everybody look elsewhere."""
    has_ended = threading.Event()

    def stop() -> None:
        has_ended.set()
        os.kill(os.getpid(), signal.SIGTERM)

    postgres.when_it_ends(stop)
    try:
        yield
    except KeyboardInterrupt:
        if has_ended.is_set():
            raise UserError("PostgreSQL has ended; `make start` starts it again, with its data") from None
        raise


def _say(line: str) -> None:
    print(line, flush=True)
