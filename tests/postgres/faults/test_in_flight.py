"""When a request's flight has left and something fails, it is 503, and only what may have been kept has no Retry-After.

PostgreSQL keeps nothing of a flight whose answer is an error. Where the answer is missing, a read may be repeated, and
a write may have been kept.
"""

import os
import signal
from collections.abc import Callable

import pytest
from pg8000.native import Connection as OwnerConnection

from tests.postgres.faults.checks import (
    NOTHING_WRITTEN,
    UNKNOWN,
    WAITS_FOR_A_LOCK,
    Request,
    at_commit,
    at_insert,
    at_insert_or_commit,
    check_healed,
    check_no_connection_is_left,
    check_unavailable,
    create_trigger_function,
    each_request,
    only_a_write_may_be_kept,
    read,
    waiting_backend,
    write,
)
from tests.postgres.faults.conftest import Locked, Meanwhile, ShortTimeouts
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import Elsewhere, Logged, url_through_port
from tests.support.faulty_proxy import FaultyProxy
from tests.support.people import Person

pytestmark = pytest.mark.spec("NFR-014", "NFR-016", "SC-010", "SC-018", "EDGE-database-connection-failure")

STATEMENTS: dict[Request, bytes] = {write: b"INSERT INTO tasks", read: b"string_agg"}
"""What the flight of each request has in it."""

each_lost_answer = pytest.mark.parametrize(
    ("send", "retry_after", "written"), [(write, UNKNOWN, ["Buy milk"]), (read, NOTHING_WRITTEN, [])]
)


class TestWithoutAnswer:
    """The connection ends, or falls silent, behind the flight."""

    @only_a_write_may_be_kept
    def test_the_network_breaks_before_the_server_has_the_flight(
        self,
        send: Request,
        retry_after: str | None,
        cleo_behind_proxy: Person,
        proxy: FaultyProxy,
        superuser: OwnerConnection,
    ) -> None:
        proxy.cut_at = STATEMENTS[send]
        check_unavailable(send(cleo_behind_proxy), retry_after)
        proxy.cut_at = None
        check_healed(cleo_behind_proxy)
        check_no_connection_is_left(superuser)

    @each_lost_answer
    def test_the_answer_is_lost(
        self,
        send: Request,
        retry_after: str | None,
        written: list[str],
        cleo_behind_proxy: Person,
        proxy: FaultyProxy,
        superuser: OwnerConnection,
    ) -> None:
        proxy.cut_at, proxy.drop_answer = STATEMENTS[send], True
        check_unavailable(send(cleo_behind_proxy), retry_after)
        proxy.cut_at = None
        check_healed(cleo_behind_proxy, *written)
        check_no_connection_is_left(superuser)

    @each_lost_answer
    def test_the_answer_is_lost_on_a_connection_of_a_pool(
        self,
        send: Request,
        retry_after: str | None,
        written: list[str],
        cleo: Person,
        elsewhere: Elsewhere,
        proxy: FaultyProxy,
        fresh_database: DatabaseCopy,
    ) -> None:
        there = elsewhere(cleo, database_url=url_through_port(proxy.port, fresh_database), database_pool_size=3)
        assert there.tasks() == []
        proxy.cut_at, proxy.drop_answer = STATEMENTS[send], True
        check_unavailable(send(there), retry_after)
        proxy.cut_at = None
        check_healed(there, *written)

    @only_a_write_may_be_kept
    def test_the_server_process_is_frozen(
        self,
        send: Request,
        retry_after: str | None,
        cleo: Person,
        locked_tasks: Locked,
        superuser: OwnerConnection,
        meanwhile: Meanwhile,
        short_timeouts: ShortTimeouts,
    ) -> None:
        with short_timeouts(answer_seconds=2.0), locked_tasks():
            request = meanwhile(send, cleo)
            frozen = waiting_backend(superuser)
            os.kill(frozen, signal.SIGSTOP)
            answer = request.result()
        try:
            check_unavailable(answer, retry_after)
            check_healed(cleo)
        finally:
            os.kill(frozen, signal.SIGCONT)
        check_no_connection_is_left(superuser)
        assert [task["title"] for task in cleo.tasks()] == ["Healed"]

    @only_a_write_may_be_kept
    def test_a_lock_outlasts_the_deadline(
        self,
        send: Request,
        retry_after: str | None,
        cleo: Person,
        locked_tasks: Locked,
        superuser: OwnerConnection,
        meanwhile: Meanwhile,
        short_timeouts: ShortTimeouts,
        logged: Logged,
    ) -> None:
        with locked_tasks():
            with short_timeouts():
                answer = send(cleo)
            check_no_connection_is_left(superuser)  # PostgreSQL has given up too, before the lock is free
        [said] = [line for line in logged() if line["message"] == "Database unavailable"]
        refused = said["reason"] in ("57014", "55P03")  # PostgreSQL's own limit came first, by a millisecond
        check_unavailable(answer, NOTHING_WRITTEN if refused else retry_after)
        check_healed(cleo)

    def test_a_commit_outlasts_the_deadline(
        self, cleo: Person, superuser: OwnerConnection, short_timeouts: ShortTimeouts
    ) -> None:
        at_commit(superuser, "perform pg_sleep(3)")
        with short_timeouts():
            check_unavailable(write(cleo), UNKNOWN)
        superuser.run("drop trigger fail on tasks")
        check_no_connection_is_left(superuser)
        check_healed(cleo, "Buy milk")


class TestLastWords:
    """The server says that it ends the connection."""

    @each_request
    def test_before_the_statement_has_ended(
        self,
        send: Request,
        cleo: Person,
        locked_tasks: Locked,
        superuser: OwnerConnection,
        meanwhile: Meanwhile,
        logged: Logged,
    ) -> None:
        with locked_tasks():
            request = meanwhile(send, cleo)
            superuser.run("select pg_terminate_backend(:pid)", pid=waiting_backend(superuser))
            check_unavailable(request.result(), NOTHING_WRITTEN)
        assert [line["reason"] for line in logged() if "reason" in line] == ["57P01"]
        check_healed(cleo)
        check_no_connection_is_left(superuser)

    def test_during_the_commit(
        self, cleo: Person, fresh_database: DatabaseCopy, superuser: OwnerConnection, meanwhile: Meanwhile
    ) -> None:
        at_commit(superuser, "perform pg_advisory_xact_lock(7)")
        with fresh_database.connect_as_owner() as rival:
            rival.run("begin")
            rival.run("select pg_advisory_xact_lock(7)")
            request = meanwhile(write, cleo)
            superuser.run("select pg_terminate_backend(:pid)", pid=waiting_backend(superuser))
            check_unavailable(request.result(), UNKNOWN)
        superuser.run("drop trigger fail on tasks")
        check_healed(cleo)


class TestRefused:
    """PostgreSQL refuses the statement, for good or until it is tried again. Nothing of it is kept."""

    @each_request
    def test_the_statement_is_cancelled(
        self,
        send: Request,
        cleo: Person,
        locked_tasks: Locked,
        superuser: OwnerConnection,
        meanwhile: Meanwhile,
        logged: Logged,
    ) -> None:
        with locked_tasks():
            request = meanwhile(send, cleo)
            while not request.done():  # the driver may try again what it takes for another client's timeout
                superuser.run(f"select pg_cancel_backend(pid) from pg_stat_activity where {WAITS_FOR_A_LOCK}")
            check_unavailable(request.result(), NOTHING_WRITTEN)
        assert [line["reason"] for line in logged() if "reason" in line] == ["57014"]
        check_healed(cleo)
        check_no_connection_is_left(superuser)

    def test_a_lock_is_waited_for_too_long(
        self, cleo: Person, fresh_database: DatabaseCopy, superuser: OwnerConnection, logged: Logged
    ) -> None:
        at_insert(superuser, "perform set_config('lock_timeout', '200', true), pg_advisory_xact_lock(7)")
        with fresh_database.connect_as_owner() as rival:
            rival.run("begin")
            rival.run("select pg_advisory_xact_lock(7)")
            check_unavailable(write(cleo), NOTHING_WRITTEN)
        assert [line["reason"] for line in logged() if "reason" in line] == ["55P03"]
        superuser.run("drop trigger fail on tasks")
        check_healed(cleo)
        check_no_connection_is_left(superuser)

    @at_insert_or_commit
    @pytest.mark.parametrize("state", ["53100", "53200", "57014"])
    def test_the_disk_is_full(
        self, trigger_at: Callable[..., None], state: str, cleo: Person, superuser: OwnerConnection
    ) -> None:
        trigger_at(superuser, f"raise exception 'could not extend file' using errcode = '{state}'")
        check_unavailable(write(cleo), NOTHING_WRITTEN)
        superuser.run("drop trigger fail on tasks")
        check_healed(cleo)
        check_no_connection_is_left(superuser)

    @pytest.mark.spec("EDGE-concurrent-task-updates")
    @at_insert_or_commit
    @pytest.mark.parametrize("state", ["40001", "40P01"])
    def test_a_conflict_is_retried(
        self, trigger_at: Callable[..., None], state: str, cleo: Person, superuser: OwnerConnection
    ) -> None:
        trigger_at(
            superuser, f"if nextval('attempts') <= 2 then raise exception 'no' using errcode = '{state}'; end if"
        )
        check_healed(cleo)
        assert superuser.run("select last_value from attempts") == [[3]]

    @at_insert_or_commit
    def test_a_conflict_that_persists_is_503(
        self, trigger_at: Callable[..., None], cleo: Person, superuser: OwnerConnection
    ) -> None:
        trigger_at(superuser, "perform nextval('attempts'); raise exception 'no' using errcode = '40001'")
        check_unavailable(write(cleo), NOTHING_WRITTEN)
        assert superuser.run("select last_value from attempts") == [[3]]
        superuser.run("drop trigger fail on tasks")
        check_healed(cleo)

    def test_a_real_deadlock_lets_both_transactions_succeed(
        self, cleo: Person, fresh_database: DatabaseCopy, superuser: OwnerConnection, meanwhile: Meanwhile
    ) -> None:
        task = cleo.create_task("Deadlocked")
        superuser.run(f"alter role todo_api in database {fresh_database.name} set deadlock_timeout = '1s'")
        create_trigger_function(superuser, "perform pg_advisory_xact_lock(7)")
        superuser.run("create trigger fail before update on tasks for each row execute function fail()")
        with fresh_database.connect_as_owner() as rival:
            rival.run("set deadlock_timeout = '1min'")  # so that the deadlock ends the application's transaction
            rival.run("begin")
            rival.run("select pg_advisory_xact_lock(7)")
            request = meanwhile(cleo.patch, f"/api/tasks/{task['id']}/toggle")
            waiting_backend(superuser)
            # waits for the table's lock, which the application holds
            rival.run("alter table tasks disable trigger user")
            rival.run("alter table tasks enable trigger user")
            rival.run("commit")
            answer = request.result()
        assert (answer.status_code, answer.json()["completed"]) == (200, True)
