"""How much data the full database gets, and how long each measurement runs: so how long `make scale` takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Numbers of rows, rounds, seconds and function instances."""

    users: int
    rounds: int
    """The rounds of each operation. The empty database has as many users, and each round takes another one."""
    long_lists: int
    """The users with 1,000 tasks, in each of the databases."""
    cpu_requests: int
    """The requests over which PostgreSQL's CPU time is measured, on each of the databases."""
    hot_seconds: float
    instances: Sequence[int]
    """The numbers of function instances that are tried on the small pooler."""
    simulation_seconds: float
    held: Mapping[str, float]
    """How long PostgreSQL takes for a creation in the simulation, in seconds: for the rates, and for the overload."""


DEFAULT = Size(
    users=500_000,
    rounds=100,
    long_lists=40,
    cpu_requests=1_200,
    hot_seconds=5,
    instances=(2, 4, 8, 16),
    simulation_seconds=5,
    held={"rate": 0.1, "overload": 4.0},
)
"""Takes three to six minutes on a machine with two cores."""
