"""Requests to an application whose database fails, and what must be true of the answer and of the next request."""

import time
from collections.abc import Callable

import httpx2
import pytest
from pg8000.native import Connection as OwnerConnection

from tests.conftest import ORIGIN
from tests.support.people import Person

LIMIT_SECONDS = 25
"""More than ten times what an application with short timeouts waits for, and less than the usual timeouts."""
NOTHING_WRITTEN, UNKNOWN = "2", None
"""The `Retry-After` of a request that surely wrote nothing, and of one that may have written."""
WAITS_FOR_A_LOCK = "datname = current_database() and wait_event_type = 'Lock'"

Request = Callable[[Person], httpx2.Response]


def write(person: Person, title: str = "Buy milk") -> httpx2.Response:
    """A request that writes, as a browser sends it."""
    return person.post("/api/tasks", json={"title": title}, headers={"Origin": ORIGIN})


def read(person: Person) -> httpx2.Response:
    """A request that only reads."""
    return person.get("/api/tasks", headers={"Origin": ORIGIN})


each_request = pytest.mark.parametrize("send", [write, read])
only_a_write_may_be_kept = pytest.mark.parametrize(("send", "retry_after"), [(write, UNKNOWN), (read, NOTHING_WRITTEN)])


def check_unavailable(answer: httpx2.Response, retry_after: str | None = NOTHING_WRITTEN) -> None:
    """Check the contract's 503: a browser can read it, and it discloses nothing about the database."""
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, retry_after)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.json() == {"detail": "The service is unavailable for a moment. Please try again."}


def check_healed(person: Person, *written_before: str) -> None:
    """Check that the next request works, and that the failed ones wrote nothing else."""
    assert write(person, "Healed").status_code == 201
    assert [task["title"] for task in person.tasks()] == [*written_before, "Healed"]


def check_no_connection_is_left(superuser: OwnerConnection) -> None:
    """Wait until the server has no connection of the application's. It may notice the end of one late."""
    deadline = time.monotonic() + LIMIT_SECONDS
    connected = (
        "select pid, state, query from pg_stat_activity where datname = current_database() and usename = 'todo_api'"
    )
    while left := superuser.run(connected):
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def waiting_backend(superuser: OwnerConnection) -> int:
    """Wait until the application waits for a lock. Gives its server process."""
    waiting = f"select pid from pg_stat_activity where {WAITS_FOR_A_LOCK}"
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (found := superuser.run(waiting)):
        assert time.monotonic() < deadline, "the request has not reached the lock"
        time.sleep(0.005)
    return int(found[0][0])


def create_trigger_function(superuser: OwnerConnection, body: str) -> None:
    """A trigger function with this PL/pgSQL, and the sequence `attempts`."""
    superuser.run("create sequence if not exists attempts")
    superuser.run(f"""
        create or replace function fail() returns trigger language plpgsql security definer as $$
        begin {body}; return new; end $$
    """)


def at_insert(superuser: OwnerConnection, body: str) -> None:
    """Run this PL/pgSQL at every insert of a task from here on."""
    create_trigger_function(superuser, body)
    superuser.run("create trigger fail before insert on tasks for each row execute function fail()")


def at_commit(superuser: OwnerConnection, body: str) -> None:
    """Run this PL/pgSQL at every commit of a new task from here on."""
    create_trigger_function(superuser, body)
    superuser.run("""
        create constraint trigger fail after insert on tasks deferrable initially deferred
        for each row execute function fail()
    """)


at_insert_or_commit = pytest.mark.parametrize("trigger_at", [at_insert, at_commit])
