"""Propose: swaps for captions that no program proves, held against rules of words and votes on the picture.

Why: a person's caption says more of the world than a program's, but nothing knows whether a changed phrase of it is
false. Two injectors make swaps behind one interface: `grammatical`, a lexicon of near and exclusive words, and
`author`, any model that answers in JSON. Whoever made it, a swap is kept only if no rule of words is broken, and if a
majority votes that the sentence was true of the picture and that the new one is not.

Reads `captions` (and their `samples`): one row for each caption, injector and type. Writes `proposals`, which stage
`vicrit` injects. Drops, by the first rule that fails: `no_candidate`, `unusable` (an author's answer that is no
proposal), `cut_off`; the rules of `pipelines.captions.rules`; `not_voted_true` and `not_voted_false` (value: share of
yes), `no_verdict` (votes without a majority).
"""

from __future__ import annotations

import json
import random
from collections.abc import Generator
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pipelines.captions import author, grammatical
from pipelines.captions.rules import Read, apart, broken
from pipelines.captions.swaps import KINDS, Kind, Swap, offers
from pipelines.stage import Context, Stage
from pipelines.verifiers.judge import tally
from schemas.ids import canonical_json, content_id, seed_of
from schemas.outcome import Drop, Fail, Keep, Outcome, Row
from schemas.requests import Failed, Generate, Generated, Request, Result, Sampling
from schemas.rows import lineage

VERSION = 1

T = TypeVar("T")
Asking: TypeAlias = Generator[list[Request], list[Result], T]
"""Yields requests, is sent their results, and returns a `T`."""

SQL = """
SELECT concat_ws('/', c.caption_id, i.injector, k.kind) AS proposal_id, c.*, i.injector, k.kind, s.program
FROM captions c LEFT JOIN samples s ON s.sample_id = c.sample_id,
     (SELECT unnest($injectors) AS injector) i, (SELECT unnest($kinds) AS kind) k
WHERE $programs OR len(c.clauses) = 0
"""


class Parameters(BaseModel):
    """Who proposes what, and how many vote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    injectors: tuple[Literal["grammatical", "author"], ...] = Field(
        ("grammatical", "author"), min_length=1, description="Who makes swaps."
    )
    kinds: tuple[Kind, ...] = Field(KINDS, min_length=1, description="Types asked for, each once of every caption.")
    programs: bool = Field(False, description="Whether programs' captions are asked about as well.")
    votes: int = Field(3, ge=1, description="Votes on each of the two sentences; one is greedy, more are sampled.")
    temperature: float = Field(0.7, gt=0, description="Of several votes, and of the author.")
    max_tokens: int = Field(96, ge=16, description="Most new tokens of an author's answer.")
    seed: int = Field(0, ge=0, description="Another seed draws other swaps and votes.")


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Asking[Outcome]:
    """One caption, injector and type → a swap with its proof, or the rule that it fails."""
    seed = seed_of("propose", p.seed, row["proposal_id"])
    found = (
        _candidate(row["text"], row["kind"], seed)
        if row["injector"] == "grammatical"
        else (yield from _asked(row, p, seed))
    )
    if not isinstance(found, Swap):
        return found
    if rule := broken(_read(row["text"]), found):
        return Drop(rule)
    swap = replace(found, distance=apart(found))
    proof = _known(row, swap)
    if proof is None:
        voted = yield from _voted(row, swap, p, seed)
        if not isinstance(voted, dict):
            return voted
        proof = {**voted, "worker": ctx.worker.identity.name}
    kept = {
        "proposal_id": content_id("proposal", [row["caption_id"], swap.start, swap.original, swap.replacement]),
        "caption_id": row["caption_id"],
        "kind": swap.kind,
        "original": swap.original,
        "replacement": swap.replacement,
        "start": swap.start,
        "injector": swap.injector,
        "distance": swap.distance,
        "proof": canonical_json(proof),
    }
    return Keep(kept, {"lineage": [lineage(kept["proposal_id"], row["caption_id"], "proposed_for", STAGE.name)]})


@lru_cache(maxsize=256)
def _read(text: str) -> Read:
    """Every type of one caption is asked in turn: its words are analysed once."""
    return Read.of(text)


@lru_cache(maxsize=256)
def _offers(text: str) -> tuple[Swap, ...]:
    return tuple(grammatical.offers(_read(text)))


def _candidate(text: str, kind: Kind, seed: int) -> Swap | Drop:
    possible = [swap for swap in _offers(text) if swap.kind == kind]
    return random.Random(seed).choice(possible) if possible else Drop("no_candidate")


def _asked(row: Row, p: Parameters, seed: int) -> Asking[Swap | Drop | Fail]:
    sampling = Sampling(p.max_tokens, p.temperature, json_schema=author.SCHEMA)
    messages = author.request(row["text"], row["image_id"], row["kind"])
    (result,) = yield [Generate(f"{row['proposal_id']}/author", messages, sampling, seed)]
    if isinstance(result, Failed):
        return Fail(result.kind, result.message, result.transient)
    assert isinstance(result, Generated)
    if result.finish == "length":
        return Drop("cut_off", result.completion_tokens, p.max_tokens)
    try:
        return author.read(result.text, row["text"], row["kind"])
    except author.Unusable:
        return Drop("unusable")


def _known(row: Row, swap: Swap) -> dict[str, Any] | None:
    """The program's own proof, where the caption is a program's and the swap one that it proves."""
    if not row["clauses"] or row["program"] is None:
        return None
    proven = offers(row["text"], row["clauses"], json.loads(row["program"]))
    same = [each for each in proven if (each.start, each.replacement) == (swap.start, swap.replacement)]
    return dict(same[0].proof) if same and same[0].original == swap.original else None


def _voted(row: Row, swap: Swap, p: Parameters, seed: int) -> Asking[dict[str, Any] | Drop | Fail]:
    """The shares of yes for both sentences, where a majority finds the first true and the second not."""
    told = author.sentences(row["text"], swap)
    results = yield [
        Generate(f"{row['proposal_id']}/{name}", author.question(sentence, row["image_id"]), _ballot(p), seed)
        for name, sentence in zip(("original", "replacement"), told, strict=True)
    ]
    shares = []
    for result, wanted in zip(results, (True, False), strict=True):
        if isinstance(result, Failed):
            return Fail(result.kind, result.message, result.transient)
        assert isinstance(result, Generated)
        verdict, share = tally([each.text for each in (result, *result.others)])
        if verdict is None:
            return Drop("no_verdict", share)
        if verdict is not wanted:
            return Drop("not_voted_true" if wanted else "not_voted_false", share, 0.5)
        shares.append(share)
    return {"votes": {"original": shares[0], "replacement": shares[1], "of": p.votes}}


def _ballot(p: Parameters) -> Sampling:
    return Sampling(16) if p.votes == 1 else Sampling(16, p.temperature, n=p.votes)


STAGE = Stage(
    name="propose",
    version=VERSION,
    kind="ask",
    parameters=Parameters,
    sql=SQL,
    id_column="proposal_id",
    table="proposals",
    run=run,
)
