"""The seconds of a process, shared out among the parts that are under way in it: their sum is the time that passed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Share:
    """The seconds of one part so far."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.taken = 0.0

    @property
    def seconds(self) -> float:
        """What this part has had till now."""
        self._clock.settle()
        return self.taken


class Clock:
    """Whoever is under way has an equal share of each moment. May be asked from several threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._under_way: list[Share] = []
        self._settled = now()

    @contextmanager
    def share(self) -> Iterator[Share]:
        """The share of a part, until the `with` block ends."""
        share = Share(self)
        self.settle()
        with self._lock:
            self._under_way.append(share)
        try:
            yield share
        finally:
            self.settle()
            with self._lock:
                self._under_way.remove(share)

    def settle(self) -> None:
        """Give out the time since it was last given out."""
        with self._lock:
            now = self._now()
            for share in self._under_way:
                share.taken += (now - self._settled) / len(self._under_way)
            self._settled = now


CLOCK = Clock()
"""This process's."""
