"""The folder `.data` of this checkout, and what to do where it, or another file of the checkout, cannot be used."""

import errno
import os
import pwd
from pathlib import Path

from dev.paths import CHECKOUT, LOCAL_DATA
from dev.user_error import UserError

OWN_CHECKOUT = "or make a checkout of your own"


def make_local_data() -> Path:
    """Make the folder where it is missing, and return its path.

    Every user may enter it, because root's PostgreSQL runs as another user. Each secret in it is protected by itself.

    :raises UserError: it cannot be made or used
    """
    if LOCAL_DATA.is_symlink() and not LOCAL_DATA.is_dir():
        raise UserError(f"{LOCAL_DATA} is a link to {os.readlink(LOCAL_DATA)}; make that folder, or remove the link")
    try:
        LOCAL_DATA.mkdir(exist_ok=True)
        LOCAL_DATA.chmod(0o711)
        if not os.access(LOCAL_DATA, os.W_OK):  # on a file system that is read-only, chmod may succeed
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(LOCAL_DATA))
    except OSError as error:
        raise UserError(explain(error)) from None
    return LOCAL_DATA


def explain(error: OSError) -> str:
    """One sentence for a person about a file that cannot be used: which, why, and what to do."""
    if error.filename is None:
        return str(error)
    path = Path(os.fsdecode(error.filename))
    owner = _owner(path)
    if isinstance(error, PermissionError) and owner is not None and owner != os.geteuid():
        user = user_name(owner)
        return (
            f"{path} belongs to {user}, who has used this checkout before: go on as {user}, {OWN_CHECKOUT}; "
            f"`make clean clean-data` as {user} removes all that was made here, the data included"
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path} cannot be written ({error.strerror}); make room on the disk, and start again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path} cannot be written ({error.strerror}); make {CHECKOUT} writable, {OWN_CHECKOUT}"
    return f"{path} cannot be used: {error.strerror}"


def _owner(path: Path) -> int | None:
    """The owner of `path`, or of the nearest folder above it that can be seen."""
    for place in (path, *path.parents):
        try:
            return place.stat().st_uid
        except OSError:
            continue
    return None


def user_name(user: int) -> str:
    """The name of the user with this id, or words with the id for one without a name."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
