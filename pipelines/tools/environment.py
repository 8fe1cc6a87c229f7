"""The environment that every tool loop goes through: `reset` a trajectory with its pictures, `step` it turn by turn.

Rollouts of stages, tree search, GRPO, replay and the tool server differ in who asks; what a call does, what the model
then sees, and when a trajectory ends is decided here. The core is two pure functions over immutable states, `act` and
`advance`, so a tree may go on from one state in several ways; `LocalEnvironment` keeps many states by name.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from PIL import Image

from pipelines.tools import OFFERED
from pipelines.tools.calls import ToolCall, execute, read
from pipelines.tools.tool import CallError, Seen, Shown, unmarked
from pipelines.tools.turn import action, parse_assistant

LIMIT = "No more pictures can be made; answer now."
"""What the model reads where a call would show one picture more than the conversation may hold."""

Turn: TypeAlias = str | ToolCall
"""What the model said: its words, which may hold a call, or a call that someone else has read out of them."""


@dataclass(frozen=True)
class Rules:
    """What a trajectory may do.

    `turns`: after so many it is done; None where the caller counts. `images`: most pictures shown, the sample's own
    included. `tools`: the names that it may call.
    """

    turns: int | None = None
    images: int = 4
    tools: tuple[str, ...] = OFFERED


@dataclass(frozen=True)
class State:
    """Where a trajectory stands: the pictures shown, and how many turns were taken."""

    shown: Shown
    turns: int = 0

    @classmethod
    def of(cls, images: Sequence[Image.Image]) -> State:
        """Before the first turn, with the sample's own pictures."""
        return cls(Shown.of(images))


@dataclass(frozen=True)
class Step:
    """What a turn led to.

    `said` is the turn as rows of a trace. `seen` is what the model sees next; None where it called no tool. `done` says
    that the trajectory is at its end: it called no tool, or its turns are used up.
    """

    said: tuple[dict[str, Any], ...]
    seen: Seen | None
    done: bool


def act(shown: Shown, called: Mapping[str, Any], rules: Rules) -> Seen:
    """Carry out an action (a row of a trace); a call that cannot be is answered by a sentence."""
    if called["tool"] is None:
        error = read(str(called["text"] or ""))
        return refusal(error if isinstance(error, CallError) else CallError("The tool call is not closed."))
    arguments = called["arguments"]
    if not isinstance(arguments, Mapping):
        arguments = json.loads(arguments) if arguments else {}
    try:
        seen = execute(shown, ToolCall(called["tool"], arguments), rules.tools)
    except CallError as error:
        return refusal(error)
    full = seen.image is not None and len(shown.images) >= rules.images
    return Seen(text=LIMIT, refused=True) if full else seen


def refusal(error: CallError) -> Seen:
    """The sentence that a model reads in place of a result; what it repeats of the model's words is no markup."""
    return Seen(text=unmarked(str(error)), refused=True)


def advance(state: State, turn: Turn, rules: Rules) -> tuple[State, Step]:
    """The state after one turn of the model, and what came of it."""
    said = parse_assistant(turn) if isinstance(turn, str) else [action(turn)]
    after = State(state.shown, state.turns + 1)
    if not said or said[-1]["kind"] != "action":
        return after, Step(tuple(said), None, True)
    seen = act(state.shown, said[-1], rules)
    done = rules.turns is not None and after.turns >= rules.turns
    return State(state.shown.plus(seen), after.turns), Step(tuple(said), seen, done)


class Lost(RuntimeError):
    """The environment cannot go on with a trajectory, through no fault of the model."""


class NotOpen(Lost):
    """A trajectory that was never begun, has ended, or has expired."""

    def __init__(self, trajectory: str) -> None:
        super().__init__(
            f"trajectory {trajectory!r} is not open: it was never reset, it has ended, it was idle for too long, or its"
            " server was started anew"
        )


class Full(Lost):
    """As many trajectories or pictures are held as may be."""


def room(images: Sequence[Image.Image], rules: Rules) -> int:
    """The most bytes that a trajectory's pictures take: no tool makes one larger than those it begins with."""
    largest = max((4 * image.width * image.height for image in images), default=0)  # Pillow keeps RGB in four bytes
    return largest * max(rules.images, len(images))


class Environment(Protocol):
    """Trajectories by name, many at once; one never sees another's pictures."""

    def reset(self, trajectory: str, images: Sequence[Image.Image], rules: Rules) -> None:
        """Begin a trajectory with the sample's own pictures; one of this name that is open begins anew."""

    def step(self, trajectory: str, turn: Turn) -> Step:
        """One turn of the model. A trajectory that is then done is released. Raises `NotOpen`."""

    def release(self, trajectory: str) -> None:
        """Forget a trajectory and its pictures; nothing happens where it is not open."""


@dataclass
class _Open:
    """A trajectory under way.

    `lock` lets one step at a time change it; `used` is when it was last asked for; `room` are the bytes that its
    pictures may come to.
    """

    state: State
    rules: Rules
    used: float
    room: int
    lock: threading.Lock = field(default_factory=threading.Lock)


class LocalEnvironment:
    """An `Environment` in this process; safe to use from many threads.

    At most `most` trajectories are open at once, and their pictures take at most `memory` bytes.
    """

    def __init__(
        self, most: int = sys.maxsize, memory: int = sys.maxsize, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._memory, self._clock = most, memory, clock
        self._held = 0
        self._open: dict[str, _Open] = {}
        self._lock = threading.Lock()

    @property
    def open(self) -> int:
        """How many trajectories are under way."""
        return len(self._open)

    def reset(self, trajectory: str, images: Sequence[Image.Image], rules: Rules) -> None:
        """As `Environment.reset`. Raises `Full`."""
        begun = _Open(State.of(images), rules, self._clock(), room(images, rules))
        with self._lock:
            self._drop(trajectory)
            if len(self._open) >= self._most:
                raise Full(f"{self._most} trajectories are open, which is the most; release some, or try again later")
            if self._held + begun.room > self._memory:
                raise Full(f"no more than {self._memory >> 20} MiB of pictures are held; release some trajectories")
            self._open[trajectory] = begun
            self._held += begun.room

    def step(self, trajectory: str, turn: Turn) -> Step:
        """As `Environment.step`."""
        with self._lock:
            found = self._open.get(trajectory)
        if found is None:
            raise NotOpen(trajectory)
        with found.lock:
            if self._open.get(trajectory) is not found:  # ended while this step waited for the one before it
                raise NotOpen(trajectory)
            found.state, came = advance(found.state, turn, found.rules)
            found.used = self._clock()
            if came.done:
                with self._lock:
                    if self._open.get(trajectory) is found:  # not yet begun anew
                        self._drop(trajectory)
        return came

    def release(self, trajectory: str) -> None:
        """As `Environment.release`."""
        with self._lock:
            self._drop(trajectory)

    def expire(self, idle: float) -> int:
        """Release what nobody has asked for in `idle` seconds; returns how many trajectories that were."""
        before = self._clock() - idle
        with self._lock:
            old = [name for name, each in self._open.items() if each.used < before and not each.lock.locked()]
            for name in old:
                self._drop(name)
        return len(old)

    def _drop(self, trajectory: str) -> None:
        gone = self._open.pop(trajectory, None)
        self._held -= gone.room if gone else 0
