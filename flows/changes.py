"""What changed between the parameters of two calls of a stage."""

from __future__ import annotations

from schemas.ids import Json


def differences(old: Json, new: Json, path: str = "") -> list[str]:
    """One line `path old → new` for each value that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = dict.fromkeys([*old, *new])
        return [line for key in names for line in differences(old.get(key), new.get(key), f"{path}.{key}".strip("."))]
    return [] if old == new else [f"{path} {_short(old)} → {_short(new)}"]


def _short(value: Json) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 40 else text[:37] + "…"
