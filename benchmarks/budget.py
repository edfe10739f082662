"""How much is measured: what the time that `make bench` takes is spent on."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Rounds, seconds and sizes."""

    list_rounds: Mapping[int, int]
    """By the number of tasks in the list."""
    sign_in_rounds: int
    warm_rounds: int
    starts: int
    throughput_rounds: int
    step_seconds: Mapping[int, float]
    """How long so many clients ask in each round."""
    warm_up_seconds: float
    instances: int
    """Of the function, at once."""

    @property
    def most_clients(self) -> int:
        """How many are needed."""
        return max(self.step_seconds)


USUAL = Budget(
    list_rounds={10: 40, 100: 40, 1000: 30, 10_000: 4},
    sign_in_rounds=25,
    warm_rounds=500,
    starts=9,
    throughput_rounds=3,
    step_seconds={1: 1, 16: 2, 100: 2},
    warm_up_seconds=1,
    instances=8,
)
"""About five minutes on two cores that nobody else uses."""
