"""Rate limits under simultaneous requests, to one process or to several."""

import itertools
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from backend.app import create_app
from backend.auth import passwords
from backend.settings import Settings
from tests.auth.guesses import LIMIT, WRONG_PASSWORD, client_at, hits, sign_in, sign_up, some_email
from tests.conftest import ORIGIN, SECRET, MakeClient
from tests.support.applications import close
from tests.support.cheap_passwords import hash_cheaply
from tests.support.clock import Clock
from tests.support.concurrency import at_once
from tests.support.database_copy import DatabaseCopy
from tests.support.people import PASSWORD, Person

PROCESSES = 4
CLIENTS_IN_A_PROCESS = 13
CLIENTS = PROCESSES * CLIENTS_IN_A_PROCESS

LOCK_WAITERS = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"

process_barrier: list[Barrier] = []
"""In a child process: the barrier at which all processes wait before they guess."""


def prepare_process(ready: Barrier) -> None:
    """Initialise a child process."""
    process_barrier.append(ready)
    hash_cheaply(setattr)


def guess_in_this_process(url: str, guesses: list["Guess"], settings: dict[str, Any]) -> list[int]:
    """Make these guesses at once, in step with the other processes. Gives the statuses."""
    values = {"database_url": url, "better_auth_secret": SECRET, "frontend_url": ORIGIN, **settings}
    app = create_app(Settings(_env_file=None, database_pool_size=5, **values))
    with TestClient(app, raise_server_exceptions=False) as client:
        client.get("/api/health")
        process_barrier[0].wait()
        responses = at_once(
            lambda number: sign_in(client_at(guesses[number].address, client), *guesses[number].credentials),
            len(guesses),
        )
    close(app)
    return [response.status_code for response in responses]


@dataclass(frozen=True)
class Guess:
    """One attempt to sign in."""

    address: str
    email: str
    password: str = WRONG_PASSWORD

    @property
    def credentials(self) -> tuple[str, str]:
        return self.email, self.password


GuessInAllProcesses = Callable[..., Counter[int]]


@pytest.fixture
def guess_in_all_processes(shared_database: DatabaseCopy) -> Iterator[GuessInAllProcesses]:
    """Divides guesses among processes, which make them at once. Counts the statuses."""
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, spawn, prepare_process, (ready,)) as processes:

        def guess(guesses: Iterable[Guess], **settings: Any) -> Counter[int]:
            each = list(guesses)
            tries = [
                processes.submit(guess_in_this_process, shared_database.url, each[process::PROCESSES], settings)
                for process in range(PROCESSES)
            ]
            return Counter(itertools.chain.from_iterable(attempt.result() for attempt in tries))

        yield guess


@pytest.mark.spec("NFR-005", "US3-4")
def test_guesses_from_several_processes_get_ten_answers_in_all(
    ada: Person, guess_in_all_processes: GuessInAllProcesses
) -> None:
    address = "198.51.100.1"

    wrong = guess_in_all_processes(Guess(address, ada.email) for _ in range(CLIENTS))
    right_but_late = guess_in_all_processes(Guess(address, ada.email, PASSWORD) for _ in range(CLIENTS))

    assert wrong == {401: LIMIT, 429: CLIENTS - LIMIT}
    assert right_but_late == {429: CLIENTS}
    assert ada.sign_in_again().tasks() == []  # Ada's address is another one


@pytest.mark.spec("NFR-005")
def test_an_ipv6_homes_guesses_are_counted_over_several_processes(guess_in_all_processes: GuessInAllProcesses) -> None:
    networks = (f"2001:db8:0:{0x500 + number:x}::1" for number in range(CLIENTS))

    answers = guess_in_all_processes(
        (Guess(address, some_email()) for address in networks), signin_failures_per_address=5
    )

    assert answers == {401: 20, 429: CLIENTS - 20}


@pytest.mark.spec("NFR-005", "SC-001")
def test_strangers_in_several_processes_do_not_close_an_account(
    ada: Person, guess_in_all_processes: GuessInAllProcesses
) -> None:
    settings = {"signin_failures_per_account": 15}
    strangers = (Guess(f"203.0.113.{number}", ada.email) for number in range(CLIENTS))

    answers = guess_in_all_processes(strangers, **settings)
    stranger_who_knows = guess_in_all_processes(
        (Guess(f"203.0.113.{100 + number}", ada.email, PASSWORD) for number in range(PROCESSES)), **settings
    )

    assert answers == {401: 15, 429: CLIENTS - 15}
    assert stranger_who_knows == {429: PROCESSES}
    assert ada.sign_in_again().tasks() == []


@pytest.mark.spec("NFR-005")
def test_a_thousand_guesses_at_once_are_charged_only_up_to_the_limit(
    make_client: MakeClient, owner: OwnerConnection
) -> None:
    person = Person.sign_up(make_client(database_pool_size=20))
    stranger = client_at("192.0.2.11", person.http)

    answers: Counter[int] = Counter()
    for _ in range(10):
        answers.update(response.status_code for response in at_once(lambda _: sign_in(stranger, person.email), 100))

    assert answers == {401: LIMIT, 429: 1000 - LIMIT}
    [account_and_address, *others] = hits(owner, person.email, "192.0.2.11")
    assert account_and_address == LIMIT
    assert all(LIMIT <= charged < 1000 for charged in others)  # in a race the limits that have room are charged


@pytest.mark.spec("NFR-005")
def test_simultaneous_guesses_at_the_windows_edge_stay_within_the_limit(
    fresh_database: DatabaseCopy, make_client: MakeClient
) -> None:
    window_seconds = 1
    client = make_client(
        database_url=fresh_database.url,
        database_pool_size=12,
        signin_failures_per_account_and_address=LIMIT,
        signin_failures_per_account=10_000,
        signin_failures_per_address=10_000,
        signin_window_seconds=window_seconds,
    )
    email = some_email()
    with fresh_database.connect_as_owner() as owner:
        owner.run("create table charged (key text, moment timestamptz)")
        owner.run(
            "create function note_charge() returns trigger language plpgsql security definer as"
            " 'begin insert into public.charged values (new.key, new.hits[cardinality(new.hits)]); return null; end'"
        )
        owner.run(
            "create trigger note_charge after insert or update on rate_limits"
            " for each row execute function note_charge()"
        )
        end = time.monotonic() + 3.5 * window_seconds

        def keep_guessing(_: int) -> Counter[int]:
            answers: Counter[int] = Counter()
            while time.monotonic() < end:
                answers[sign_in(client, email).status_code] += 1
            return answers

        answers = sum(at_once(keep_guessing, 12), Counter[int]())
        by_key = owner.run("select array_agg(moment order by moment) from charged group by key")

    assert answers.keys() == {401, 429}
    assert answers[401] > LIMIT  # the window has moved on at least once
    # The limit that is reached was charged least: in a race the other limits, which have room, are charged too.
    moments = min((moments for [moments] in by_key), key=len)
    assert len(moments) == answers[401]
    spans = [later - earlier for earlier, later in zip(moments, moments[LIMIT:], strict=False)]
    assert min(spans).total_seconds() >= window_seconds


@pytest.mark.spec("NFR-005")
def test_a_guess_that_was_charged_is_answered_although_the_limit_was_full(
    clock: Clock,
    timed_client: Callable[..., TestClient],
    fresh_database: DatabaseCopy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limit fills up while the password is hashed, and has room again when the statement gets the limit's row."""
    client, email = timed_client(address="192.0.2.12", signin_failures_per_account_and_address=1), some_email()
    verify, statuses = passwords.verify_password, []
    with fresh_database.connect_as_owner() as holder, fresh_database.connect_as_owner() as observer:

        def verify_slowly(*arguments: Any) -> bool:
            monkeypatch.setattr(passwords, "verify_password", verify)
            statuses.append(sign_in(client, email).status_code)
            holder.run("begin")
            holder.run("select from rate_limits for update")
            return verify(*arguments)

        monkeypatch.setattr(passwords, "verify_password", verify_slowly)
        with ThreadPoolExecutor() as threads:
            slow = threads.submit(sign_in, client, email)
            while not observer.run(LOCK_WAITERS):
                time.sleep(0.01)
            clock.advance(seconds=901)
            holder.run("commit")
            statuses.append(slow.result().status_code)
        charged = hits(observer, email, "192.0.2.12")

    assert charged == [1, 1, 1]
    assert statuses == [401, 401]


@pytest.mark.spec("NFR-005", "US3-4")
def test_a_right_password_waits_for_the_guesses_that_fill_the_limit(
    fresh_database: DatabaseCopy, make_client: MakeClient
) -> None:
    """Otherwise the right one of many guesses that come together would be let in, before the others are committed."""
    url = fresh_database.url
    stranger = make_client(address="192.0.2.13", database_url=url, signin_failures_per_account_and_address=2)
    person = Person.sign_up(client_at("192.0.2.14", stranger))
    assert sign_in(stranger, person.email).status_code == 401

    with fresh_database.connect_as_owner() as holder, fresh_database.connect_as_owner() as observer:
        holder.run("begin")
        holder.run("select from rate_limits for update")
        with ThreadPoolExecutor() as threads:
            wrong = threads.submit(sign_in, stranger, person.email)
            while not observer.run(LOCK_WAITERS):
                time.sleep(0.01)
            right = threads.submit(sign_in, stranger, person.email, PASSWORD)
            while len(observer.run(LOCK_WAITERS)) < 2 and not right.done():
                time.sleep(0.01)
            holder.run("commit")

    assert (wrong.result().status_code, right.result().status_code) == (401, 429)


@pytest.mark.spec("NFR-005", "SC-006", "NFR-012")
def test_a_hundred_right_sign_ins_at_once_all_succeed(make_client: MakeClient) -> None:
    person = Person.sign_up(make_client(database_pool_size=20))

    responses = at_once(lambda _: sign_in(person.http, person.email, PASSWORD), 100)

    assert Counter(response.status_code for response in responses) == {200: 100}
    assert len({response.json()["refresh_token"] for response in responses}) == 100


@pytest.mark.spec("NFR-005")
def test_simultaneous_sign_ups_are_limited_for_each_address(make_client: MakeClient) -> None:
    client = make_client(signups_per_address=5)

    answers = Counter(response.status_code for response in at_once(lambda _: sign_up(client), 20))

    assert answers == {201: 5, 429: 15}
    assert sign_up(client_at("192.0.2.88", client)).status_code == 201
