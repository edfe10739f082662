"""How often and how long each measurement runs, which decides how long `make bench` takes."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Numbers of rounds, seconds and sizes."""

    list_rounds: Mapping[int, int]
    """The number of rounds for each length of the list."""
    network_rounds: Mapping[int, int]
    """The number of rounds for each round-trip time in milliseconds."""
    sign_in_rounds: int
    warm_rounds: int
    starts: int
    import_rounds: int
    throughput_rounds: int
    step_seconds: Mapping[int, float]
    """The length of a round for each number of clients."""
    warm_up_seconds: float
    instances: int
    """The number of function instances that run at once."""
    counted_requests: int
    """The number of requests whose instructions are counted."""

    @property
    def most_clients(self) -> int:
        """The largest number of clients at once."""
        return max(self.step_seconds)


DEFAULT = Budget(
    list_rounds={10: 40, 100: 40, 1000: 30, 10_000: 4},
    network_rounds={0: 30, 1: 30, 5: 20, 20: 10},
    sign_in_rounds=25,
    warm_rounds=500,
    starts=9,
    import_rounds=3,
    throughput_rounds=3,
    step_seconds={1: 0.7, 16: 1.5, 100: 1.5},
    warm_up_seconds=1,
    instances=8,
    counted_requests=30,
)
"""Takes about five minutes on an idle machine with two cores."""
