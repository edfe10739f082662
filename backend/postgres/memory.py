"""What this process remembers of a server, so that later connections need not find it out again."""

import time
from dataclasses import dataclass

from backend.postgres.url import DatabaseUrl

KEPT_SECONDS = 600.0


@dataclass
class Memory:
    """What is remembered of one server. Times are those of `time.monotonic()`.

    :ivar mechanism: the SCRAM mechanism that the server wants, where it is not the one we would choose
    :ivar clock_offset: how many seconds the server's clock is ahead of ours
    """

    mechanism: str | None = None
    clock_offset: float = 0.0
    _initial_response_waits_until: float = float("-inf")
    _flight_waits_until: float = float("-inf")

    @property
    def initial_response_may_ride(self) -> bool:
        """Whether SASLInitialResponse may leave together with StartupMessage."""
        return time.monotonic() >= self._initial_response_waits_until

    @property
    def flight_may_ride(self) -> bool:
        """Whether a flight may leave together with SASLResponse."""
        return self.initial_response_may_ride and time.monotonic() >= self._flight_waits_until

    def let_initial_response_wait(self) -> None:
        """Remember that the server did not see a SASLInitialResponse that came with StartupMessage."""
        self._initial_response_waits_until = time.monotonic() + KEPT_SECONDS

    def let_flight_wait(self) -> None:
        """Remember that the server did not see a flight that came with SASLResponse."""
        self._flight_waits_until = time.monotonic() + KEPT_SECONDS

    def note_clock(self, server: float, *, sent: float, received: float) -> None:
        """Correct `clock_offset` if the server's answer shows that it is wrong. It changes by no more than needed.

        All three are in seconds since 1970.

        :param server: what the server's clock showed, while the server handled the flight
        :param sent: what our clock showed when the flight was sent
        :param received: what our clock showed when the answer was there
        """
        self.clock_offset = min(max(self.clock_offset, server - received), server - sent)


_memories: dict[tuple[str, int, str | None], Memory] = {}


def of(url: DatabaseUrl) -> Memory:
    """The memory of the URL's server."""
    return _memories.setdefault((url.host, url.port, url.socket), Memory())


def forget() -> None:
    """Forget everything, as a new process has."""
    _memories.clear()
