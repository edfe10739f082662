"""A flight that is about to leave."""

import time
from collections.abc import Callable

from backend.postgres.deadline import Deadline
from backend.postgres.wire import Wire


class Outgoing:
    """The bytes of a flight, which are made when it leaves, and the deadline of its answer, which starts then.

    :param make: gives the bytes for a deadline, in seconds since 1970
    :param seconds: how long the answer may take
    """

    deadline: Deadline

    def __init__(self, make: Callable[[float], bytes], seconds: float) -> None:
        self._make, self._seconds = make, seconds
        self.is_sent = False
        self.sent_at = 0.0

    def __call__(self) -> bytes:
        self.deadline = Deadline(self._seconds)
        self.sent_at = time.time()
        return self._make(self.sent_at + self.deadline.left())

    def leave(self, wire: Wire) -> None:
        """Send it."""
        data = self()
        wire.send(data, self.deadline)
        self.is_sent = True
