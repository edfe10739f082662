"""The platform that the bundle is built for: Lambda's Python version and processor."""

import sys
from dataclasses import dataclass
from typing import Self

from dev.user_error import UserError

PYTHON = (3, 13)
"""`Runtime: python3.13` in template.yaml. Only the minor version that wrote bytecode can read it."""
MANYLINUX = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""The platform tags of wheels that run on Amazon Linux 2023 (glibc 2.34), newest first."""


@dataclass(frozen=True)
class Architecture:
    """One of the processors that Lambda offers."""

    name: str
    platform: str
    elf_machine: int
    """The field `e_machine` in the header of an ELF file."""

    @classmethod
    def named(cls, name: str) -> Self:
        """The architecture with this name in template.yaml.

        :raises UserError: Lambda does not offer it
        """
        if name not in ELF_MACHINES:
            raise UserError(f"ARCH must be {' or '.join(ELF_MACHINES)}, not {name!r}")
        platform, machine = ELF_MACHINES[name]
        return cls(name, platform, machine)

    @property
    def pip_options(self) -> list[str]:
        """The options with which pip chooses wheels for this processor, on any machine."""
        version, abi = ".".join(map(str, PYTHON)), f"cp{PYTHON[0]}{PYTHON[1]}"
        options = [f"--python-version={version}", "--implementation=cp", "--only-binary=:all:"]
        options += [f"--abi={tag}" for tag in (abi, "abi3", "none")]
        return options + [f"--platform={tag}_{self.platform}" for tag in MANYLINUX]


ELF_MACHINES = {"x86_64": ("x86_64", 62), "arm64": ("aarch64", 183)}


def require_python(version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Refuse a Python whose bytecode Lambda cannot read.

    :raises UserError: the minor version is not Lambda's
    """
    if version != PYTHON:
        wanted, found = (".".join(map(str, numbers)) for numbers in (PYTHON, version))
        raise UserError(f"made by Python {wanted} only, because Lambda's reads no other bytecode; this is {found}")
