"""Which tools a recipe offers to a policy: a parameter of every stage that asks one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from pipelines.tools import TOOLS
from schemas.recipe import did_you_mean


def _known(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in TOOLS:
            raise ValueError(f"there is no tool {name!r}{did_you_mean(name, list(TOOLS))}")
    return tuple(name for name in TOOLS if name in names)


Offer: TypeAlias = Annotated[tuple[str, ...], AfterValidator(_known)]
"""Names of tools, each once, in the order of `TOOLS`. Refused where there is no such tool."""
