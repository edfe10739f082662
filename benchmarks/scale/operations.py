"""Measures every operation on the full database against the empty one, and PostgreSQL's CPU time for a request."""

import itertools
import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Section, interleave, milliseconds
from benchmarks.scale.data import TASKS_PER_USER
from benchmarks.scale.databases import Databases, Filled, User
from benchmarks.scale.size import Size
from dev.local_lambda.events import http_event
from tests.postgres.test_round_trips import OPERATIONS, Operation

MAX_RATIO = 1.3
LIST_OF_1000 = "list of 1,000"
WITH_TARGET = (LIST_OF_1000, "create", "toggle", "refresh")
LIST, MIX = OPERATIONS["list"], ("list", "get", "create", "toggle")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

Call = Callable[[], object]


@dataclass(frozen=True)
class Timings:
    """The median seconds of each operation on each database, and PostgreSQL's CPU seconds for a request of `MIX`."""

    medians: Mapping[str, Mapping[str, float]]
    cpu: Mapping[str, float]

    def seconds(self) -> float:
        """The mean of `MIX` on the full database."""
        return sum(self.medians[name]["full"] for name in MIX) / len(MIX)


def measure(databases: Databases, size: Size, log_progress: Callable[[str], None]) -> tuple[Timings, Section]:
    """Measure all of them."""
    medians = _medians(databases, size, log_progress)
    cpu = _cpu_seconds(databases, size)
    log_progress(
        f"CPU time of PostgreSQL for a request: {cpu['empty'] * 1000:.2f} ms, full {cpu['full'] * 1000:.2f} ms"
    )
    timings = Timings(medians, cpu)
    return timings, section(timings, databases.full.contents.tasks, size)


def section(timings: Timings, tasks: int, size: Size) -> Section:
    """The table, with the verdicts."""
    rows = []
    for name, taken in timings.medians.items():
        ratio = taken["full"] / taken["empty"]
        target, verdict = (f"≤ {MAX_RATIO}", _verdict(ratio)) if name in WITH_TARGET else ("", "")
        rows.append((name, milliseconds(taken["empty"]), milliseconds(taken["full"]), f"{ratio:.2f}", target, verdict))
    cpu = timings.cpu
    rows.append(
        (
            *("PostgreSQL's CPU time for a request", milliseconds(cpu["empty"]), milliseconds(cpu["full"])),
            *(f"{cpu['full'] / cpu['empty']:.2f}", "", ""),
        )
    )
    return Section(
        f"Every operation on {tasks:,} tasks",
        "Each request is an API Gateway event through the Lambda handler, in process, with a new connection through"
        f" PgBouncer (TLS 1.3, SCRAM). Medians of {size.rounds} rounds; a round measures both databases in turns. On"
        " the full database every round takes another user, chosen at random, so that a round does not find the pages"
        f" of the one before. A user's {TASKS_PER_USER} tasks lie on as many pages. “Empty” has only the measured"
        " accounts. All data fit into the memory of this machine: what a page costs that must be read from a disk, or"
        " from Neon's storage, is not measured. Hashing a password is made cheap for sign-up and sign-in, because it"
        " would hide the database. PostgreSQL's CPU time is that of all its processes, without PgBouncer, over"
        f" {size.cpu_requests} requests: {', '.join(MIX)}, in turns.",
        ("operation", "empty", "full", "ratio", "target", "met"),
        rows,
    )


def _verdict(ratio: float) -> str:
    return "yes" if ratio <= MAX_RATIO else "NO"


def _medians(databases: Databases, size: Size, log_progress: Callable[[str], None]) -> dict[str, dict[str, float]]:
    functions, medians = databases.functions(), dict[str, dict[str, float]]()
    chosen = {"empty": databases.empty, "full": databases.full}
    for number, (name, operation) in enumerate(_operations()):
        variants: dict[str, Call] = {}
        for database, filled in chosen.items():
            users = _long_lists(filled) if name == LIST_OF_1000 else _users(filled, size.rounds + 1, number)
            variants[database] = _calls(functions[database], operation, [event(operation, user) for user in users])
        medians[name] = taken = interleave(size.rounds, variants)
        log_progress(f"{name}: {milliseconds(taken['empty'])}, full {milliseconds(taken['full'])}")
    return medians


def _operations() -> Iterator[tuple[str, Operation]]:
    yield LIST_OF_1000, LIST
    yield from OPERATIONS.items()


def event(operation: Operation, user: User) -> dict[str, Any]:
    """The operation, as API Gateway would send it for this user."""
    method, path, options = operation.of(user)  # type: ignore[arg-type]  # it has what is read of a person
    sent = http_event(method, path, body=options.get("json"), token=user.auth["access_token"])
    sent["requestContext"]["http"]["sourceIp"] = f"10.{user.number >> 16}.{user.number >> 8 & 255}.{user.number & 255}"
    return sent


def _users(filled: Filled, count: int, number: int) -> list[User]:
    """Users at random, each once. Every operation has its own task of theirs; two have the second sign-in."""
    users = filled.contents.users
    numbers = random.Random(number).sample(range(users), count)  # noqa: S311  # no secret
    second = number <= len(OPERATIONS) and list(OPERATIONS)[number - 1] in ("refresh", "sign out")
    return [User(each, number, int(second), filled.contents) for each in numbers]


def _long_lists(filled: Filled) -> list[User]:
    contents = filled.contents
    return [User(contents.users + each, 0, 0, contents) for each in range(contents.long_lists)]


def _calls(
    function: Callable[[dict[str, Any]], dict[str, Any]], operation: Operation, events: list[dict[str, Any]]
) -> Call:
    """Sends the next event at each call, and checks the status."""
    coming = itertools.cycle(events)

    def call() -> None:
        answer = function(next(coming))
        assert answer["statusCode"] == operation.status, answer.get("body")

    return call


def _cpu_seconds(databases: Databases, size: Size) -> dict[str, float]:
    functions, postmaster = databases.functions(), _postmaster(databases)
    seconds = {}
    for name, filled in {"empty": databases.empty, "full": databases.full}.items():
        count = min(filled.contents.users, size.cpu_requests // len(MIX))
        calls = []
        for each in MIX:
            events = [event(OPERATIONS[each], user) for user in _users(filled, count, len(OPERATIONS) + 1)]
            calls.append(_calls(functions[name], OPERATIONS[each], events))
        before = cpu_seconds(postmaster)
        for _ in range(size.cpu_requests // len(MIX)):
            for call in calls:
                call()
        seconds[name] = max(cpu_seconds(postmaster) - before, 1 / TICKS_PER_SECOND) / size.cpu_requests
    return seconds


def _postmaster(databases: Databases) -> int:
    return int((databases.server.directory / "data" / "postmaster.pid").read_text().split()[0])


def cpu_seconds(process_id: int) -> float:
    """The CPU time of a process and its children, including those that have ended, from Linux's /proc."""
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
        if folder.name == str(process_id):
            ticks += sum(map(int, fields[11:15]))  # utime, stime, and those of children that have ended
        elif fields[1] == str(process_id):
            ticks += sum(map(int, fields[11:13]))
    return ticks / TICKS_PER_SECOND
