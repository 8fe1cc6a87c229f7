"""Functions that a user names in a recipe as `module:function`: imported only when named, and known by their code.

Why: what such a function answers decides what a stage keeps, so the stage key holds its name, its module's
`__version__` and a hash of its source. A model's weights are not seen: a hook that loads some states them in
`__version__`.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from PIL import Image


class HookError(ValueError):
    """A named function that is not there, or that answers what it must not."""


@cache
def load(call: str) -> Callable[..., Any]:
    """The function that `call` names. Raises `HookError` naming what is wrong with it and what would be right."""
    module, _, function = call.partition(":")
    if not module or not function:
        raise HookError(f"{call!r} names no function; write `module:function`")
    try:
        found = getattr(importlib.import_module(module), function, None)
    except Exception as error:  # whatever a user's module raises
        hint = "install it, or put its folder on PYTHONPATH" if isinstance(error, ImportError) else "mend it"
        raise HookError(f"{call}: {module} does not import ({type(error).__name__}: {error}); {hint}") from error
    if not callable(found):
        raise HookError(f"{call}: {module} has {'no' if found is None else 'a value, not a'} function {function!r}")
    return found  # type: ignore[no-any-return]  # any callable


def identity(call: str) -> dict[str, str]:
    """Name, version and source hash of a function, for a stage key. Raises as `load` does."""
    load(call)
    name = call.partition(":")[0]
    module, spec = importlib.import_module(name), importlib.util.find_spec(name)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if folders:
        files = sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
    else:
        files = [Path(spec.origin)] if spec and spec.origin and Path(spec.origin).is_file() else []
    source = blake2b(digest_size=16)
    for path in files:
        source.update(path.read_bytes())
    return {"call": call, "version": str(getattr(module, "__version__", "")), "source": source.hexdigest()}


def score(call: str, image: Image.Image) -> float:
    """What the function says of a picture. Raises `HookError` unless it is a number from 0 to 1."""
    said = load(call)(image.copy())
    try:
        value = math.nan if isinstance(said, bool | str) else float(said)
    except (TypeError, ValueError):
        value = math.nan
    if not 0 <= value <= 1:
        raise HookError(f"{call} answered {said!r:.60}; a number from 0 to 1 is needed")
    return value
