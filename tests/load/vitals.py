"""What a process holds on to, as Linux tells it in /proc."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Vitals:
    """A process at one moment."""

    resident_bytes: int
    open_files: int
    """Pipes and sockets are files, too."""
    threads: int

    @classmethod
    def of(cls, process_id: int) -> Self:
        """Take them."""
        process = Path("/proc", str(process_id))
        resident_pages = int((process / "statm").read_text().split()[1])
        return cls(
            resident_bytes=resident_pages * os.sysconf("SC_PAGE_SIZE"),
            open_files=len(os.listdir(process / "fd")),
            threads=len(os.listdir(process / "task")),
        )
