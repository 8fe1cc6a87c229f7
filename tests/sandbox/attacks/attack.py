"""What an attack is, and how one sees that it worked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pipelines.sandbox import Limits

QUICK = Limits(wall=10)


@dataclass(frozen=True)
class Attack:
    """A program that prints ESCAPED when it got what it tried for.

    `sign` is what shows that the attack works: the word, a `flood` of more output than may be, an `endless` run, or a
    `crash` of the process that runs it. `ends` are the kinds of trouble in which it may end inside the sandbox, where
    "" is a quiet end. `then` is a second program, run by the next call (without the sandbox: by the same process).
    `control` says who shows that the attack works without a sandbox: `anyone`, only `root`, or nobody, and why.
    $NAMES are filled in: things of the host (`world.py`), or the number of the system call of that name.
    """

    name: str
    tries: str
    program: str
    then: str | None = None
    sign: Literal["word", "flood", "endless", "crash"] = "word"
    ends: tuple[str, ...] = ("", "exception")
    control: str = "anyone"
    machine: str | None = None
    limits: Limits = field(default=QUICK)
