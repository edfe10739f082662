"""Locks between processes. The system gives one up when the last process holding it has ended, however it ended."""

import fcntl
import os
import time
from pathlib import Path


def acquire(path: Path, wait_seconds: float = 0) -> int | None:
    """Lock the file `path`, made where it is missing, and return its descriptor; None when others keep it for too long.

    The lock lasts until the descriptor is closed here and in every process that inherited it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return None
            time.sleep(0.05)
