"""The data that an earlier run has left: whether this PostgreSQL can use them, and what to do when it cannot."""

import errno
import os
import shlex
import subprocess
from pathlib import Path

from dev.embedded_postgres.account import account, process_options
from dev.embedded_postgres.programs import major_version
from dev.local_data import user_name
from dev.local_secret import local_secret
from dev.user_error import UserError

GRAVE = ("PANIC", "FATAL", "error")
"""What marks a line of a program's output that says why it failed; the first that is there counts."""
ADVICE = {
    os.strerror(errno.ENOSPC): "make room on the disk, and start again",
    "could not look up effective user ID": "add that user to /etc/passwd, or start as one with a name",
}
"""What to do, by a part of such a line. A container that is run with `--user 1234` often has no name for that user."""


def refuse_unusable(data: Path, directory: Path) -> None:
    """Check that the data in `data` are of PostgreSQL's user, and of its version.

    :param directory: the folder of the data as the person knows it
    :raises UserError: they are not
    """
    owner = data.stat().st_uid
    if owner != account():
        name = user_name(owner)
        raise UserError(f"The data in {directory} belong to {name}: start as {name}, or make a checkout of your own")
    try:
        version = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise UserError(f"{data} has lost its file PG_VERSION: {how_to_set_aside(directory, 'damaged')}") from None
    if version != major_version():
        raise UserError(
            f"The data in {directory} are of PostgreSQL {version}, which PostgreSQL {major_version()} cannot read: "
            f"{how_to_set_aside(directory, version)}"
        )


def how_to_set_aside(directory: Path, name: str) -> str:
    """The two commands that go on with an empty database and keep the data."""
    kept = directory.with_name(f"{directory.name}.{name}")
    commands = f"`mv {shlex.quote(str(directory))} {shlex.quote(str(kept))}` and `make start`"
    return f"{commands} keep them aside and go on with an empty database"


def recovered_password(directory: Path, postgres: Path, lock: int) -> str:
    """The superuser's password. A new one, where the file with it has been lost.

    The file is written last: were it written first, a run that is cut short would leave a wrong one.

    :param postgres: the server program, which can change the password without being asked for one
    :raises UserError: the password cannot be changed
    """
    kept = directory / "password"
    if kept.exists():
        return kept.read_text()
    fresh = directory / "password.new"
    password = local_secret(fresh)
    command: list[str | Path] = [postgres, "--single", "-D", directory / "data", "-c", "log_statement=none", "postgres"]
    (directory / "data" / "postmaster.pid").unlink(missing_ok=True)  # we hold the lock, so its server has ended
    changed = subprocess.run(
        command,
        check=False,
        input=f"alter role postgres password '{password}'\n",
        capture_output=True,
        text=True,
        pass_fds=[lock],
        **process_options(),
    )
    if changed.returncode != 0 or "ERROR" in changed.stderr:
        raise UserError(f"{kept} is lost, and PostgreSQL takes no new password: {reason(changed.stderr)}")
    fresh.rename(kept)
    return password


def reason(report: str) -> str:
    """The line of a program's output that says why it failed, and what to do where that is known."""
    lines = report.splitlines()
    by_gravity = ([line for line in lines if mark in line] for mark in GRAVE)
    line = (next(filter(None, by_gravity), None) or lines or ["it gives no reason"])[-1].strip()
    return "; ".join([line, *(advice for cause, advice in ADVICE.items() if cause in line)])
