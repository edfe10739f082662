"""Locks between processes. The operating system releases a lock when the last process that holds it has ended."""

import fcntl
import os
import time
from pathlib import Path


def acquire(path: Path, wait_seconds: float = 0) -> int | None:
    """Lock the file `path`, which is created when it is missing.

    :return: the file's descriptor; None when another process still holds the lock after `wait_seconds`. The lock lasts
        until the descriptor is closed in this process and in every process that inherited it
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
