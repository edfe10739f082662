"""What the bundle is made for: Lambda's Python and its two processors."""

import sys
from dataclasses import dataclass
from typing import Self

from dev.user_error import UserError

PYTHON = (3, 13)
"""`Runtime: python3.13` in template.yaml. Bytecode is read by the minor version that wrote it, and by no other."""
MANYLINUX = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""Wheels that run on Amazon Linux 2023 (glibc 2.34), newest first."""


@dataclass(frozen=True)
class Architecture:
    """One of Lambda's processors."""

    name: str
    platform: str
    elf_machine: int
    """`e_machine` in an ELF file's header."""

    @classmethod
    def named(cls, name: str) -> Self:
        """The architecture as template.yaml calls it.

        :raises UserError: Lambda has no such processor
        """
        if name not in ELF_MACHINES:
            raise UserError(f"ARCH must be {' or '.join(ELF_MACHINES)}, not {name!r}")
        platform, machine = ELF_MACHINES[name]
        return cls(name, platform, machine)

    @property
    def pip_options(self) -> list[str]:
        """What makes pip choose wheels for this processor, whatever machine it runs on itself."""
        version, abi = ".".join(map(str, PYTHON)), f"cp{PYTHON[0]}{PYTHON[1]}"
        options = [f"--python-version={version}", "--implementation=cp", "--only-binary=:all:"]
        options += [f"--abi={each}" for each in (abi, "abi3", "none")]
        return options + [f"--platform={each}_{self.platform}" for each in MANYLINUX]


ELF_MACHINES = {"x86_64": ("x86_64", 62), "arm64": ("aarch64", 183)}


def require_python(version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Refuse a Python whose bytecode Lambda would not read.

    :raises UserError: it is another minor version
    """
    if version != PYTHON:
        wanted, found = (".".join(map(str, each)) for each in (PYTHON, version))
        raise UserError(f"made by Python {wanted} only, because Lambda's reads no other bytecode; this is {found}")
