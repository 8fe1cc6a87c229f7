"""One attempt of a policy at a sample: the tool loop, the verdict, and the row of `rollouts` that records both.

Explore, difficulty and evaluate ask in the same words and judge by the same verifier, so that their figures can be
compared. A failed request is no attempt: it leaves no rollout, and its row fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from pipelines.prompts import Style, prompt_hash
from pipelines.stage import Context
from pipelines.toolloop import Asking, Episode, converse
from pipelines.tools import OFFERED
from pipelines.tools.environment import LIMIT
from pipelines.tools.offer import Offer
from pipelines.verifiers import Verdict, verify_row
from schemas.ids import Json, canonical_json, seed_of
from schemas.outcome import Fail, Row
from schemas.requests import Sampling
from schemas.rows import rollout_id


class Asked(BaseModel):
    """How a policy is asked: shared by the parameters of every stage that asks one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: int = Field(160, ge=1, description="Most new tokens in one turn.")
    temperature: float = Field(1.0, ge=0, description="0 is greedy.")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus sampling; 1 keeps every token.")
    max_turns: int = Field(3, ge=1, description="Most turns of the model, tool calls included.")
    max_images: int = Field(4, ge=1, description="Most pictures shown in one conversation, the sample's own included.")
    style: Style = Field("plain", description="`plain`, or `described`: a system turn that explains tools and format.")
    tools: Offer = Field(OFFERED, description="The tools that it may call, by name.")
    seed: int = Field(0, ge=0, description="Another seed draws other rollouts.")

    @property
    def sampling(self) -> Sampling:
        """What the worker is told."""
        return Sampling(self.max_tokens, self.temperature, self.top_p)

    def as_json(self) -> dict[str, Json]:
        """What column `sampling` says; the tools where they are not those that are offered anyway."""
        told: dict[str, Json] = {"max_turns": self.max_turns, "max_images": self.max_images}
        return {**self.sampling.as_json(), **told, **({} if self.tools == OFFERED else {"tools": self.tools})}


GAP = "\n\n"
"""What stands between two turns in the text of a rollout."""


@dataclass(frozen=True)
class Attempt:
    """An episode, how it was judged, and its row; a failed one has neither verdict nor row."""

    episode: Episode
    verdict: Verdict | None
    rollout: Row | None

    @property
    def correct(self) -> bool:
        """Whether the verifier accepted the answer. An undecided verdict is not correct."""
        return bool(self.verdict and self.verdict.correct)


def attempt(
    sample: Mapping[str, Any],
    asked: Asked,
    ctx: Context,
    *,
    purpose: str,
    index: int,
    image_ids: Sequence[str] | None = None,
    keep: bool = False,
    policy: str | None = None,
) -> Asking[Attempt]:
    """Attempt number `index` (from 0) of this stage's worker, or of the one whose name is `policy`; `image_ids` shows
    other pictures than the sample's.

    Attempts differ in their seed and in nothing else. What tools make is stored only where a trace may come of the
    attempt (`keep`); otherwise the operation is recorded, and the picture can be made again.
    """

    def add(made: Image.Image) -> str:
        return str(ctx.store(made, origin="tool", license=sample["license"])["image_id"]) if keep else ctx.show(made)

    shown = sample["image_ids"] if image_ids is None else image_ids
    seed = seed_of("attempt", asked.seed, sample["sample_id"], purpose, index)
    episode = yield from converse(
        sample,
        [ctx.image(image) for image in shown],
        add,
        sampling=asked.sampling,
        seed=seed,
        purpose=purpose,
        index=index,
        max_turns=asked.max_turns,
        max_images=asked.max_images,
        style=asked.style,
        image_ids=image_ids,
        tools=asked.tools,
    )
    if episode.failed:
        return Attempt(episode, None, None)
    verdict = verify_row(episode.text, sample)
    answered = policy or ctx.worker.identity.name
    return Attempt(episode, verdict, rollout_row(sample, asked, answered, purpose, seed, episode, verdict))


def rollout_row(
    sample: Mapping[str, Any], asked: Asked, policy: str, purpose: str, seed: int, episode: Episode, verdict: Verdict
) -> Row:
    """Columns of table `rollouts`; `text` holds the model's turns word for word, a blank line between two, and
    `turn_ends` says behind which of its characters each turn ends.
    """
    prompt, sampling = prompt_hash(asked.style, asked.tools), asked.as_json()
    seen = [step for step in episode.steps if step["kind"] == "observation"]
    lengths = accumulate(len(text) + len(GAP) for text in episode.texts)
    return {
        "rollout_id": rollout_id(sample["sample_id"], policy, purpose, prompt, sampling, seed),
        "sample_id": sample["sample_id"],
        "policy": policy,
        "purpose": purpose,
        "prompt_hash": prompt,
        "sampling": canonical_json(sampling),
        "seed": seed,
        "text": GAP.join(episode.texts),
        "turn_ends": [length - len(GAP) for length in lengths],
        "answer": None if verdict.parsed is None else canonical_json(verdict.parsed),
        "correct": verdict.correct,
        "tier": verdict.tier,
        "turns": episode.turns,
        "prompt_tokens": episode.prompt_tokens,
        "completion_tokens": episode.completion_tokens,
        "finish": episode.finish,
        "calls": sum(step["kind"] == "action" for step in episode.steps),
        "pictures": sum(bool(step["image_id"]) for step in seen),
        "refused": sum(step["text"] == LIMIT for step in seen),
    }


def accident(attempts: Sequence[Attempt]) -> Fail | None:
    """The failure of the first attempt that failed, with the rollouts of those that did not; None if all are sound."""
    failed = next((each.episode.failed for each in attempts if each.episode.failed), None)
    if failed is None:
        return None
    return Fail(failed.kind, failed.message, failed.transient, {"rollouts": rollouts(attempts)})


def rollouts(attempts: Sequence[Attempt]) -> list[Row]:
    """The rows of all attempts that were answered."""
    return [each.rollout for each in attempts if each.rollout]


def turns_of(rollout: Mapping[str, Any]) -> list[str]:
    """The model's turns, word for word, of a row of `rollouts`."""
    ends = rollout["turn_ends"]
    starts = [0, *(end + len(GAP) for end in ends)]
    return [rollout["text"][start:end] for start, end in zip(starts, ends, strict=False)]
