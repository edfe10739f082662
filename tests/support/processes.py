"""Processes and ports of this machine."""

import socket
import subprocess


def is_running(pid: int) -> bool:
    """Whether the process has not ended; its parent may not have noticed the end yet."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return listed.stdout.strip()[:1] not in ("", "Z")


def free_port() -> str:
    """A port that nothing listens on, as an argument of a command."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])
