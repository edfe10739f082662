"""Starts what the measurements need: PostgreSQL, PgBouncer, and for each application a database with the same users."""

import asyncio
import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from mangum import Mangum

from backend.app import create_app
from backend.aws.handler import GatewayHandler
from backend.migrations.apply import migrate
from backend.settings import Settings
from benchmarks.accounts import Accounts, add_accounts
from benchmarks.budget import Budget
from benchmarks.drivers import OURS, Driver
from benchmarks.stock import create_stock_app
from dev.embedded_postgres.server import EmbeddedPostgres
from tests.conftest import FAST_POSTGRES, NO_LIMITS, ORIGIN, SECRET
from tests.support.database_copy import LOGIN, DatabaseCopy, connect
from tests.support.gateway import CONTEXT
from tests.support.pooler import Pooler, require_pgbouncer
from tests.support.tls_postgres import TlsPostgres, require_tls_postgres

SERVER_CONNECTIONS = 20

CA_BUNDLES = ("/etc/pki/tls/cert.pem", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem")
"""The file with all of the system's CA certificates, on Amazon Linux, Debian and macOS."""


@dataclass(frozen=True)
class Application:
    """One of the applications that are compared."""

    name: str
    create: Callable[[Settings], FastAPI]
    handler: Callable[[FastAPI], Callable[[Any, Any], dict[str, Any]]]
    database: DatabaseCopy
    deployed_handler: str
    """The Lambda handler, as `Handler` in template.yaml would name it."""

    def function(self, settings: Settings) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """The application as a Lambda function, which takes an event and returns the answer.

        It keeps its event loop between events, as on Lambda.
        """
        handler = self.handler(self.create(settings))
        return lambda event: handler(event, CONTEXT)


@dataclass(frozen=True)
class Testbed:
    """The applications, and the settings with which they reach their databases."""

    pooler: Pooler | None
    ours: Application
    peers: Mapping[Driver, Application]
    """The plain applications."""
    accounts: Accounts
    budget: Budget
    ca_bundle: Path | None
    """The file of CA certificates that a TLS context loads by default."""
    tls_database: DatabaseCopy | None
    """An empty database for this project on a PostgreSQL that has TLS itself."""
    tls_ca_file: Path | None

    def through_pooler(self, application: Application, *, port: int | None = None) -> Settings:
        """Settings for a TLS connection per request through the pooler, or through a proxy on `port` in front of it."""
        assert self.pooler is not None
        url = self.pooler.url(application.database, port=port)
        return settings_for(database_url=url, database_ca_file=str(self.pooler.ca_file))

    def directly(self, port: int) -> Settings:
        """Settings for a TLS connection per request to the database with TLS, from the first byte (direct TLS)."""
        assert self.tls_database is not None
        location, name = self.tls_database.url.rsplit(":", 1)[0], self.tls_database.name
        url = f"{location}:{port}/{name}?sslmode=require&sslnegotiation=direct"
        return settings_for(database_url=url, database_ca_file=str(self.tls_ca_file))

    def with_pool(self, application: Application) -> Settings:
        """Settings for a connection pool in the application, directly to PostgreSQL, as `make start` has it."""
        return settings_for(database_url=application.database.url, database_pool_size=SERVER_CONNECTIONS)


def stored_password(server: EmbeddedPostgres) -> str:
    """The login's SCRAM verifier, as PostgreSQL stores it. Neon's pooler also has the verifier, not the password.

    With the password PgBouncer would derive a verifier for every client, which takes 5 ms and hides the differences.
    """
    with connect(server.url()) as owner:
        [[secret]] = owner.run("select rolpassword from pg_authid where rolname = :login", login=LOGIN)
    return str(secret)


@contextmanager
def build_testbed(log_progress: Callable[[str], None], budget: Budget) -> Iterator[Testbed]:
    """Start the servers and create the databases, and remove them when the block ends.

    Where PgBouncer is missing there is no pooler, and a line of `log_progress` says so.
    """
    with surroundings("bench") as directory, ExitStack() as running:
        server = running.enter_context(EmbeddedPostgres(directory / "postgres", FAST_POSTGRES))
        ours, stock, accounts = _databases(server, budget)
        pooler = (
            running.enter_context(Pooler(server, pool_size=SERVER_CONNECTIONS, password=stored_password(server)))
            if _can_pool(log_progress)
            else None
        )
        tls_server = (
            running.enter_context(TlsPostgres(_made(directory / "tls"))) if _has_tls_postgres(log_progress) else None
        )
        yield Testbed(
            pooler,
            this_project(ours),
            {driver: _peer(driver, stock) for driver in Driver},
            accounts,
            budget,
            running.enter_context(_one_ca_bundle()),
            migrated(DatabaseCopy(tls_server, "ours")) if tls_server else None,
            tls_server.certificate.file if tls_server else None,
        )


@contextmanager
def surroundings(purpose: str) -> Iterator[Path]:
    """A folder for servers and an event loop for functions, until the block ends, also by Ctrl-C.

    :param purpose: a word for the folder's name
    """
    directory = Path(tempfile.mkdtemp(prefix=f"todo-api-{purpose}-"))
    directory.chmod(0o711)  # root's PostgreSQL runs as `nobody`
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # Mangum uses the current event loop
    try:
        yield directory
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        with suppress(FileNotFoundError):  # the guardian of a temporary PostgreSQL removes its part at the same time
            shutil.rmtree(directory)


@contextmanager
def _one_ca_bundle() -> Iterator[Path | None]:
    """Have OpenSSL read the system's CA certificates from one file, as on Amazon Linux, which Lambda runs.

    Other distributions have one file for each certificate, which OpenSSL reads only when it needs it.
    """
    candidates = (ssl.get_default_verify_paths().cafile, *CA_BUNDLES)
    bundle = next((Path(each) for each in candidates if each and Path(each).is_file()), None)
    with pytest.MonkeyPatch.context() as environment:
        if bundle:
            environment.setenv("SSL_CERT_FILE", str(bundle))
        yield bundle


def _mangum_handler(app: FastAPI) -> Mangum:
    return Mangum(app, lifespan="off")


def this_project(database: DatabaseCopy) -> Application:
    """This project on a database."""
    return Application(OURS, create_app, GatewayHandler, database, "backend.main.handler")


def _peer(driver: Driver, database: DatabaseCopy) -> Application:
    create, deployed = partial(create_stock_app, driver=driver), f"benchmarks.stock_deployed.{driver.name.lower()}"
    return Application(driver, create, _mangum_handler, database, f"{deployed}_handler")


def settings_for(**values: Any) -> Settings:
    """Settings with these values, whose rate limits allow everything."""
    values |= {"better_auth_secret": SECRET, "frontend_url": ORIGIN}
    return Settings(_env_file=None, **NO_LIMITS, **values)


def _databases(server: EmbeddedPostgres, budget: Budget) -> tuple[DatabaseCopy, DatabaseCopy, Accounts]:
    ours, stock = migrated(DatabaseCopy(server, "ours")), DatabaseCopy(server, "stock")
    accounts = add_accounts(ours, budget)
    stock.create(source=ours.name)
    # Stock does not change roles, so its login needs these rights itself, and no row level security.
    stock.query(
        f"grant select, insert, update, delete on users, refresh_tokens, tasks to {LOGIN}",
        "alter table tasks disable row level security",
    )
    for database in (ours, stock):
        database.query("vacuum analyze")
    return ours, stock, accounts


def migrated(database: DatabaseCopy) -> DatabaseCopy:
    """The database, created with the schema and the rights of the newest migration."""
    database.create(source="template1")
    migrate(database.owner_url, database.url, lambda _: None)
    return database


def _can_pool(log_progress: Callable[[str], None]) -> bool:
    return _has(require_pgbouncer, log_progress, "ALL ROWS THROUGH THE POOLER ARE LEFT OUT")


def _has_tls_postgres(log_progress: Callable[[str], None]) -> bool:
    return _has(require_tls_postgres, log_progress, "DIRECT TLS IS LEFT OUT")


def _has(require: Callable[[], None], log_progress: Callable[[str], None], without: str) -> bool:
    try:
        require()
    except pytest.skip.Exception as missing:
        log_progress(f"{missing}; {without}")
        return False
    return True


def _made(directory: Path) -> Path:
    directory.mkdir(mode=0o711)
    directory.chmod(0o711)  # whatever the umask is
    return directory
