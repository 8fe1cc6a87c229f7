"""Run a program that the model wrote, in the sandbox and nowhere else. Offered only where a recipe names it.

The same program on the same pictures gives the same words and pixels: hashes, random numbers and the order of sets are
fixed inside. A program that asks the clock can still differ, and is caught when its trace is replayed.
"""

from __future__ import annotations

import functools
import os
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from pipelines.sandbox import Limits, Ran, Sandbox
from pipelines.tools.tool import MAX_ASPECT, MIN_SIDE, Arguments, CallError, Seen, Shown, Tool, unmarked

MOST_CODE = 20_000
MOST_WORDS = 2_000
"""Characters of a program, and of what it prints."""

_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)\n?```", re.DOTALL)


def _code(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("the code must be text")
    if len(value) > MOST_CODE:
        raise ValueError(f"the code may have at most {MOST_CODE} characters")
    fenced = _FENCE.fullmatch(value.strip())
    return fenced.group(1) if fenced else value


class Python(Arguments):
    """Arguments of `python`."""

    code: Annotated[str, BeforeValidator(_code), WithJsonSchema({"type": "string"})] = Field(
        description="The program. It knows `images`, all pictures in the order shown, and `image`, the latest, as"
        " Pillow images; NumPy is there too. print() what you want to read, show(picture) what you want to see."
    )


def _apply(shown: Shown, arguments: Python) -> Seen:
    largest = max((image.width * image.height for image in shown.images), default=0)
    limits = Limits(output=4 * MOST_WORDS, pictures=1, pixels=largest)
    ran = _sandbox(os.getpid()).run(arguments.code, shown.images, limits)
    words = _words(ran)
    if ran.error is not None:
        if ran.error.kind == "lost":
            raise RuntimeError(ran.error.message)  # no fault of the program's
        printed = f"\nIt printed:\n{words}" if words else ""
        raise CallError(f"The program failed. {unmarked(ran.error.message)}{printed}")
    if not ran.images:
        return Seen(text=words or "The program printed nothing and showed no picture.")
    (image,) = ran.images
    if min(image.size) < MIN_SIDE or max(image.size) > MAX_ASPECT * min(image.size):
        raise CallError(f"The picture that the program showed is {image.width}x{image.height} pixels; show another.")
    return Seen(image, words or None)


def _words(ran: Ran) -> str:
    text = unmarked(ran.stdout).strip()
    return text if len(text) <= MOST_WORDS else text[: MOST_WORDS - 1] + "…"


@functools.cache
def _sandbox(process: int) -> Sandbox:
    """The sandbox of this process (a fork needs its own), with as many workers as it may use processors."""
    del process
    return Sandbox(len(os.sched_getaffinity(0)))


TOOL = Tool("python", "Run a Python program on the pictures.", Python, _apply)
