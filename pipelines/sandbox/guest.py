"""The last step inside the sandbox: run the program with its pictures, and give an account of it.

All privileges are gone when this runs. The program shares its process with this code and can change any of it, so
nothing here protects anything; it is the polite side of the border.
"""

from __future__ import annotations

import importlib
import os
import random
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from pipelines.sandbox import wire

PRELOAD = (
    "array base64 bisect bz2 collections colorsys copy csv ctypes dataclasses datetime decimal enum fractions "
    "functools hashlib heapq io itertools json lzma math operator random re statistics string struct tempfile "
    "textwrap time traceback typing unicodedata uuid zlib numpy numpy.fft numpy.linalg numpy.random PIL.Image "
    "PIL.ImageChops PIL.ImageColor PIL.ImageDraw PIL.ImageEnhance PIL.ImageFilter PIL.ImageFont PIL.ImageMath "
    "PIL.ImageOps PIL.ImageStat PIL.JpegImagePlugin PIL.PngImagePlugin"
).split()
"""Imported before the first call, so no call waits for them. The rest of the standard library can be imported too."""

CODE = "<code>"
"""The program's file name in its own tracebacks."""


class Stage:
    """What `show` fills: pictures, within the room there is for them."""

    def __init__(self, room: tuple[int, int]) -> None:
        self.pictures, self.pixels = room
        self.shown: list[wire.Raw] = []

    def show(self, picture: Any) -> None:
        """Return a picture: a Pillow image, or an array of bytes (height x width, or height x width x 3 or 4)."""
        from PIL import Image

        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        if len(self.shown) == self.pictures:
            raise ValueError(f"show() takes at most {self.pictures} pictures")
        used = sum(raw.width * raw.height for raw in self.shown)
        if not 0 < image.width * image.height <= self.pixels - used:
            raise ValueError(
                f"{image.width}x{image.height} pixels are too many; there is room for {self.pixels - used}"
            )
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        self.shown.append(wire.Raw(rgb.width, rgb.height, rgb.tobytes()))


def carry_out(code: str, images: Sequence[wire.Raw], room: tuple[int, int]) -> wire.Answer:
    """Run `code` as a module that knows `images`, `image` (the last of them) and `show`."""
    from PIL import Image

    random.seed(0)  # here, because the module seeds itself anew after every fork
    stage = Stage(room)
    given = [Image.frombytes("RGB", (raw.width, raw.height), raw.data) for raw in images]
    names: dict[str, Any] = {"__name__": "__main__", "images": given, "show": stage.show}
    if given:
        names["image"] = given[-1]
    error = None
    try:
        exec(compile(code, CODE, "exec", dont_inherit=True), names)  # noqa: S102 - what the sandbox is for
    except SystemExit as end:
        if end.code not in (None, 0):
            error = "exception", f"SystemExit: {end.code}"
    except MemoryError:
        names.clear()  # room for the account
        error = "memory", "MemoryError: the program needs more memory than it may have"
    except BaseException as raised:
        error = "exception", told(raised)
    return wire.Answer(tuple(stage.shown), error)


def told(raised: BaseException) -> str:
    """`line 3: ValueError: …`, with the last line of the program itself that was at work."""
    line = raised.lineno if isinstance(raised, SyntaxError) else _line(raised.__traceback__)
    try:
        what = traceback.format_exception_only(raised)[-1].strip()
    except Exception:  # its own __str__ raises
        what = type(raised).__name__
    return f"line {line}: {what}" if line else what


def _line(at: TracebackType | None) -> int:
    line = 0
    while at is not None:
        if at.tb_frame.f_code.co_filename == CODE:
            line = at.tb_lineno
        at = at.tb_next
    return line


def prepare() -> None:
    """Import what programs use, and make every source of randomness that they ask without a seed the same each time."""
    for name in PRELOAD:
        importlib.import_module(name)
    import numpy

    entropy = random.Random(0)
    os.urandom = entropy.randbytes
    vars(random)["_urandom"] = entropy.randbytes  # what SystemRandom, secrets and NumPy's default_rng read
    numpy.random.seed(0)
