"""`make start` as a developer uses it: what it prints, what it refuses, and that it stops everything it started."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import pytest
from pg8000.native import Connection

from backend import __version__
from backend.postgres.url import DatabaseUrl
from dev.embedded_postgres.server import EmbeddedPostgres
from dev.file_lock import acquire
from dev.paths import CHECKOUT
from dev.start import variables
from dev.user_error import UserError

START_SECONDS = 60
COMMAND = [sys.executable, "-m", "dev.start"]
AS_ADA = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
"""Git's options for a commit on a machine where no author is configured."""
OURS = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass
class Start:
    """One run of `make start`; mostly of `python -m dev.start`, which does the work."""

    process: subprocess.Popen[str]
    output: Path
    errors: Path
    port: int

    def is_ready(self) -> bool:
        return "Ready." in self.output.read_text()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            assert self.process.poll() is None, self.errors.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.05)

    def get(self, path: str) -> bytes:
        with closing(urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10)) as response:
            return bytes(response.read())

    def stop(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(30)


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A copy of this checkout, without its data, its `.env` and its packages."""
    with TemporaryDirectory(prefix="todo-test-") as path:
        Path(path).chmod(0o711)
        for part in ("backend", "dev"):
            shutil.copytree(CHECKOUT / part, Path(path, part), ignore=shutil.ignore_patterns("__pycache__"))
        yield Path(path)


@contextmanager
def other_postgres() -> Iterator[EmbeddedPostgres]:
    """A server that is not the one of `make start`."""
    with (
        TemporaryDirectory(prefix="todo-test-") as path,
        EmbeddedPostgres(Path(path, "postgres"), is_temporary=True) as postgres,
    ):
        yield postgres


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**variables: str) -> dict[str, str]:
    return {name: os.environ[name] for name in OURS if name in os.environ} | variables


@contextmanager
def started(checkout: Path, command: list[str] = COMMAND, **variables: str) -> Iterator[Start]:
    port = int(variables.get("PORT") or free_port())
    output, errors = checkout / f"{port}.out", checkout / f"{port}.err"
    # A shell's background process ignores SIGINT, and make would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with output.open("w") as stdout, errors.open("w") as stderr:
        process = subprocess.Popen(
            command,
            cwd=checkout,
            env=environment(**{"PORT": str(port)} | variables),
            stdout=stdout,
            stderr=stderr,
            text=True,
        )
    start = Start(process, output, errors, port)
    try:
        start.wait_until_ready()
        yield start
    finally:
        process.kill()
        process.wait()


def refused(checkout: Path, variables: dict[str, str]) -> str:
    """The message of a start that fails: one line on standard error, with exit code 1."""
    run = subprocess.run(
        COMMAND,
        check=False,
        cwd=checkout,
        env=environment(PORT=str(free_port())) | variables,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert run.stderr.count("\n") == 1, run.stderr
    return str(run.stderr).strip()


def migrate(checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dev.migrate"]
    return subprocess.run(
        command, check=False, cwd=checkout, env=environment(**variables), capture_output=True, text=True
    )


def connect(url: str) -> Connection:
    address = DatabaseUrl.parse(url)
    return Connection(
        address.user, host=address.host, port=address.port, database=address.database, password=address.password
    )


def acquired(lock: Path) -> bool:
    """Whether nothing holds the lock any more."""
    descriptor = acquire(lock)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None


def can_connect(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def database_port(directory: Path) -> int:
    return int((directory / "data" / "postmaster.pid").read_text().splitlines()[3])


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_serves_the_api_where_it_says(checkout: Path) -> None:
    with started(checkout) as start:
        assert f"http://127.0.0.1:{start.port}\n" in start.output.read_text()
        assert "http://localhost:3000" in start.output.read_text()
        assert b"status" in start.get("/")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stops_everything_when_asked_to(checkout: Path, how: signal.Signals) -> None:
    with started(checkout) as start:
        port = database_port(checkout / ".data" / "postgres")

        assert start.stop(how) == 0

        assert start.output.read_text().endswith("Stopped.\n")
        assert start.errors.read_text() == ""
        assert not can_connect(start.port)
        assert not can_connect(port)


def test_leaves_nothing_running_when_it_is_killed_and_finds_its_data_again(checkout: Path) -> None:
    with started(checkout) as start:
        port = database_port(checkout / ".data" / "postgres")
        start.stop(signal.SIGKILL)
        wait_until(lambda: not can_connect(port))

    secret = (checkout / ".data" / "better_auth_secret").read_text()
    with started(checkout):
        assert (checkout / ".data" / "better_auth_secret").read_text() == secret


def test_stops_when_its_postgresql_is_killed_and_says_so(checkout: Path) -> None:
    with started(checkout) as start:
        status = (checkout / ".data" / "postgres" / "data" / "postmaster.pid").read_text()
        os.kill(int(status.splitlines()[0]), signal.SIGKILL)

        assert start.process.wait(30) == 1

        assert start.errors.read_text() == "PostgreSQL has ended; `make start` starts it again, with its data\n"
        assert not can_connect(start.port)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stops_when_the_make_that_started_it_is_signalled_alone(checkout: Path, how: signal.Signals) -> None:
    if how == signal.SIGINT and sys.platform != "linux":
        pytest.skip("an interrupted make waits for its commands, and only Linux tells them so")
    (checkout / ".venv").symlink_to(sys.prefix)
    shutil.copy(CHECKOUT / "Makefile", checkout)
    with started(checkout, command=["make", "--old-file=.venv/installed-for-start", "start"]) as start:
        port = database_port(checkout / ".data" / "postgres")

        start.stop(how)

        wait_until(lambda: start.output.read_text().endswith("Stopped.\n"))
        assert not can_connect(start.port)
        assert not can_connect(port)


def test_a_second_one_in_the_same_checkout_has_a_database_of_its_own(checkout: Path) -> None:
    with started(checkout) as first, started(checkout) as second:
        assert f"postgres-{second.port}" in second.output.read_text()
        assert database_port(checkout / ".data" / "postgres") != database_port(
            checkout / ".data" / f"postgres-{second.port}"
        )
        first.stop(signal.SIGTERM)
        assert b"status" in second.get("/api/health")


def test_keeps_its_secrets_from_other_users(checkout: Path) -> None:
    with started(checkout):
        for name in ("better_auth_secret", "postgres/password", "postgres/todo_api_password"):
            assert stat.S_IMODE((checkout / ".data" / name).stat().st_mode) == 0o600


def test_takes_the_database_of_database_url(checkout: Path) -> None:
    with (
        TemporaryDirectory(prefix="todo-test-") as path,
        EmbeddedPostgres(Path(path, "postgres"), is_temporary=True) as postgres,
    ):
        (checkout / ".env").write_text(f"DATABASE_URL={postgres.url()}\n")
        with started(checkout) as start:
            assert b"status" in start.get("/api/health")
            assert not (checkout / ".data" / "postgres").exists()


def test_a_database_of_ones_own_that_is_not_migrated_says_who_does_it(checkout: Path) -> None:
    with (
        TemporaryDirectory(prefix="todo-test-") as path,
        EmbeddedPostgres(Path(path, "postgres"), is_temporary=True) as postgres,
    ):
        with closing(connect(postgres.url())) as owner:
            owner.run("create role weak login password 'hunter2'")
        url = postgres.url().replace(postgres.url().split("@")[0], "postgresql://weak:hunter2")

        line = refused(checkout, {"DATABASE_URL": url})

    assert line.endswith("; or, if 'weak' is not its owner, set DATABASE_DIRECT_URL to the owner's login")


def test_a_database_elsewhere_that_does_not_answer_stops_the_start(checkout: Path) -> None:
    line = refused(checkout, {"DATABASE_URL": "postgresql://u:hunter2@db.invalid/d?sslmode=require"})

    assert line.startswith("The database on db.invalid:5432 cannot be used: ")
    assert "hunter2" not in line


def test_make_migrate_brings_the_same_database_up_to_date(checkout: Path) -> None:
    with started(checkout):
        beside = migrate(checkout)
    alone = migrate(checkout)

    for migrated in (beside, alone):
        assert migrated.returncode == 0, migrated.stderr
        assert "the database of `make start` in" in migrated.stdout
        assert "(was empty)" not in migrated.stdout


def test_make_migrate_with_half_of_a_database_leaves_that_of_make_start_alone(checkout: Path) -> None:
    (checkout / ".data" / "postgres").mkdir(parents=True)
    run = migrate(checkout, DATABASE_DIRECT_URL="postgresql://owner:secret@ep-cool.neon.tech/neondb?sslmode=require")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.strip() == (
        "DATABASE_DIRECT_URL is set, but DATABASE_URL is not: set both, or neither for the database of `make start`"
    )


def test_make_migrate_without_any_database_names_the_variable(checkout: Path) -> None:
    assert "DATABASE_URL is not set" in migrate(checkout).stderr


def test_finds_its_data_again_when_its_passwords_are_lost(checkout: Path) -> None:
    with started(checkout):
        pass
    wait_until(lambda: acquired(checkout / ".data" / "postgres" / "lock"))
    for name in ("password", "todo_api_password"):
        (checkout / ".data" / "postgres" / name).unlink()

    with started(checkout) as again:
        assert b"ok" in again.get("/api/health")


def test_data_of_a_port_are_announced(checkout: Path) -> None:
    port = free_port()
    (checkout / ".data" / f"postgres-{port}").mkdir(parents=True)

    with started(checkout, PORT=str(port)) as start:
        assert f"Port {port} has data of its own" in start.output.read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n# a comment\nPORT=1\n\nBETTER AUTH=1\n", ".env, line 5, cannot be read: write NAME=value, or #"),
        (b"PORT\n", ".env, line 1, cannot be read"),
        ("PORT=8000\n".encode("utf-16"), ".env is not UTF-8 text, but perhaps UTF-16; save it as UTF-8"),
        ("PORT=8000\n".encode("utf-16-le"), ".env is not UTF-8 text"),
    ],
    ids=["no assignment", "no value", "UTF-16", "UTF-16 without a mark"],
)
def test_a_dotenv_that_cannot_be_read_is_one_sentence(checkout: Path, content: bytes, message: str) -> None:
    (checkout / ".env").write_bytes(content)

    assert f"{checkout}/{message}" in refused(checkout, {})


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfFIRST=1\n")

    assert variables.read(tmp_path / ".env")["FIRST"] == "1"


def test_an_empty_variable_does_not_hide_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=DEBUG\n")
    monkeypatch.setenv("LOG_LEVEL", "")

    assert variables.read(tmp_path / ".env")["LOG_LEVEL"] == "DEBUG"


def test_a_data_folder_that_is_a_link_to_nothing_is_one_sentence(checkout: Path) -> None:
    (checkout / ".data").symlink_to("/nowhere/data")

    assert refused(checkout, {}) == (
        f"{checkout}/.data is a link to /nowhere/data; make that folder, or remove the link"
    )


def test_a_data_folder_that_is_a_link_is_used(checkout: Path) -> None:
    with TemporaryDirectory(prefix="todo-test-") as elsewhere:
        (checkout / ".data").symlink_to(elsewhere)

        with started(checkout) as start:
            assert b"ok" in start.get("/api/health")
            assert Path(elsewhere, "better_auth_secret").exists()


def test_a_port_in_use_is_reported_before_anything_is_started(checkout: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        message = refused(checkout, {"PORT": str(port)})

    assert message == f"Port {port} is in use; set PORT to another one, e.g. PORT={port % 65535 + 1} make start"
    assert not (checkout / ".data").exists()


def test_an_invalid_port_is_reported_in_one_line(checkout: Path) -> None:
    assert refused(checkout, {"PORT": "80a"}).startswith("PORT must be a number from 1 to 65535")


@pytest.mark.parametrize("text", ["0", "65536", "-1", "8000.0", "٨٠٠٠", "9" * 5000])
def test_only_a_number_from_1_to_65535_is_a_port(text: str) -> None:
    with pytest.raises(UserError):
        variables.parse_port(text)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://u:hunter2@localhost/d", "DATABASE_URL"),
        ("postgresql://u:hunter2@[::1/d", "DATABASE_URL"),
        ("postgresql://u:hunter2@127.0.0.1:1/d", "The database"),
        ("postgresql://u:hunter2@/d?host=/nowhere", "The database"),
    ],
)
def test_an_unusable_database_url_is_reported_without_its_password(checkout: Path, url: str, message: str) -> None:
    line = refused(checkout, {"DATABASE_URL": url})

    assert message in line
    assert "hunter2" not in line


def test_a_refused_password_is_reported_in_one_line_without_it(checkout: Path) -> None:
    with (
        TemporaryDirectory(prefix="todo-test-") as path,
        EmbeddedPostgres(Path(path, "postgres"), is_temporary=True) as postgres,
    ):
        line = refused(checkout, {"DATABASE_URL": postgres.url().replace("postgres:", "postgres:hunter2")})

    assert "password authentication failed" in line
    assert "hunter2" not in line


def test_a_weak_secret_is_reported_in_one_line(checkout: Path) -> None:
    assert "BETTER_AUTH_SECRET" in refused(checkout, {"BETTER_AUTH_SECRET": "short"})


def test_its_version_names_the_commit_of_the_checkout(checkout: Path) -> None:
    (checkout / ".gitignore").write_text("__pycache__\n")
    for arguments in (["init", "--quiet"], ["add", "."], [*AS_ADA, "commit", "--quiet", "--message=One"]):
        subprocess.run(["git", *arguments], cwd=checkout, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, check=True, capture_output=True, text=True)

    with started(checkout) as start:
        assert json.loads(start.get("/"))["version"] == f"{__version__}+{head.stdout[:7]}"
        assert json.loads(start.get("/openapi.json"))["info"]["version"].endswith(f"+{head.stdout[:7]}")
