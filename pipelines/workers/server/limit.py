"""How many requests a server holds at once, and which is sent next. Nothing here waits or sends: the time is given.

The limit moves as TCP's window does. Answers add 2 in each round trip; a refusal (429, 5xx, no answer in time, an
answer far slower than usual) takes half a request back. So where all are refused the limit halves in a round trip, and
where a share f is refused whatever the load it settles near 4 (1 - f) / f and does not fall to 1. Until the first
refusal each answer adds a whole request, so the limit doubles in a round trip.

A server from which nothing comes but trouble is left alone for a while, and then asked with one request at a time until
it answers: what waits in the queue spends none of its attempts on a server that is being started again.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

End: TypeAlias = Literal["answered", "refused", "lost", "unsent"]
"""How an attempt ended: with an answer (a final refusal of this one request is one, too), with a refusal that more
patience may turn, with nothing, or before anything was sent.
"""

START = 32.0
GAIN, REFUSED = 2.0, 0.5
STREAK = 8
"""So much trouble in a row, with no answer between, closes the gate."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 15.0
SLOW = 4.0
"""A pace so many times the usual one is a sign of overload."""
PROMPT_TOKENS = 32.0
"""What reading a prompt costs in tokens said, roughly: without it, short answers would look slow."""
AGEING_S = 30.0
"""A request is overtaken by those of the next better priority for so long, and then by none."""


@dataclass
class Pace:
    """Seconds for each token, lately and usually, as exponential averages of both: long answers are not slow ones."""

    seconds: float = 0.0
    tokens: float = 0.0
    usual: float = 0.0
    seen: int = 0

    def slow(self, seconds: float, tokens: int) -> bool:
        """Take note of an answer; whether answers have become slow."""
        self.seen += 1
        fresh = max(1 / 16, 1 / self.seen)
        self.seconds += fresh * (seconds - self.seconds)
        self.tokens += fresh * (tokens + PROMPT_TOKENS - self.tokens)
        pace = self.seconds / self.tokens
        self.usual += (1 / self.seen if self.seen <= START else 1 / 256) * (pace - self.usual)
        return self.seen > START and pace > SLOW * self.usual


class Limit:
    """The state of one server: how many requests it holds, and how many it may."""

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.limit = min(START, float(ceiling))
        self.in_flight = 0
        self.opens = 0.0
        self.silent_since = 0.0
        """When the first of the present troubles came; of use while `closed`."""
        self._closed_at = 0.0
        self._trouble = 0
        self._doubling = True
        self._pace = Pace()

    @property
    def closed(self) -> bool:
        """Whether the server has lately given nothing but trouble."""
        return self._trouble >= STREAK

    @property
    def load(self) -> float:
        """Share of the room that is taken; above 1 while the limit falls."""
        return self.in_flight / max(1, int(self.limit))

    def room(self, now: float) -> bool:
        """Whether one more request may be sent."""
        return now >= self.opens and self.in_flight < (1 if self.closed else max(1, int(self.limit)))

    def send(self) -> None:
        """One more request is on its way."""
        self.in_flight += 1

    def ended(self, how: End, sent: float, now: float, tokens: int | None = None) -> None:
        """A request that was sent at `sent` came back; `tokens` were said where it was answered."""
        self.in_flight -= 1
        if how == "unsent":
            return
        if how == "answered":
            if self.closed:
                self._doubling = True  # back from silence: find the limit as at the start
            self._trouble, self.opens = 0, now
            if tokens is not None:
                slow = self._pace.slow(now - sent, tokens)
                self._move(-REFUSED if slow else 1.0 if self._doubling else GAIN / self.limit)
            return
        if how == "refused":
            self._move(-REFUSED)
        if sent < self._closed_at:
            return  # it was on its way when the gate closed, and tells nothing new
        if self._trouble == 0:
            self.silent_since = now
        self._trouble += 1
        if self.closed:
            pause = FIRST_PAUSE_S * 2.0 ** min(self._trouble - STREAK, 16)
            self._closed_at, self.opens = now, now + min(pause, LONGEST_PAUSE_S)

    def _move(self, by: float) -> None:
        self._doubling = self._doubling and by >= 0
        self.limit = min(max(1.0, self.limit + by), float(self.ceiling))


Item = TypeVar("Item")


class Waiting(Generic[Item]):
    """What waits to be sent: by priority and by age.

    An item's place is fixed when it comes: `AGEING_S` seconds after its arrival for each step of priority. So whatever
    came that much later stands behind it, and nothing starves.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Item]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[Item]:
        return (item for _, _, item in self._heap)

    def put(self, item: Item, priority: int, arrived: float) -> None:
        """`arrived` of one that comes back for another attempt is when it first came, so that it goes ahead."""
        heapq.heappush(self._heap, (arrived + AGEING_S * priority, next(self._order), item))

    def first(self) -> Item:
        """What is sent next. Raises `IndexError` when nothing waits."""
        return self._heap[0][2]

    def pop(self) -> Item:
        """Take what is sent next."""
        return heapq.heappop(self._heap)[2]

    def take(self, wanted: Callable[[Item], bool]) -> list[Item]:
        """Take all that are wanted, wherever they stand."""
        found = [entry[2] for entry in self._heap if wanted(entry[2])]
        if found:
            self._heap = [entry for entry in self._heap if not wanted(entry[2])]
            heapq.heapify(self._heap)
        return found
