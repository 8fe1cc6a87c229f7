"""Describe: a model writes a caption, and of its sentences only those stay that a majority votes to be true.

Why: pictures that nobody described are most of the world, and a model's caption is fluent but not true throughout; a
phrase that was false before it was changed teaches nothing. So each sentence stands alone before the picture, and what
is not found true is left out; with it goes a following sentence that begins with a pronoun: it would hang in the air.

Reads `images` that came from a source (not drawn, not made by a tool). Writes `captions` (source `worker`), to be
injected as people's captions are (`pipelines.propose`). Drops: `cut_off`, `too_few_true` (value: sentences found true).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipelines.captions.author import question
from pipelines.stage import Context, Stage
from pipelines.verifiers.judge import tally
from schemas.ids import content_id, seed_of
from schemas.messages import Message, Picture, Text
from schemas.outcome import Drop, Fail, Keep, Outcome
from schemas.requests import Failed, Generate, Generated, Request, Result, Sampling
from schemas.rows import lineage

VERSION = 1

SQL = """
SELECT * FROM images
WHERE origin NOT IN ('task', 'tool') AND ('0x' || left(image_id, 8))::BIGINT < $share * 4294967296
"""

ASK = (
    "Describe the picture in {sentences} plain sentences. Name things with their number, colour, material, shape, "
    "condition and place, and quote what is written. Say only what can be seen, and name each thing anew instead of "
    "calling it `it`."
)
_END = re.compile(r"(?<=[.!?])\s+")
_HANGING = re.compile(r"(?:it|its|they|their|he|his|she|her|this|these|that|those)\b", re.IGNORECASE)


class Parameters(BaseModel):
    """How captions are asked for, and what is believed of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(1.0, ge=0, le=1, description="Share of the pictures that is described, chosen by id.")
    sentences: int = Field(6, ge=1, description="Sentences asked for.")
    least: int = Field(3, ge=1, description="Fewest that must be found true.")
    votes: int = Field(3, ge=1, description="Votes on each sentence; one is greedy, more are sampled.")
    temperature: float = Field(0.7, gt=0, description="Of several votes.")
    max_tokens: int = Field(256, ge=16, description="Most new tokens of a description.")
    seed: int = Field(0, ge=0, description="Another seed draws other votes.")


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Generator[list[Request], list[Result], Outcome]:
    """One picture → its caption, or a drop."""
    image, seed = row["image_id"], seed_of("describe", p.seed, row["image_id"])
    asked = (Message("user", (Picture(image), Text(ASK.format(sentences=p.sentences)))),)
    (written,) = yield [Generate(f"{image}/describe", asked, Sampling(p.max_tokens), seed)]
    if isinstance(written, Failed):
        return Fail(written.kind, written.message, written.transient)
    assert isinstance(written, Generated)
    if written.finish == "length":
        return Drop("cut_off", written.completion_tokens, p.max_tokens)
    said = [" ".join(sentence.split()) for sentence in _END.split(written.text.strip()) if sentence.strip()]
    ballot = Sampling(16) if p.votes == 1 else Sampling(16, p.temperature, n=p.votes)
    results = yield [
        Generate(f"{image}/describe/{at}", question(sentence, image), ballot, seed) for at, sentence in enumerate(said)
    ]
    verdicts = []
    for result in results:
        if isinstance(result, Failed):
            return Fail(result.kind, result.message, result.transient)
        assert isinstance(result, Generated)
        verdicts.append(tally([each.text for each in (result, *result.others)])[0])
    kept = believed(said, verdicts)
    if len(kept) < p.least:
        return Drop("too_few_true", len(kept), p.least)
    text = " ".join(kept)
    caption = {
        "caption_id": content_id("caption", [image, text]),
        "image_id": image,
        "text": text,
        "clauses": [],
        "source": "worker",
        "license": row["license"],
        "task": "described",
        "domain": "natural",
    }
    return Keep(caption, {"lineage": [lineage(caption["caption_id"], image, "describes", STAGE.name)]})


def believed(said: Sequence[str], verdicts: Sequence[bool | None]) -> list[str]:
    """The sentences that were voted true, without those that begin with a pronoun after one that was not."""
    kept: list[str] = []
    stands = True
    for sentence, verdict in zip(said, verdicts, strict=True):
        stands = verdict is True and (stands or not _HANGING.match(sentence))
        kept += [sentence] if stands else []
    return kept


STAGE = Stage(
    name="describe",
    version=VERSION,
    kind="ask",
    parameters=Parameters,
    sql=SQL,
    id_column="image_id",
    table="captions",
    run=run,
)
