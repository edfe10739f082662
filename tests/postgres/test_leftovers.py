"""Settings that other clients left on a pooled server connection, and that the database or the login have."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from pg8000.native import Connection as PlainConnection
from pg8000.native import identifier, literal
from sqlalchemy.exc import DBAPIError

from backend.app import create_app
from backend.database.columns import TIMESTAMP_FORMAT
from backend.database.failures import translate
from backend.database.roles import AUTH_ROLE
from backend.postgres import Check, Connection, DatabaseUrl, Flight, Opening, ServerError, memory, messages, sqlstate
from backend.postgres.flight import MAY_WRITE
from backend.postgres.messages import INT32
from dev.embedded_postgres.server import EmbeddedPostgres
from tests.conftest import MakeClient, MakeSettings
from tests.support.concurrency import at_once
from tests.support.database_copy import LOGIN, DatabaseCopy
from tests.support.database_fixtures import Logged, levels_of_unavailable
from tests.support.people import Person
from tests.support.pooler import Pooler, require_pgbouncer
from tests.support.serving import serving

pytestmark = pytest.mark.spec("SC-010", "NFR-016")

READS, WRITES = Flight(reads=True), Flight(reads=False)
each_kind_of_flight = pytest.mark.parametrize("flight", [READS, WRITES], ids=["reads", "writes"])
WINDOW_SECONDS = 900
ANOTHER_USER = "00000000-0000-7000-8000-000000000000"


# One connection, on which another client's statements run between our flights, as a pooler would let them.


class Pooled(Connection):
    """A connection to PostgreSQL that pretends to be one through a pooler: another client may use it in between."""

    def __init__(self, database: DatabaseCopy, opening: Opening | None = None) -> None:
        super().__init__(DatabaseUrl.parse(database.url), opening=opening or Opening(AUTH_ROLE))
        self.execute("select 1", flight=READS)

    def another_client_runs(self, statement: str) -> str | None:
        """Run a statement outside of our flights. Gives its only value, and tells our connection nothing about it."""
        assert self._wire is not None
        sock = self._wire.sock
        sock.settimeout(30)
        sock.sendall(messages.query(statement))
        value, kind = None, b""
        with sock.makefile("rb") as received:
            while kind != messages.READY:
                kind, length = received.read(1), INT32.unpack(received.read(INT32.size))[0]
                body = received.read(length - INT32.size)
                assert kind != messages.ERROR, body
                if kind == messages.DATA_ROW:
                    [value] = messages.values(body)
        return value


@pytest.fixture
def pooled(shared_database: DatabaseCopy) -> Iterator[Pooled]:
    """A connection whose flights open as the application's do."""
    with closing(Pooled(shared_database)) as connection:
        yield connection


def shown(connection: Connection, setting: str, flight: Flight) -> str:
    """What a setting is inside of a flight."""
    [[value]] = connection.execute(f"select current_setting('{setting}')", flight=flight).rows
    return str(value)


class TestFlight:
    """Every flight sets for itself what its statements rely on."""

    @each_kind_of_flight
    @pytest.mark.parametrize(
        ("setting", "left", "expected"),
        [
            ("search_path", '""', "public, pg_temp"),
            ("row_security", "off", "on"),
            ("DateStyle", "SQL, DMY", "ISO, DMY"),
            ("IntervalStyle", "iso_8601", "postgres"),
            ("TimeZone", "Asia/Kathmandu", "UTC"),
            ("standard_conforming_strings", "off", "on"),
            ("transaction_timeout", "1min", "0"),
            ("role", "todo_user", AUTH_ROLE),
        ],
    )
    def test_sets_what_its_statements_rely_on(
        self, setting: str, left: str, expected: str, flight: Flight, pooled: Pooled
    ) -> None:
        value = "''" if left == '""' else f"'{left}'"
        pooled.another_client_runs(f"set {setting} = {value}")

        assert shown(pooled, setting, flight) == expected

        assert pooled.another_client_runs(f"show {setting}") == left  # set for our transaction alone

    @each_kind_of_flight
    @pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
    @pytest.mark.parametrize("left", ["0", "50"])
    def test_has_the_time_that_is_left_of_its_deadline(
        self, setting: str, left: str, flight: Flight, pooled: Pooled
    ) -> None:
        pooled.another_client_runs(f"set {setting} = {left}")

        unit = "select extract(epoch from current_setting($1)::interval)"
        [[seconds]] = pooled.execute(unit, (setting,), flight=flight).rows

        assert 1 < seconds <= 10

    @pytest.mark.parametrize("left", ["on", "off"])
    def test_may_write_only_if_it_says_so(self, left: str, pooled: Pooled) -> None:
        pooled.another_client_runs(f"set default_transaction_read_only = {left}")

        assert shown(pooled, "transaction_read_only", READS) == "on"
        assert shown(pooled, "transaction_read_only", WRITES) == "off"

    @pytest.mark.parametrize("left", ["serializable", "repeatable read"])
    def test_that_writes_sees_what_others_have_just_committed(self, left: str, pooled: Pooled) -> None:
        pooled.another_client_runs(f"set default_transaction_isolation = '{left}'")

        assert shown(pooled, "transaction_isolation", WRITES) == "read committed"

    def test_reads_the_clock_exactly_however_numbers_are_shown(
        self, pooled: Pooled, shared_database: DatabaseCopy
    ) -> None:
        pooled.another_client_runs("set extra_float_digits = -15")

        for _ in range(3):
            pooled.execute("select 1", flight=READS)

        assert abs(memory.of(DatabaseUrl.parse(shared_database.url)).clock_offset) < 60


SLOW = "select 't', extract(epoch from clock_timestamp()), 'ISO, MDY' from pg_sleep(1)"
CANCELED = "do $$ begin raise exception using errcode = '57014'; end $$"


@dataclass(frozen=True)
class Replaced(Opening):
    """An opening in whose place something else is sent, sometimes.

    :ivar sent: an entry for each time that either was sent
    :ivar replacements: the statements that are sent the next times
    """

    sent: list[bool] = field(default_factory=list)
    replacements: list[str] = field(default_factory=list)

    def units(self, *, ends_at: float, reads: bool) -> bytes:
        """The messages."""
        self.sent.append(reads)
        if not self.replacements:
            return super().units(ends_at=ends_at, reads=reads)
        return (b"" if reads else MAY_WRITE) + messages.unit(self.replacements.pop(0))


class TestTimeoutThatStrikesEarly:
    """A timeout that another client left is in force until the opening has set another one."""

    @pytest.fixture
    def opening(self) -> Replaced:
        return Replaced(AUTH_ROLE)

    @pytest.fixture
    def pooled(self, opening: Replaced, shared_database: DatabaseCopy) -> Iterator[Pooled]:
        with closing(Pooled(shared_database, opening)) as connection:
            opening.sent.clear()
            yield connection

    @each_kind_of_flight
    def test_has_the_flight_sent_again_without_it(self, flight: Flight, pooled: Pooled, opening: Replaced) -> None:
        pooled.another_client_runs("set statement_timeout = 100")
        opening.replacements.extend([SLOW, SLOW])

        assert pooled.execute("select 7", flight=flight).rows == [[7]]

        assert len(opening.sent) == 2
        assert pooled.another_client_runs("show statement_timeout") == "100ms"

    @each_kind_of_flight
    def test_has_it_sent_three_times_and_no_more(self, flight: Flight, pooled: Pooled, opening: Replaced) -> None:
        opening.replacements.extend([CANCELED] * 3)

        with pytest.raises(ServerError) as failed:
            pooled.execute("select 7", flight=flight)

        assert (sqlstate(failed.value), failed.value.nothing_written) == ("57014", True)
        assert len(opening.sent) == 3
        assert pooled.execute("select 7", flight=flight).rows == [[7]]

    def test_later_than_a_second_is_final(self, pooled: Pooled, opening: Replaced) -> None:
        impatient = Check("select set_config('statement_timeout', '1500', true)", ())

        with pytest.raises(ServerError) as failed:
            pooled.execute("select pg_sleep(60)", flight=Flight(reads=True, check=impatient))

        assert sqlstate(failed.value) == "57014"
        assert len(opening.sent) == 1

    @each_kind_of_flight
    def test_ends_the_connection_if_it_is_the_transactions(
        self, flight: Flight, pooled: Pooled, opening: Replaced, logged: Logged
    ) -> None:
        pooled.another_client_runs("set transaction_timeout = 100")
        opening.replacements.append(SLOW)

        with pytest.raises(ServerError) as failed:
            pooled.execute("select 7", flight=flight)

        answer = translate(DBAPIError("", {}, failed.value))
        assert (sqlstate(failed.value), failed.value.ends_connection) == ("25P04", True)
        assert (answer.status, answer.headers) == (503, {"Retry-After": "2"})
        assert levels_of_unavailable(logged) == ["WARNING"]  # it heals by itself

    def test_of_a_transaction_does_not_strike_once_the_flight_is_open(self, pooled: Pooled) -> None:
        pooled.another_client_runs("set transaction_timeout = 200")

        assert pooled.execute("select pg_sleep(1)", flight=READS).tag == "SELECT 1"


# The application, behind a PgBouncer with one server connection, on which everything happens.


LEFT_BEHIND = {
    "search_path": "''",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "row_security": "off",
    "statement_timeout": "1",
    "lock_timeout": "1",
    "idle_in_transaction_session_timeout": "1",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "-15",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "bytea_output": "escape",
    "client_min_messages": "debug5",
    "role": "todo_user",
    "app.user_id": f"'{ANOTHER_USER}'",
}
KEPT_BY_THE_POOLER = {
    "DateStyle": "'SQL, DMY'",
    "TimeZone": "'Asia/Kathmandu'",
    "standard_conforming_strings": "off",
    "client_encoding": "LATIN1",
}
"""PgBouncer follows these, and sets them for each client to what that client has."""
TEMPORARY_TABLES = ("users", "tasks", "refresh_tokens", "rate_limits")


class AnotherClient:
    """A client with the same login behind the same pooler, which is no application of ours."""

    def __init__(self, pooler: Pooler, database: DatabaseCopy) -> None:
        self._url = DatabaseUrl.parse(pooler.url(database), ca_file=str(pooler.ca_file))

    def run(self, *statements: str) -> list[Any]:
        """Connect, run statements, and disconnect. Gives the rows of each."""
        url = self._url
        with closing(
            PlainConnection(
                url.user,
                host=url.host,
                port=url.port,
                database=url.database,
                password=url.password,
                ssl_context=url.tls_context(),
            )
        ) as connection:
            return [connection.run(statement) for statement in statements]


@dataclass
class Application:
    """An application with limits that are soon full, and what the owner of its database sees."""

    http: httpx2.Client
    owner: PlainConnection

    def stored_time(self, table: str, column: str, row_id: str) -> str:
        """When a row was created or updated, in the format of the API. It must have been just now."""
        time = f"to_char({identifier(column)} at time zone 'UTC', :format)"
        statement = f"select {time} from public.{identifier(table)} where id = cast(:id as uuid)"
        [[stored]] = self.owner.run(statement, format=TIMESTAMP_FORMAT, id=row_id)
        assert datetime.now(UTC) - datetime.fromisoformat(stored) < timedelta(minutes=10)
        return str(stored)

    def check_every_operation(self) -> None:
        """Use every operation of the API, and compare the answers with what is stored."""
        ada = self._check_accounts()
        self._check_tasks(ada)
        assert self.http.get("/api/health").status_code == 200
        assert ada.post("/api/auth/signout").status_code == 200
        assert ada.get("/api/tasks").status_code == 401

    def _check_accounts(self) -> Person:
        ada = Person.sign_up(self.http)
        again = ada.sign_in_again()
        assert again.refresh().status_code == 200
        limited = again.refresh()
        wrong = {"email": ada.email, "password": "not the password"}
        refused = [self.http.post("/api/auth/signin", json=wrong) for _ in range(2)]
        assert [answer.status_code for answer in refused] == [401, 429]
        for answer in (limited, refused[1]):
            assert answer.status_code == 429
            assert WINDOW_SECONDS - 60 < int(answer.headers["Retry-After"]) <= WINDOW_SECONDS
        assert {person.auth["user"]["created_at"] for person in (ada, again)} == {
            self.stored_time("users", "created_at", ada.id)
        }
        return again

    def _check_tasks(self, ada: Person) -> None:
        title, description = r"Größe \ 'und' \u0041", "NULL\n'; --"
        task = ada.create_task(title, description=description)
        path = f"/api/tasks/{task['id']}"
        assert (task["title"], task["description"], task["completed"]) == (title, description, False)
        self._check_times(task)
        assert ada.tasks() == [task] == [ada.get(path).json()]

        toggled = ada.patch(f"{path}/toggle")
        assert (toggled.status_code, toggled.json()["completed"]) == (200, True)
        self._check_times(toggled.json())
        edited = ada.put(path, json={"title": "Buy bread"}, headers={"If-Match": toggled.headers["ETag"]})
        assert (edited.status_code, edited.json()["title"]) == (200, "Buy bread")
        self._check_times(edited.json())
        assert ada.tasks() == [edited.json()]
        assert ada.delete(path, headers={"If-Match": toggled.headers["ETag"]}).status_code == 412
        assert ada.delete(path).status_code == 204
        assert ada.get(path).status_code == 404
        assert ada.tasks() == []

    def _check_times(self, task: dict[str, Any]) -> None:
        for column in ("created_at", "updated_at"):
            assert task[column] == self.stored_time("tasks", column, task["id"])


StartApplication = Callable[..., Application]


@pytest.fixture
def start_application(make_client: MakeClient, fresh_database: DatabaseCopy) -> Iterator[StartApplication]:
    """Gives an application on a fresh database, with a connection for each request."""
    with fresh_database.connect_as_owner() as owner:

        def start(pooler: Pooler | None = None) -> Application:
            where = {"database_url": fresh_database.url}
            if pooler is not None:
                where = {"database_url": pooler.url(fresh_database), "database_ca_file": str(pooler.ca_file)}
            limits = {"signin_failures_per_account_and_address": 1, "refreshes_per_sign_in": 1}
            return Application(make_client(**where, **limits, database_pool_size=0), owner)

        yield start


@pytest.fixture(scope="module")
def narrow_pooler(postgres: EmbeddedPostgres, template: DatabaseCopy) -> Iterator[Pooler]:
    """A PgBouncer with one server connection to each database."""
    require_pgbouncer()
    with Pooler(postgres, pool_size=1) as running:
        yield running


class TestLeftByAnotherClient:
    """Every operation works as ever."""

    @pytest.fixture
    def another(self, narrow_pooler: Pooler, fresh_database: DatabaseCopy) -> AnotherClient:
        return AnotherClient(narrow_pooler, fresh_database)

    @pytest.mark.parametrize("setting", LEFT_BEHIND)
    def test_a_setting(
        self, setting: str, another: AnotherClient, start_application: StartApplication, narrow_pooler: Pooler
    ) -> None:
        _, left = another.run(f"set {setting} = {LEFT_BEHIND[setting]}", f"show {setting}")

        start_application(narrow_pooler).check_every_operation()

        assert another.run(f"show {setting}") == [left]

    @pytest.mark.parametrize("setting", KEPT_BY_THE_POOLER)
    def test_a_setting_that_the_pooler_follows(
        self, setting: str, another: AnotherClient, start_application: StartApplication, narrow_pooler: Pooler
    ) -> None:
        another.run(f"set {setting} = {KEPT_BY_THE_POOLER[setting]}")

        start_application(narrow_pooler).check_every_operation()

    def test_temporary_tables_with_our_tables_names(
        self, another: AnotherClient, start_application: StartApplication, narrow_pooler: Pooler
    ) -> None:
        another.run(*(f"create temporary table {name} (id int)" for name in TEMPORARY_TABLES))

        start_application(narrow_pooler).check_every_operation()

        assert another.run(*(f"select id from pg_temp.{name}" for name in TEMPORARY_TABLES)) == [[]] * 4

    def test_a_subscription_to_notifications(
        self,
        another: AnotherClient,
        start_application: StartApplication,
        narrow_pooler: Pooler,
        fresh_database: DatabaseCopy,
    ) -> None:
        another.run("listen anything")
        application = start_application(narrow_pooler)
        fresh_database.query("notify anything, 'good morning'")

        application.check_every_operation()

    def test_everything_at_once(
        self, another: AnotherClient, start_application: StartApplication, narrow_pooler: Pooler
    ) -> None:
        another.run(*(f"create temporary table {name} (id int)" for name in TEMPORARY_TABLES))
        settings = LEFT_BEHIND | KEPT_BY_THE_POOLER
        another.run(*(f"set {setting} = {value}" for setting, value in settings.items()))

        start_application(narrow_pooler).check_every_operation()

    def test_a_timeout_of_transactions_goes_with_the_first_that_it_ends(
        self, another: AnotherClient, start_application: StartApplication, narrow_pooler: Pooler
    ) -> None:
        application = start_application(narrow_pooler)
        ada = Person.sign_up(application.http)
        another.run("set transaction_timeout = 1")

        answers = [ada.post("/api/tasks", json={"title": "Buy milk"}) for _ in range(20)]

        failed = [answer.status_code for answer in answers if answer.status_code != 201]
        assert failed in ([], [503])
        assert len(ada.tasks()) == len(answers) - len(failed)


DEFAULTS = {
    "datestyle": "'SQL, DMY'",
    "intervalstyle": "'sql_standard'",
    "timezone": "'Asia/Kathmandu'",
    "standard_conforming_strings": "off",
    "search_path": "pg_catalog",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "row_security": "off",
    "client_encoding": "LATIN1",
    "statement_timeout": "1",
    "transaction_timeout": "'1s'",
    "extra_float_digits": "-15",
    "role": "todo_user",
    "app.user_id": f"'{ANOTHER_USER}'",
}
each_default = pytest.mark.parametrize("setting", DEFAULTS)


class TestDefaults:
    """What `alter database` and `alter role` make the default of every session changes no operation."""

    @each_default
    def test_of_the_database(
        self, setting: str, start_application: StartApplication, fresh_database: DatabaseCopy
    ) -> None:
        application = start_application()
        fresh_database.query(f"alter database {fresh_database.name} set {setting} = {DEFAULTS[setting]}")

        application.check_every_operation()

    @each_default
    def test_of_the_database_behind_a_pooler(
        self, setting: str, start_application: StartApplication, fresh_database: DatabaseCopy, narrow_pooler: Pooler
    ) -> None:
        application = start_application(narrow_pooler)
        fresh_database.query(f"alter database {fresh_database.name} set {setting} = {DEFAULTS[setting]}")

        application.check_every_operation()

    @each_default
    def test_of_the_login(
        self, setting: str, start_application: StartApplication, fresh_database: DatabaseCopy
    ) -> None:
        application = start_application()
        [[[before]]] = fresh_database.query(f"select rolconfig from pg_roles where rolname = '{LOGIN}'")
        fresh_database.query(f"alter role {LOGIN} set {setting} = {DEFAULTS[setting]}")
        try:
            application.check_every_operation()
        finally:
            usual = [each.split("=", 1) for each in before or ()]
            kept = [f"alter role {LOGIN} set {name} = {literal(value)}" for name, value in usual]
            fresh_database.query(f"alter role {LOGIN} reset all", *kept)

    def test_serializable_lets_all_of_many_toggles_count(
        self, make_settings: MakeSettings, fresh_database: DatabaseCopy
    ) -> None:
        fresh_database.query(f"alter database {fresh_database.name} set default_transaction_isolation = serializable")
        with (
            serving(create_app(make_settings(database_url=fresh_database.url, database_pool_size=0))) as url,
            httpx2.Client(base_url=url, timeout=60) as http,
        ):
            ada = Person.sign_up(http)
            path = f"/api/tasks/{ada.create_task()['id']}"

            statuses = at_once(lambda _: ada.patch(f"{path}/toggle").status_code, 21)

            assert statuses == [200] * 21
            assert ada.get(path).json()["completed"] is True
