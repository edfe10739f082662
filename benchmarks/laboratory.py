"""What the measurements stand on: PostgreSQL, PgBouncer, and for each application a database with the same people."""

import asyncio
import shutil
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from mangum import Mangum

from backend.app import create_app
from backend.auth import passwords
from backend.auth.tokens import Kind, Tokens
from backend.aws.handler import GatewayHandler
from backend.migrations.apply import migrate
from backend.settings import Settings
from benchmarks.budget import USUAL, Budget
from benchmarks.stock import create_shared_tls_stock_app, create_stock_app
from dev.embedded_postgres.server import EmbeddedPostgres
from tests.auth.gateway import CONTEXT
from tests.conftest import FAST_POSTGRES, NO_LIMITS, ORIGIN, SECRET
from tests.support.database_copy import LOGIN, DatabaseCopy, connect
from tests.support.people import PASSWORD
from tests.support.pooler import Pooler, require_pgbouncer

SERVER_CONNECTIONS = 20
TASKS_IN_A_CROWDS_LIST = 10

CA_BUNDLES = ("/etc/pki/tls/cert.pem", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem")
"""All of the system's CA certificates in one file, where Amazon Linux, Debian and macOS have it."""

ADD_USER = "insert into users (email, password_hash, name) values (:email, :hash, 'Somebody') returning id"
ADD_SIGN_IN = """
    insert into refresh_tokens (user_id, current_jti, expires_at)
    values (:user_id, gen_random_uuid(), now() + interval '7 days') returning id
"""
ADD_TASKS = """
    insert into tasks (title, description, completed, user_id, created_at)
    select 'Call the plumber about number ' || n,
        case when n % 3 > 0 then 'The tap in the kitchen drips since Tuesday, and the neighbours have noticed it.' end,
        n % 4 = 0, :user_id, now() - make_interval(mins => :tasks - n)
    from generate_series(1, :tasks) as n
"""


@dataclass(frozen=True)
class Account:
    """Somebody with an account, signed in, whom both databases know."""

    email: str
    access_token: str

    @property
    def headers(self) -> dict[str, str]:
        """What makes a request this person's."""
        return {"authorization": f"Bearer {self.access_token}"}


@dataclass(frozen=True)
class People:
    """Who is in the databases."""

    with_list: dict[int, Account]
    """By the length of their list."""
    readers: list[Account]
    writers: list[Account]


@dataclass(frozen=True)
class Application:
    """One of those that are compared."""

    name: str
    create: Callable[[Settings], FastAPI]
    handler: Callable[[FastAPI], Callable[[Any, Any], dict[str, Any]]]
    database: DatabaseCopy
    deployed_handler: str
    """The function as a template names it."""

    def function(self, settings: Settings) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """It as a Lambda function: takes an event, gives the answer. The event loop is kept, as it is there."""
        handler = self.handler(self.create(settings))
        return lambda event: handler(event, CONTEXT)


@dataclass(frozen=True)
class Laboratory:
    """The applications, and how they reach their databases."""

    pooler: Pooler | None
    ours: Application
    stock: Application
    shared_tls_stock: Application
    people: People
    budget: Budget
    ca_bundle: Path | None
    """What a TLS context reads that is told nothing else."""

    @property
    def applications(self) -> tuple[Application, Application]:
        """The two that differ in everything measured, ours first."""
        return self.ours, self.stock

    @property
    def tls_applications(self) -> tuple[Application, Application, Application]:
        """Those that differ where TLS connections are made, ours first."""
        return self.ours, self.stock, self.shared_tls_stock

    def through_pooler(self, application: Application, *, port: int | None = None) -> Settings:
        """A TLS connection per request, through the pooler; with `port`, by way of a proxy in front of it."""
        assert self.pooler is not None
        url = self.pooler.url(application.database, port=port)
        return _settings(database_url=url, database_ca_file=str(self.pooler.ca_file))

    def with_pool(self, application: Application) -> Settings:
        """A pool of the application's own, straight to PostgreSQL, as `make start` has it."""
        return _settings(database_url=application.database.url, database_pool_size=SERVER_CONNECTIONS)


def _stored_password(server: EmbeddedPostgres) -> str:
    """What PostgreSQL keeps of the login's password, which is what Neon's pooler has of it.

    With the password itself PgBouncer would hash it anew for every client: 5 ms that hide what the applications take.
    """
    with connect(server.url()) as owner:
        [[secret]] = owner.run("select rolpassword from pg_authid where rolname = :login", login=LOGIN)
    return str(secret)


@contextmanager
def laboratory(say: Callable[[str], None], budget: Budget = USUAL) -> Iterator[Laboratory]:
    """Build it, and clear it away. Without PgBouncer it has no pooler, and says so."""
    directory = Path(tempfile.mkdtemp(prefix="todo-api-bench-"))
    directory.chmod(0o711)  # root's PostgreSQL runs as `nobody`
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # Mangum asks for it
    try:
        with ExitStack() as running:
            server = running.enter_context(EmbeddedPostgres(directory / "postgres", FAST_POSTGRES))
            ours, stock, people = _databases(server, budget)
            pooler = (
                running.enter_context(Pooler(server, pool_size=SERVER_CONNECTIONS, password=_stored_password(server)))
                if _can_pool(say)
                else None
            )
            module = "benchmarks.stock_deployed"
            yield Laboratory(
                pooler,
                Application("this project", create_app, GatewayHandler, ours, "backend.main.handler"),
                Application("stock", create_stock_app, _plain_handler, stock, f"{module}.handler"),
                Application(
                    "stock, one TLS context",
                    create_shared_tls_stock_app,
                    _plain_handler,
                    stock,
                    f"{module}.shared_tls_handler",
                ),
                people,
                budget,
                running.enter_context(_one_ca_bundle()),
            )
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        shutil.rmtree(directory)


@contextmanager
def _one_ca_bundle() -> Iterator[Path | None]:
    """Have the system's CA certificates read from one file, as on Amazon Linux, which Lambda runs.

    Where a distribution keeps each in a file of its own, OpenSSL would look for one when it is needed, and reads none
    in advance.
    """
    candidates = (ssl.get_default_verify_paths().cafile, *CA_BUNDLES)
    bundle = next((Path(each) for each in candidates if each and Path(each).is_file()), None)
    with pytest.MonkeyPatch.context() as environment:
        if bundle:
            environment.setenv("SSL_CERT_FILE", str(bundle))
        yield bundle


def _plain_handler(app: FastAPI) -> Mangum:
    return Mangum(app, lifespan="off")


def _settings(**values: Any) -> Settings:
    values |= {"better_auth_secret": SECRET, "frontend_url": ORIGIN}
    return Settings(_env_file=None, **NO_LIMITS, **values)


def _databases(server: EmbeddedPostgres, budget: Budget) -> tuple[DatabaseCopy, DatabaseCopy, People]:
    ours, stock = DatabaseCopy(server, "ours"), DatabaseCopy(server, "stock")
    ours.create(source="template1")
    migrate(ours.owner_url, ours.url, lambda _: None)
    people = _populate(ours, budget)
    stock.create(source=ours.name)
    # The plain application's login has its rights without roles, and nothing is checked row by row.
    stock.query(
        f"grant select, insert, update, delete on users, refresh_tokens, tasks to {LOGIN}",
        "alter table tasks disable row level security",
    )
    for database in (ours, stock):
        database.query("vacuum analyze")
    return ours, stock, people


def _populate(database: DatabaseCopy, budget: Budget) -> People:
    password_hash = passwords.hash_password(PASSWORD)
    tokens, now = Tokens(SECRET), int(time.time())
    with database.connect_as_owner() as owner:

        def add(tasks: int) -> Account:
            email = f"{uuid4().hex}@example.com"
            [[user_id]] = owner.run(ADD_USER, email=email, hash=password_hash)
            [[sign_in_id]] = owner.run(ADD_SIGN_IN, user_id=user_id)
            owner.run(ADD_TASKS, user_id=user_id, tasks=tasks)
            ids: dict[str, UUID] = {"user_id": user_id, "sign_in_id": sign_in_id}
            return Account(email, tokens.sign(Kind.ACCESS, **ids, issued_at=now, expires_at=now + 24 * 3600))

        return People(
            with_list={length: add(length) for length in budget.list_rounds},
            readers=[add(TASKS_IN_A_CROWDS_LIST) for _ in range(budget.most_clients)],
            writers=[add(0) for _ in range(budget.most_clients)],
        )


def _can_pool(say: Callable[[str], None]) -> bool:
    try:
        require_pgbouncer()
    except pytest.skip.Exception as missing:
        say(f"{missing}; ALL ROWS THROUGH THE POOLER ARE LEFT OUT")
        return False
    return True
