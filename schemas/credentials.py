"""Finds secrets in what people write, so that none is ever kept: recipes name the environment variable instead."""

from __future__ import annotations

import re
from typing import Any

_NAMES = ("apikey", "token", "password", "passwd", "secret")
_IN_URL = re.compile(r"://[^/?#\s@]+@|[?&](?:api[-_]?key|token|access_token|password|secret)=[^&\s]", re.IGNORECASE)


def find_secret(value: Any, path: tuple[str, ...] = ()) -> str | None:
    """The dotted field of the first secret, or None; its value is never repeated.

    A secret is a text (or, where it cannot be a count of tokens, a number) under a key that speaks of one and does not
    end in `_env`, or any text with credentials inside a URL.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            here = (*path, str(key))
            if _names_one(str(key)) and _is_written(str(key), item):
                return ".".join(here)
            if found := find_secret(item, here):
                return found
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if found := find_secret(item, (*path, str(index))):
                return found
    elif isinstance(value, str) and _IN_URL.search(value):
        return ".".join(path)
    return None


def _names_one(key: str) -> bool:
    squeezed = key.lower().replace("_", "").replace("-", "").replace(" ", "")
    return not key.lower().endswith("_env") and any(name in squeezed for name in _NAMES)


def _is_written(key: str, item: Any) -> bool:
    if isinstance(item, list | tuple):
        return any(_is_written(key, each) for each in item)
    if isinstance(item, bool) or not item:
        return False
    return isinstance(item, str) or (isinstance(item, int | float) and "token" not in key.lower())
