"""The memory, files and threads of a process, from Linux's /proc."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class ProcessUsage:
    """What a process uses at one point in time."""

    resident_bytes: int
    open_files: int
    """Including pipes and sockets."""
    threads: int

    @classmethod
    def of(cls, process_id: int) -> Self:
        """Read the usage of this process."""
        process = Path("/proc", str(process_id))
        resident_pages = int((process / "statm").read_text().split()[1])
        return cls(
            resident_bytes=resident_pages * os.sysconf("SC_PAGE_SIZE"),
            open_files=len(os.listdir(process / "fd")),
            threads=len(os.listdir(process / "task")),
        )
