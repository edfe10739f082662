"""The account that PostgreSQL runs under: our own, or `nobody` where we are root, whom it refuses."""

import os
import pwd
import stat
from pathlib import Path
from typing import Any

from dev.user_error import UserError

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""All that PostgreSQL gets: it needs none of our variables, and other processes of `nobody` could read them there."""


def nobody() -> pwd.struct_passwd | None:
    """The account to change to; None when we may stay who we are."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise UserError("Root cannot run PostgreSQL, and there is no user `nobody` to run it as") from None


def process_options() -> dict[str, Any]:
    """Arguments for `subprocess` that start a program of PostgreSQL under its account."""
    options: dict[str, Any] = {"env": ENVIRONMENT, "cwd": "/"}
    if user := nobody():
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return options


def give(path: Path) -> None:
    """Make PostgreSQL's account the owner of `path`."""
    if user := nobody():
        os.chown(path, user.pw_uid, user.pw_gid)


def can_enter(directory: Path) -> bool:
    """Whether PostgreSQL's account gets into `directory`. As root this asks for the way that is open to everybody."""
    ways = [directory, *directory.parents]
    return nobody() is None or all(way.stat().st_mode & stat.S_IXOTH for way in ways)


def shared_directory() -> Path:
    """A directory of root's that everybody may enter and only root may write to.

    `/var/tmp` is open to all, so another user may have been first with this name: then it is not used, nor followed.
    """
    directory = Path("/var/tmp") / f"todo-api-{os.geteuid()}"  # noqa: S108
    try:
        directory.mkdir(mode=0o711)
        directory.chmod(0o711)  # whatever the umask is
    except FileExistsError:
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o711:
            raise UserError(f"{directory} was not made by this program; remove it and start again") from None
    return directory
