"""What trainings have in common: which selection they are taught, from which policy on, and how they become a stage."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.prompts import Style
from pipelines.stage import Stage


class Taught(BaseModel):
    """What every training is told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: Literal["curated", "random"] = Field("curated", description="Which selection of `curate` is learnt from.")
    base: str | None = Field(None, description="Name of the policy that is trained, where it is not an upstream one.")
    style: Style = Field("plain", description="`plain`, or `described`: a system turn that explains tools and format.")
    seed: int = Field(0, ge=0)


def train_stage(
    name: str,
    version: int,
    parameters: type[Taught],
    run: Callable[..., Any],
    base: Path | None,
    side_tables: tuple[str, ...] = (),
) -> Stage:
    """A training as a stage: one arm of `curated` in, one policy out.

    It starts from the transformers folder `base` (named by parameter `base`), or, with None, from an upstream policy.
    """
    return Stage(
        name=name,
        version=version,
        kind="whole",
        parameters=parameters,
        sql="SELECT DISTINCT arm FROM curated WHERE arm = $arm",
        id_column="arm",
        table="policies",
        side_tables=side_tables,
        run=run if base is None else partial(run, base=base),
    )
