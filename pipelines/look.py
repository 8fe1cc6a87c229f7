"""Look: what each picture shows that may not be published, found once per distinct picture.

Why: reading a picture is the costly half of screening, so it knows no thresholds: `screen` decides by what is found
here, and changing its mind reads no picture again.

Reads the pictures of `samples` and `captions`. Writes `findings`, one row per picture: how many lines of text were
read, and every find as rule, masked text and value. The value of a text rule is the confidence of the line that holds
it (`pipelines.personal` says what counts); that of a classifier is its score. Fails as `bad_score` where a classifier
answers no number from 0 to 1.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipelines import hooks, ocr
from pipelines.personal import find
from pipelines.stage import Context, Stage
from schemas.outcome import Fail, Keep, Outcome, Row

VERSION = 2

LIBRARIES = ("rapidocr", "onnxruntime", "phonenumbers", "python-stdnum")
"""What reads the text and says what it means: another version may find other things."""

SQL = "SELECT unnest(image_ids) AS image_id FROM samples UNION SELECT image_id FROM captions"


class Classifier(BaseModel):
    """A user's function that scores a picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="The rule that a high score breaks.")
    call: str = Field(description="`module:function`: PIL image (RGB, upright) → score in [0, 1].")
    version: str = Field("", description="Its module's `__version__`.")
    source: str = Field("", description="Hash of its source: another function is another stage key.")


class Parameters(BaseModel):
    """What is looked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: bool = Field(True, description="Whether the text in pictures is read.")
    regions: tuple[str, ...] = Field((), description="Whose telephone numbers count in national form.")
    classifiers: tuple[Classifier, ...] = Field((), description="Functions that score every picture.")


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Outcome:
    """One picture → what it shows."""
    image = ctx.image(row["image_id"])
    lines = ocr.lines(image) if p.text else []
    found: list[Row] = [
        {"rule": each.rule, "shown": each.shown, "value": line.confidence}
        for line in lines
        for each in find(line.text, p.regions)
    ]
    for classifier in p.classifiers:
        try:
            value = hooks.score(classifier.call, image)
        except hooks.HookError as error:
            return Fail("bad_score", str(error))
        found.append({"rule": classifier.name, "shown": None, "value": value})
    return Keep({"image_id": row["image_id"], "lines": len(lines), "found": found})


STAGE = Stage(
    name="look",
    version=VERSION,
    kind="map",
    parameters=Parameters,
    sql=SQL,
    id_column="image_id",
    table="findings",
    run=run,
)
