"""The operating system's user that PostgreSQL runs as: the current one, or `nobody` when that is root.

PostgreSQL refuses to run as root.
"""

import os
import pwd
import stat
from pathlib import Path
from typing import Any

from dev.user_error import UserError

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""PostgreSQL's environment variables. Ours are not passed on: other processes of `nobody` could read them there."""

SHARED = Path("/var/tmp")  # noqa: S108  # every user can enter it, and it outlasts a restart
PROGRAMS_PREFIX = "programs-"
"""What the names of copies of PostgreSQL's programs begin with, which all checkouts share."""


def unprivileged_user() -> pwd.struct_passwd | None:
    """The user to change to when this process is root's; None otherwise."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise UserError("Root cannot run PostgreSQL, and there is no user `nobody` to run it as") from None


def account() -> int:
    """The id of PostgreSQL's user."""
    user = unprivileged_user()
    return user.pw_uid if user else os.geteuid()


def process_options() -> dict[str, Any]:
    """Arguments of `subprocess.Popen` that start a program as PostgreSQL's user."""
    options: dict[str, Any] = {"env": ENVIRONMENT, "cwd": "/"}
    if user := unprivileged_user():
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return options


def change_owner(path: Path) -> None:
    """Make PostgreSQL's user the owner of `path`."""
    if user := unprivileged_user():
        os.chown(path, user.pw_uid, user.pw_gid)


def can_enter(directory: Path) -> bool:
    """Whether PostgreSQL's user can enter `directory`.

    For root: whether it and all its parents are open to every user.
    """
    directory = directory.resolve()
    path = [directory, *directory.parents]
    return unprivileged_user() is None or all(folder.stat().st_mode & stat.S_IXOTH for folder in path)


def is_made_by_us(directory: Path) -> bool:
    """Whether it is one of the folders of data that this user's runs have made in `shared_directory()`."""
    shared = SHARED / f"todo-api-{os.geteuid()}"
    is_ours = shared.is_dir() and not shared.is_symlink() and shared.stat().st_uid == os.geteuid()
    return is_ours and directory.parent == shared and not directory.name.startswith(PROGRAMS_PREFIX)


def shared_directory() -> Path:
    """A directory in `/var/tmp` that every user can enter and only root can write to.

    Every user can write to `/var/tmp`. A directory or a link that another user has created with this name is refused.

    :raises UserError: there is one
    """
    directory = SHARED / f"todo-api-{os.geteuid()}"
    try:
        directory.mkdir(mode=0o711)
        directory.chmod(0o711)  # mkdir applies the umask
    except FileExistsError:
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o711:
            raise UserError(f"{directory} was not made by this program; remove it and start again") from None
    return directory
