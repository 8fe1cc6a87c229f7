"""Wrong, then right: two attempts of one policy at one sample as a trace that takes its first answer back.

Two attempts may have begun alike, as lines of a search tree do: what both did is told once, and the right one goes on
from there (backtracking).

Why the policy's own: supervised on errors that somebody else made or that were planted, a model learns to mend those
and not its own (SCoRe, arXiv 2409.12917; arXiv 2512.02389). So both branches are rollouts, step by step, and only two
sentences are ours: one says what the wrong attempt answered, one takes it back. They claim nothing that the two
attempts do not show: that the answer was wrong (a verifier found so), and what the second attempt does otherwise.

The wrong attempt's last turn and the right attempt's first become one turn, as a model that corrects itself writes it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pipelines.tools import TOOLS
from pipelines.tools.turn import step, untagged
from pipelines.verifiers import verify_row, written
from schemas.ids import canonical_json

Steps: TypeAlias = Sequence[Mapping[str, Any]]

CLAIMS = (
    "So the answer would be {answer}.",
    "That makes it {answer}.",
    "I would answer {answer}.",
    "Then it should be {answer}.",
)
"""What the wrong attempt came to, in place of its answer tag: that would end the turn."""

RECOGNITIONS: dict[str, tuple[str, ...]] = {
    "looks": (
        "Wait, that is not right. I answered without a tool; this time I use one.",
        "No, {answer} is wrong. I have not used a tool yet, so I do that now.",
        "Hold on, it is not {answer}. Before I answer again I use a tool.",
    ),
    "elsewhere": (
        "Wait, that is not right. I try another call.",
        "No, {answer} is wrong. That call did not settle it, so I make another.",
        "Hold on, it is not {answer}. Another call may tell.",
    ),
    "anew": (
        "Wait, that is not right. I go through it again.",
        "No, {answer} is wrong. Once more from the start.",
        "Hold on, it is not {answer}. Let me start over.",
    ),
    "from": (
        "Wait, that is not right. I go back to “{place}” and go on otherwise.",
        "No, {answer} is wrong. Back to “{place}”, and another way from there.",
        "Hold on, it is not {answer}. Once more from “{place}”.",
    ),
    "earlier": (
        "Wait, that is not right. I go back some steps and go on otherwise.",
        "No, {answer} is wrong. Back some steps, and another way from there.",
        "Hold on, it is not {answer}. Once more, from some steps before.",
    ),
}
"""How it is taken back. `looks`: only the right attempt called a tool. `elsewhere`: both did, and what the right one's
first call showed is nothing that the wrong one saw. `anew`: neither holds, so nothing more is claimed. `from`: both had
come as far as `place`, a step of theirs. `earlier`: they had a beginning in common, and nothing names its end."""

LONGEST = 80
"""Characters of an answer that fits into a sentence."""


@dataclass(frozen=True)
class Reflection:
    """Steps of a trace, of which the first `wrong_steps` are the wrong attempt with what it claimed; the first
    `shared_steps` of those belong to the right attempt as well.
    """

    steps: tuple[dict[str, Any], ...]
    wrong_steps: int
    shared_steps: int = 0


def reflect(
    wrong: Steps, answer: str, right: Steps, own: int, seed: int, shared: Steps = (), place: str = ""
) -> Reflection:
    """Both attempts as one trace; `own` pictures are the sample's.

    `wrong` and `right` are what follows the `shared` steps, and end in an answer; `answer` is the wrong one, as text.
    `place` is the last step that both took of a turn that they had only begun. Raises `ValueError` for an attempt that
    ends in no answer.
    """
    for name, steps in (("wrong", wrong), ("right", right)):
        if not steps or steps[-1]["kind"] != "answer":
            raise ValueError(f"the {name} attempt does not end in an answer")
    draw = random.Random(f"reflection:{seed}")
    claim = draw.choice(CLAIMS).format(answer=answer)
    kind = "from" if place else "earlier" if shared else difference(wrong, right)
    taken_back = draw.choice(RECOGNITIONS[kind]).format(answer=answer, place=place)
    before = [*map(dict, shared), *map(dict, wrong[:-1]), step("thought", claim)]
    after = [step("thought", taken_back), *moved(right, own + pictures_made(shared), pictures_made(wrong))]
    return Reflection((*before, *after), len(before), len(shared))


def speakable(answer: str) -> bool:
    """Whether the answer can stand in a sentence: short, on one line, and without a tag that would end a turn."""
    return 0 < len(answer) <= LONGEST and "\n" not in answer and untagged(answer) == answer


def proven_wrong(trace: Mapping[str, Any], sample: Mapping[str, Any]) -> bool:
    """Whether a reflection (a row of `traces`) begins as it says: its wrong steps end in a claim that names the wrong
    answer, the sample's verifier rejects that answer, and the next step is a thought that may take it back. What both
    attempts share is whole turns.
    """
    steps, count, shared = trace["steps"], trace["wrong_steps"] or 0, trace.get("shared_steps") or 0
    if not 0 <= shared < count < len(steps) or trace["wrong_answer"] is None:
        return False
    if shared and steps[shared - 1]["kind"] != "observation":
        return False
    said = written(json.loads(trace["wrong_answer"]))
    claim, reply = steps[count - 1], steps[count]
    named = re.search(rf"(?<!\w){re.escape(said)}(?!\w)", claim["text"] or "")
    if not named or claim["kind"] != "thought" or reply["kind"] != "thought":
        return False
    return verify_row(f"<answer>{said}</answer>", sample).correct is False


def difference(wrong: Steps, right: Steps) -> str:
    """Which of `RECOGNITIONS` is true of the two attempts."""
    before, after = (
        [(item["image_id"], item["text"]) for item in steps if item["kind"] == "observation"]
        for steps in (wrong, right)
    )
    if after and not before:
        return "looks"
    return "elsewhere" if after and after[0] not in before else "anew"


def pictures_made(steps: Steps) -> int:
    """How many pictures tools made in an attempt."""
    return sum(item["kind"] == "observation" and bool(item["image_id"]) for item in steps)


def moved(steps: Steps, own: int, added: int) -> list[dict[str, Any]]:
    """The steps as they read where `added` pictures stand between the sample's `own` and theirs: calls name the same
    pictures by their new numbers. (A program that counts pictures by itself is left alone, and `verify` turns it down.)
    """
    made, whole = 0, list[dict[str, Any]]()
    for item in steps:
        whole.append(dict(item))
        if item["kind"] == "observation" and item["image_id"]:
            made += 1
        elif item["kind"] == "action" and item["tool"] in TOOLS and added:
            if "target_image" not in TOOLS[item["tool"]].parameters.model_fields:
                continue
            arguments = json.loads(item["arguments"] or "{}")
            target = arguments.get("target_image")
            if target is None and not made:  # the latest was the sample's last, and is so no more
                arguments["target_image"] = own
            elif isinstance(target, int) and target > own:
                arguments["target_image"] = target + added
            whole[-1]["arguments"] = canonical_json(arguments)
    return whole
