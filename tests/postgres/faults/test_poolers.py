"""When the pooler fails, a request is 503, and the next one works without a restart."""

from contextlib import ExitStack

import pytest
from pg8000.native import Connection as OwnerConnection

from backend.postgres import Connection, DatabaseUrl
from tests.postgres.faults.checks import (
    NOTHING_WRITTEN,
    UNKNOWN,
    Request,
    at_commit,
    check_healed,
    check_unavailable,
    each_request,
    waiting_backend,
    write,
)
from tests.postgres.faults.conftest import Locked, Meanwhile, ShortTimeouts
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import Elsewhere, Logged, StartPooler, levels_of_unavailable
from tests.support.people import Person

pytestmark = pytest.mark.spec("NFR-014", "NFR-016", "SC-018", "EDGE-database-connection-failure")


class TestFull:
    """It takes no more clients, or has no connection for one."""

    @each_request
    def test_of_clients(
        self, send: Request, cleo: Person, elsewhere: Elsewhere, start_pooler: StartPooler, fresh_database: DatabaseCopy
    ) -> None:
        pooler = start_pooler(max_clients=2)
        url = pooler.url(fresh_database)
        there = elsewhere(cleo, database_url=url, database_ca_file=str(pooler.ca_file))
        with ExitStack() as others:
            for _ in range(2):
                other = others.enter_context(Connection(DatabaseUrl.parse(url, ca_file=str(pooler.ca_file))))
                other.execute("select 1")
                other.commit()
            check_unavailable(send(there))
        check_healed(there)

    @each_request
    def test_of_transactions(
        self, send: Request, cleo: Person, elsewhere: Elsewhere, start_pooler: StartPooler, fresh_database: DatabaseCopy
    ) -> None:
        pooler = start_pooler(pool_size=1, wait_seconds=1)
        url = pooler.url(fresh_database)
        there = elsewhere(cleo, database_url=url, database_ca_file=str(pooler.ca_file))
        with Connection(DatabaseUrl.parse(url, ca_file=str(pooler.ca_file))) as other:
            other.execute("select 1")
            check_unavailable(send(there), NOTHING_WRITTEN)
            other.rollback()
        check_healed(there)


class TestRestarted:
    """It ends, and is there again."""

    @pytest.mark.parametrize("pool_size", [0, 3])
    @each_request
    def test_between_two_requests_or_during_one(
        self,
        send: Request,
        pool_size: int,
        cleo: Person,
        elsewhere: Elsewhere,
        start_pooler: StartPooler,
        fresh_database: DatabaseCopy,
        short_timeouts: ShortTimeouts,
    ) -> None:
        pooler = start_pooler()
        url = pooler.url(fresh_database)
        there = elsewhere(cleo, database_url=url, database_ca_file=str(pooler.ca_file), database_pool_size=pool_size)
        assert write(there, "Before").status_code == 201
        pooler.stop()
        with short_timeouts():
            check_unavailable(send(there))
        pooler.start()
        check_healed(there, "Before")
        pooler.stop()
        pooler.start()  # a restart between two requests changes nothing
        assert len(there.tasks()) == 2

    def test_with_the_certificate_of_another_host(
        self,
        cleo: Person,
        elsewhere: Elsewhere,
        start_pooler: StartPooler,
        fresh_database: DatabaseCopy,
        logged: Logged,
    ) -> None:
        pooler = start_pooler(names=["DNS:elsewhere.example.com"])
        url = pooler.url(fresh_database)
        there = elsewhere(cleo, database_url=url, database_ca_file=str(pooler.ca_file))
        check_unavailable(write(there))
        assert levels_of_unavailable(logged) == ["ERROR"]
        pooler.authority.certify("IP:127.0.0.1")
        pooler.stop()
        pooler.start()
        check_healed(there)


class TestServerLost:
    """Its connection to PostgreSQL ends while a client's flight is on it."""

    @each_request
    def test_in_the_middle_of_a_statement(
        self,
        send: Request,
        cleo: Person,
        elsewhere: Elsewhere,
        start_pooler: StartPooler,
        fresh_database: DatabaseCopy,
        locked_tasks: Locked,
        superuser: OwnerConnection,
        meanwhile: Meanwhile,
    ) -> None:
        pooler = start_pooler()
        there = elsewhere(cleo, database_url=pooler.url(fresh_database), database_ca_file=str(pooler.ca_file))
        with locked_tasks():
            request = meanwhile(send, there)
            superuser.run("select pg_terminate_backend(:pid)", pid=waiting_backend(superuser))
            check_unavailable(request.result(), NOTHING_WRITTEN)
        check_healed(there)

    def test_in_the_middle_of_a_commit(
        self,
        cleo: Person,
        elsewhere: Elsewhere,
        start_pooler: StartPooler,
        fresh_database: DatabaseCopy,
        superuser: OwnerConnection,
        meanwhile: Meanwhile,
    ) -> None:
        pooler = start_pooler()
        there = elsewhere(cleo, database_url=pooler.url(fresh_database), database_ca_file=str(pooler.ca_file))
        at_commit(superuser, "perform pg_advisory_xact_lock(7)")
        with fresh_database.connect_as_owner() as rival:
            rival.run("begin")
            rival.run("select pg_advisory_xact_lock(7)")
            request = meanwhile(write, there)
            superuser.run("select pg_terminate_backend(:pid)", pid=waiting_backend(superuser))
            check_unavailable(request.result(), UNKNOWN)
        superuser.run("drop trigger fail on tasks")
        check_healed(there)
