"""The embedded PostgreSQL: it keeps its data, listens on loopback only, and ends with the process that started it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

import pytest
from pg8000.exceptions import DatabaseError
from pg8000.native import Connection

from backend.postgres.url import DatabaseUrl
from dev.embedded_postgres.account import change_owner
from dev.embedded_postgres.data import reason
from dev.embedded_postgres.server import EmbeddedPostgres, running_in
from dev.file_lock import acquire
from dev.paths import CHECKOUT
from dev.user_error import UserError

NAMELESS = "initdb: error: could not look up effective user ID 1234: user does not exist"
STARTER = """
import sys
from pathlib import Path
from dev.embedded_postgres.server import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), {"fsync": "off"}, is_temporary="temporary" in sys.argv)
print(server.url(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A folder that PostgreSQL's account can enter. Under root, it could not enter pytest's `tmp_path`."""
    with TemporaryDirectory(prefix="todo-test-") as path:
        yield Path(path)


def connect(url: str) -> Connection:
    address = DatabaseUrl.parse(url)
    return Connection(
        address.user, host=address.host, port=address.port, database=address.database, password=address.password
    )


def query(url: str, sql: str) -> list[list[object]]:
    with closing(connect(url)) as connection:
        return list(connection.run(sql) or [])


def wait_until(happened: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def has_ended(pid: int) -> bool:
    """Whether the process has ended; its parent may not have noticed yet."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return listed.stdout.strip() in ("", "Z", "Zs")


def server_pid(directory: Path) -> int:
    return int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])


def start_in_another_process(directory: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, directory, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_keeps_its_data_from_one_start_to_the_next(directory: Path) -> None:
    with EmbeddedPostgres(directory, {"fsync": "off"}) as server:
        query(server.url(), "CREATE TABLE kept AS SELECT 42 AS answer")

    with EmbeddedPostgres(directory) as server:
        assert query(server.url(), "SELECT answer FROM kept") == [[42]]
        assert query(server.url(), "SHOW fsync") == [["on"]]


def test_refuses_a_connection_without_the_password(directory: Path) -> None:
    with EmbeddedPostgres(directory) as server, pytest.raises(DatabaseError, match="28P01"):
        connect(server.url().replace("postgres:", "postgres:wrong"))


def test_shows_neither_password_nor_data_to_other_users(directory: Path) -> None:
    with EmbeddedPostgres(directory):
        assert (directory / "password").stat().st_mode & 0o077 == 0
        assert (directory / "data").stat().st_mode & 0o077 == 0


def test_listens_on_loopback_only(directory: Path) -> None:
    with EmbeddedPostgres(directory) as server:
        assert query(server.url(), "SHOW listen_addresses") == [["127.0.0.1"]]
        assert query(server.url(), "SHOW unix_socket_directories") == [[""]]


def test_ends_when_its_starter_is_killed(directory: Path) -> None:
    starter, _ = start_in_another_process(directory)
    pid = server_pid(directory)

    end(starter)

    wait_until(lambda: has_ended(pid))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")
def test_ends_when_every_python_is_killed(directory: Path) -> None:
    starter, _ = start_in_another_process(directory)
    pid = server_pid(directory)
    guardian = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    os.kill(guardian, signal.SIGKILL)
    end(starter)

    wait_until(lambda: has_ended(pid))


def test_temporary_data_are_removed_at_the_end(directory: Path) -> None:
    directory.chmod(0o711)
    with EmbeddedPostgres(directory / "postgres", is_temporary=True) as server:
        assert query(server.url(), "SELECT 1") == [[1]]

    assert list(directory.iterdir()) == []


def test_temporary_data_are_removed_when_their_starter_is_killed(directory: Path) -> None:
    directory.chmod(0o711)
    starter, _ = start_in_another_process(directory / "postgres", "temporary")

    end(starter)

    wait_until(lambda: list(directory.iterdir()) == [])


def test_starts_again_at_once_where_another_was_killed(directory: Path) -> None:
    starter, url = start_in_another_process(directory)
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")

    end(starter)

    with EmbeddedPostgres(directory) as server:
        assert query(server.url(), "SELECT answer FROM kept") == [[42]]


def test_starts_after_a_power_loss_although_its_old_pid_is_in_use(directory: Path) -> None:
    starter, url = start_in_another_process(directory)
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    status = directory / "data" / "postmaster.pid"
    pid, left_behind = server_pid(directory), status.read_text()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: has_ended(pid))
    end(starter)
    status.write_text(left_behind.replace(str(pid), str(os.getpid()), 1))

    with EmbeddedPostgres(directory) as server:
        assert query(server.url(), "SELECT answer FROM kept") == [[42]]


def test_starts_where_an_earlier_initialisation_was_cut_short(directory: Path) -> None:
    unfinished = directory / "data.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")

    with EmbeddedPostgres(directory) as server:
        assert query(server.url(), "SELECT 1") == [[1]]


def test_two_never_run_on_the_same_data(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dev.embedded_postgres.server.STOP_SECONDS", 0.1)
    held = acquire(directory / "lock")
    assert held is not None

    with pytest.raises(UserError, match="Another PostgreSQL is running in"):
        EmbeddedPostgres(directory)

    os.close(held)


def test_another_port_is_taken_when_the_first_is_lost_to_a_race(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as faster, socket.socket() as probe:
        faster.bind(("127.0.0.1", 0))
        faster.listen()
        probe.bind(("127.0.0.1", 0))
        ports = [faster.getsockname()[1], probe.getsockname()[1]]
        free = ports[1]
        probe.close()
        monkeypatch.setattr("dev.embedded_postgres.server._free_port", lambda: ports.pop(0))

        with EmbeddedPostgres(directory) as server:
            assert server.port == free


def test_a_setting_that_postgresql_refuses_is_reported_in_one_line(directory: Path) -> None:
    with pytest.raises(
        UserError, match=r'^PostgreSQL does not start: .*"shared_buffers": "none" \(all of it is in .*\)$'
    ):
        EmbeddedPostgres(directory, {"shared_buffers": "none"})


def test_a_lost_password_is_replaced_and_the_data_stay(directory: Path) -> None:
    with EmbeddedPostgres(directory) as first:
        query(first.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    old = (directory / "password").read_text()
    (directory / "password").unlink()

    with EmbeddedPostgres(directory) as second:
        assert query(second.url(), "SELECT answer FROM kept") == [[42]]
        assert (directory / "password").read_text() not in ("", old)


def made_of(directory: Path, version: str) -> None:
    data = directory / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text(f"{version}\n")
    change_owner(data)


def test_data_of_another_version_are_reported_with_the_way_on(directory: Path) -> None:
    made_of(directory, "17")

    with pytest.raises(UserError) as refused:
        EmbeddedPostgres(directory)

    assert str(refused.value) == (
        f"The data in {directory} are of PostgreSQL 17, which PostgreSQL 18 cannot read: "
        f"`mv {directory} {directory}.17` and `make start` keep them aside and go on with an empty database"
    )
    assert (directory / "data" / "PG_VERSION").exists()


def test_data_of_another_user_are_reported_with_their_name(directory: Path) -> None:
    made_of(directory, "18")
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    os.chown(directory / "data", 1, 1)

    with pytest.raises(UserError, match=r"belong to \w+: start as \w+, or make a checkout of your own$"):
        EmbeddedPostgres(directory)


def test_a_panic_is_what_is_reported_of_the_log(directory: Path) -> None:
    with EmbeddedPostgres(directory):
        pass
    for segment in (directory / "data" / "pg_wal").glob("0*"):
        segment.write_bytes(bytes(segment.stat().st_size))

    with pytest.raises(UserError, match=r"PANIC: .*; if the data are damaged, `mv .*` and `make start` keep"):
        EmbeddedPostgres(directory)


@pytest.mark.parametrize(
    ("report", "line"),
    [
        ("LOG: a\nPANIC: b\nLOG: shut down\nFATAL: c", "PANIC: b"),
        (
            "FATAL: could not write: No space left on device",
            "FATAL: could not write: No space left on device; make room",
        ),
        ("initdb: error: a\ninitdb: hint", "initdb: error: a"),
        (NAMELESS, f"{NAMELESS}; add that user to /etc/passwd"),
        ("", "it gives no reason"),
    ],
)
def test_the_gravest_line_is_the_reason(report: str, line: str) -> None:
    assert reason(report).startswith(line)


def test_another_process_finds_the_server_that_is_running(directory: Path) -> None:
    assert running_in(directory) is None
    with EmbeddedPostgres(directory) as server:
        address = running_in(directory)

        assert address is not None
        assert query(address.url(), "SELECT 1") == [[1]]
        assert address.port == server.port


def test_a_server_that_is_still_shutting_down_is_waited_for(directory: Path) -> None:
    with EmbeddedPostgres(directory):
        pass
    (directory / "data" / "postmaster.pid").write_text("1\n\n\n5432\n\n\n\nstopping\n")
    lock = acquire(directory / "lock")
    assert lock is not None
    Timer(0.3, os.close, [lock]).start()

    assert running_in(directory) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs PostgreSQL as itself, wherever that may be")
def test_under_root_the_data_move_out_of_a_folder_that_only_root_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with EmbeddedPostgres(closed / "postgres") as server:
        assert server.directory.parent.parent == Path("/var/tmp")
        assert query(server.url(), "SELECT 1") == [[1]]
        assert closed.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(server.directory)
