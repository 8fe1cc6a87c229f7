"""Seeded damage: to a record before it is written, and to the bytes of a file afterwards."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

NESTED: Any = "deep"
for _ in range(60):
    NESTED = [NESTED]

VALUES: tuple[Any, ...] = (
    None, "", " ", 0, -1, 7, 0.5, 1e308, math.nan, math.inf, -math.inf, 10**30, 10**400, True, False,
    [], {}, [None], {"a": None}, ["a", 1, None], [[]], NESTED, {"x": {"y": [{}]}},
    "\0", "a\0b", "\ud800", "\u202e\ufeff", "e\u0301", "𝔘𝔫𝔦", "<image>", "<image> <image>", "</image>", "<bbox>",
    "../../etc/passwd", "/etc/passwd", "..", ".", "~", "C:\\x.png", "https://example.org/x.png", "file:///x.png",
    "data:image/png;base64,AAAA", "data:", "x" * 300, "x" * 5_000, "9" * 5_000, "[1, 2", "{'a': 1}", '{"a": 1}',
    "[]", "nan", "1e999", "-0", "A", "Z", "yes", "no", "\r\n", "\t", '"', '"""', ",", ";", "\\",
    {"bytes": None, "path": None}, {"path": "x.png"}, {"url": "x.png"}, {"type": "image"}, [{"type": "text"}],
    {"from": "human", "value": "<image>"}, {"role": "user", "content": [{"type": "image"}]}, ["user", "assistant"],
)  # fmt: skip
"""What stands in the place of a good value."""

EXTRA = (
    "options region verifier answer_type questions caption captions text license domain source pair_id history solution"
    " objects hint A B image images file_name image_path tools system data_source extra_info index split label _"
).split()
"""Fields that a record may be given beside its own."""


def damaged(record: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """A copy of a record with one to three changes somewhere inside."""
    changed: Any = copied(record)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        holder, key = _place(changed, draw)
        draw.choice(CHANGES)(holder, key, draw)
    return changed if isinstance(changed, dict) else record


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def _place(record: Any, draw: random.Random) -> tuple[Any, Any]:
    """A holder inside the record and one of its keys; deeper places are as likely as the first."""
    holder, key = record, draw.choice(list(record)) if record else "_"
    while draw.random() < 0.6:
        inside = holder.get(key) if isinstance(holder, dict) else holder[key]
        if not isinstance(inside, dict | list) or not inside:
            break
        holder, key = inside, draw.choice(list(inside)) if isinstance(inside, dict) else draw.randrange(len(inside))
    return holder, key


def _replace(holder: Any, key: Any, draw: random.Random) -> None:
    holder[key] = copied(draw.choice(VALUES))


def _remove(holder: Any, key: Any, draw: random.Random) -> None:
    if isinstance(holder, list):
        del holder[key]
    else:
        holder.pop(key, None)


def _rename(holder: Any, key: Any, draw: random.Random) -> None:
    if isinstance(holder, dict) and key in holder:
        holder[draw.choice([key.upper(), f"{key} ", "", *EXTRA])] = holder.pop(key)


def _repeat(holder: Any, key: Any, draw: random.Random) -> None:
    value = holder.get(key) if isinstance(holder, dict) else holder[key]
    if isinstance(value, list | str):
        holder[key] = value * draw.choice((2, 3, 40))
    elif isinstance(holder, list):
        holder.append(copied(value))


def _shorten(holder: Any, key: Any, draw: random.Random) -> None:
    value = holder.get(key) if isinstance(holder, dict) else holder[key]
    if isinstance(value, list | str | bytes) and value:
        holder[key] = value[: draw.randrange(len(value))]


def _insert(holder: Any, key: Any, draw: random.Random) -> None:
    value = holder.get(key) if isinstance(holder, dict) else holder[key]
    if isinstance(value, str):
        at, more = draw.randint(0, len(value)), draw.choice([each for each in VALUES if isinstance(each, str)])
        holder[key] = value[:at] + more + value[at:]
    elif isinstance(value, list):
        value.insert(draw.randint(0, len(value)), copied(draw.choice(VALUES)))
    elif isinstance(value, bytes):
        holder[key] = scrambled(value, draw)


def _wrap(holder: Any, key: Any, draw: random.Random) -> None:
    value = holder.get(key) if isinstance(holder, dict) else holder[key]
    holder[key] = draw.choice([[value], {"value": value}, str(value), [value, value]])


def _add(holder: Any, key: Any, draw: random.Random) -> None:
    if isinstance(holder, dict):
        holder[draw.choice(EXTRA)] = copied(draw.choice(VALUES))


def _exchange(holder: Any, key: Any, draw: random.Random) -> None:
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    if keys and (isinstance(holder, list) or key in holder):
        other = draw.choice(keys)
        holder[key], holder[other] = holder[other], holder[key]


CHANGES: tuple[Callable[[Any, Any, random.Random], None], ...] = (
    _replace, _replace, _replace, _remove, _rename, _repeat, _shorten, _insert, _insert, _wrap, _add, _add, _exchange,
)  # fmt: skip


def scrambled(data: bytes, draw: random.Random) -> bytes:
    """Bytes with one to four wounds: flipped, cut out, put in, doubled, zeroed, cut off."""
    found = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4))):
        if not found:
            break
        at = draw.randrange(len(found))
        end = min(len(found), at + draw.choice((1, 3, 16, 200, 4_000)))
        wound = draw.randrange(8)
        if wound <= 1:
            for _ in range(draw.choice((1, 5, 50))):
                found[draw.randrange(len(found))] ^= 1 << draw.randrange(8)
        elif wound == 2:
            del found[at:end]
        elif wound == 3:
            found[at:at] = draw.randbytes(draw.choice((1, 4, 300)))
        elif wound == 4:
            found[at:at] = found[at:end]
        elif wound == 5:
            found[at:end] = bytes(end - at)
        elif wound == 6:
            found[at:at] = draw.choice(
                (b'"', b"\n", b"\0", b"{", b"]", b",", b"\xff\xfe", b"\xef\xbb\xbf", b"\r\n", b"\t")
            )
        else:
            del found[at + draw.choice((0, 0, 1)) * (len(found) - at) // 2 :]
    return bytes(found)
