"""Screen: samples and captions whose pictures show what may not be published go no further.

Why: an e-mail address on a poster, a telephone number on a van or a card on a desk has no place in training data, and
nor has what a user's own classifier objects to. Who sets a stricter rule pays for no picture twice: `look` has read
them all, and this stage only compares.

Reads `findings` with `samples`, their `traces`, `captions` and `images`. Hands on, under their own names, the samples
and captions that pass, with traces and pictures, and writes `screened`: one row for each of them. A row is dropped by
the first rule that one of its pictures breaks: a text rule (value: the confidence of the reading, threshold: the
smallest that counts) or a classifier's name (value: the score). The masked text stands in the reject's payload. Members
of a pair stand or fall together: `pair` means that the mate was dropped. A row fails as `unscreened` where `look` could
not read its picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipelines.personal import RULES, Rule
from pipelines.stage import Context, Stage
from schemas.outcome import Drop, Fail, Keep, Outcome, Row

VERSION = 1

SQL = """
WITH held AS (
    SELECT sample_id AS row_id, coalesce(pair_id, sample_id) AS unit, image_ids FROM samples
    UNION ALL
    SELECT caption_id, caption_id, [image_id] FROM captions
), shown AS (
    SELECT DISTINCT row_id, unit, unnest(image_ids) AS image_id FROM held
), seen AS (
    SELECT row_id, any_value(unit) AS unit,
           list({'image_id': image_id, 'looked': f.image_id IS NOT NULL, 'found': f.found}
                ORDER BY image_id) AS pictures,
           list(i ORDER BY image_id) FILTER (i.image_id IS NOT NULL) AS images
    FROM shown LEFT JOIN findings f USING (image_id) LEFT JOIN images i USING (image_id) GROUP BY row_id
), mates AS (
    SELECT unit, list({'row_id': row_id, 'pictures': pictures} ORDER BY row_id) AS mates
    FROM seen GROUP BY unit HAVING count(*) > 1
), told AS (
    SELECT sample_id, list(t ORDER BY trace_id) AS told FROM traces t GROUP BY sample_id
)
SELECT seen.row_id, seen.pictures, seen.images, mates.mates, coalesce(s.question, c.text) AS text,
       s AS sample, c AS caption, told.told AS traces
FROM seen LEFT JOIN mates USING (unit)
LEFT JOIN samples s ON s.sample_id = seen.row_id
LEFT JOIN captions c ON c.caption_id = seen.row_id
LEFT JOIN told ON told.sample_id = seen.row_id
"""


class Parameters(BaseModel):
    """What a picture may not show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = Field(RULES, description="Text rules that are on; the first that is broken is told.")
    confidence: float = Field(0.5, ge=0, le=1, description="Smallest confidence of a reading that counts.")
    thresholds: dict[str, float] = Field({}, description="Smallest score of each classifier that drops a picture.")


def broken(pictures: Sequence[Row], p: Parameters) -> Drop | None:
    """The first rule that one of the pictures breaks; its strongest find tells the value."""
    for rule, threshold in [*((rule, p.confidence) for rule in p.rules), *sorted(p.thresholds.items())]:
        values = [find["value"] for picture in pictures for find in picture["found"] or () if find["rule"] == rule]
        if values and max(values) >= threshold:
            return Drop(rule, max(values), threshold)
    return None


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Outcome:
    """One sample or caption with the findings of its pictures, and of its mates' → kept, or the rule it breaks."""
    del ctx
    blind = next(_unseen(row["pictures"]), None)
    if blind:
        return Fail("unscreened", f"picture {blind} was not read; the failures of stage look say why")
    drop = broken(row["pictures"], p)
    if drop:
        return drop
    if any(broken(mate["pictures"], p) or next(_unseen(mate["pictures"]), None) for mate in row["mates"] or ()):
        return Drop("pair")
    kind = "caption" if row["sample"]["sample_id"] is None else "sample"
    also = {f"{kind}s": [row[kind]], "traces": row["traces"] or [], "images": row["images"] or []}
    return Keep({"row_id": row["row_id"], "kind": kind, "pictures": len(row["pictures"])}, also)


def _unseen(pictures: Sequence[Row]) -> Iterator[str]:
    return (picture["image_id"] for picture in pictures if not picture["looked"])


STAGE = Stage(
    name="screen",
    version=VERSION,
    kind="map",
    parameters=Parameters,
    sql=SQL,
    id_column="row_id",
    table="screened",
    side_tables=("samples", "captions", "traces"),
    run=run,
)
