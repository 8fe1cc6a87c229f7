"""What a sample may say about how its answer is judged (column `verifier`)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Rules(BaseModel):
    """Parameters of the typed verifier; a name that it does not know is an error, not a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["typed"] = "typed"
    pattern: str | None = Field(default=None, description="Where the answer stands when it is neither boxed nor tagged")
    tolerance: float = Field(default=0.0, ge=0, description="Numbers: allowed difference as a share of the gold value")
    absolute: float = Field(default=0.0, ge=0, description="Numbers: allowed difference")
    unit: str | None = Field(default=None, description="Numbers: an answer with another unit is wrong; none is right")
    percent: Literal["points", "fraction"] | None = Field(
        default=None, description="What '45%' means: 45 points, a fraction of 0.45, or (undeclared) whichever fits"
    )
    pixels: float = Field(default=10.0, ge=0, description="Points: allowed distance, in the gold's own coordinates")
    iou: float = Field(default=0.5, gt=0, le=1, description="Boxes: least intersection over union")
    ordered: bool = Field(default=False, description="Lists: whether the order counts")
    entries: Literal["whole", "triplet"] = Field(
        default="whole",
        description="Lists: each entry right or wrong as a whole, or graded as object, attribute, value",
    )
    aliases: tuple[str, ...] = Field(default=(), description="Texts and spans that are right as well")
    context: str | None = Field(default=None, description="Spans: the text that the span is quoted from")
    extra_words: int = Field(
        default=0, ge=0, le=8, description="Spans: further words allowed around it, when quoted word for word"
    )
    partial: bool = Field(default=False, description="Spans: whether an answer that overlaps the span is graded")
    symbolic: bool = Field(default=True, description="Whether mathematics may decide where plain comparison did not")
