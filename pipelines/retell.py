"""Retell: captions of programs told shorter, in other sentences each time, and every type of phrase is told as often.

Why: an error must not be found by its type. Where one family's captions name six colours and one material, an even
number of false materials makes the material the first suspect of every such caption. So evenness is made here, before
anything is false: sentences are chosen for the types that were told least so far, and `vicrit` can then swap any phrase
of a telling alike. Each phrase of a telling stands once and can be swapped: one that never is false would narrow the
choice. Short tellings also suit small models.

Reads `captions` and their `samples`. Writes `captions` of source `excerpt`, which `vicrit` takes in place of those they
were told from; `lineage` (`told_from`). Drops: `no_clause` (nothing of the caption is proven), `nothing_to_tell` (fewer
than two phrases could be swapped; value: the most).
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.captions.excerpts import choose, kinds, told
from pipelines.stage import Context, Stage
from schemas.ids import content_id, seed_of
from schemas.outcome import Drop, Keep, Outcome, Row
from schemas.rows import lineage

VERSION = 2

SQL = "SELECT c.*, s.program FROM captions c LEFT JOIN samples s ON s.sample_id = c.sample_id"


class Parameters(BaseModel):
    """How many tellings, and how long they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tellings: int = Field(2, ge=1, description="Most tellings of a caption; they differ in their sentences.")
    words: int = Field(60, ge=8, description="Most words of a telling.")
    sentences: int = Field(4, ge=1, description="Most sentences in which something may be false.")
    seed: int = Field(0, ge=0, description="Another seed tells other sentences.")


def run(tables: Mapping[str, pa.Table], p: Parameters, ctx: Context) -> Iterator[tuple[str, Outcome]]:
    """Every caption → its tellings, or a drop. Captions are served in an order drawn from the seed, not by family."""
    del ctx
    count: Counter[str] = Counter()
    rows = tables["input"].to_pylist()
    for caption in sorted(rows, key=lambda row: seed_of("retell", p.seed, row["caption_id"])):
        program = caption.pop("program")
        if not caption["clauses"] or program is None:
            yield caption["caption_id"], Drop("no_clause")
            continue
        made = list(_tellings(caption, json.loads(program), p, count))
        edges = [lineage(row["caption_id"], caption["caption_id"], "told_from", STAGE.name) for row in made]
        if made:
            yield caption["caption_id"], Keep(made[0], {"captions": made[1:], "lineage": edges})
        else:
            yield caption["caption_id"], Drop("nothing_to_tell", 1, 2)


def _tellings(caption: Row, program: Mapping[str, Any], p: Parameters, count: Counter[str]) -> Iterator[Row]:
    seen = set()
    for number in range(p.tellings):
        draw = random.Random(seed_of("telling", p.seed, caption["caption_id"], number))
        text, clauses = told(caption, choose(caption, program, p.words, p.sentences, count, draw))
        if len(clauses) < 2 or text in seen:
            continue
        seen.add(text)
        count.update(kinds(clauses))
        name = content_id("caption", [caption["image_id"], text])
        yield {**caption, "caption_id": name, "text": text, "clauses": clauses, "source": "excerpt"}


STAGE = Stage(
    name="retell",
    version=VERSION,
    kind="whole",
    parameters=Parameters,
    sql=SQL,
    id_column="caption_id",
    table="captions",
    run=run,
)
