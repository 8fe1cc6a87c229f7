"""Preflight: each row as the model that is to be trained will see it, before anybody pays for the training.

A row is rendered by the model's own processor and chat template. It passes when as many pictures are shown as it has,
when no text holds one of the model's control tokens, when nothing needs to be cut, and when the verifier pays its gold
answer and not a corrupted one; otherwise it is refused under the name of what is wrong. Rows that pass gain columns
`visual_tokens`, `prompt_tokens` and `tokens` (with the trace or answer), counted and not estimated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.export.items import Item, Unfit
from pipelines.lake.decode import decode
from pipelines.prompts import Style
from pipelines.verifiers import verify
from pipelines.verifiers.typed import written
from schemas.ids import Json
from schemas.messages import Message

COUNTED = ("visual_tokens", "prompt_tokens", "tokens")


class Preflight:
    """Checks rows against the processor in folder `model`; `limit` is the longest conversation in tokens."""

    def __init__(self, model: Path, limit: int | None = None) -> None:
        from transformers import AutoProcessor

        from pipelines.workers.encoding import Encoder

        self._files: dict[str, bytes] = {}
        processor = AutoProcessor.from_pretrained(model, local_files_only=True)
        self._encoder = Encoder(processor, lambda name: decode(self._files[name]))
        self.limit = limit

    def measure(self, item: Item, style: Style, taught: Sequence[Sequence[Message]]) -> dict[str, int]:
        """Columns `COUNTED` of a row; `taught`: what it is exported with beyond its question, of which the longest
        counts. Raises `Unfit`.
        """
        self._files = {shot.image_id: shot.data for shot in (*item.own, *item.made.values())}
        try:
            prompt = self._encoder.encode(item.prompt(style), opened=True)
            wholes = [self._encoder.encode(messages, opened=False) for messages in taught]
        except (ValueError, OSError, KeyError) as error:
            raise Unfit("cannot_be_rendered", str(error)) from error
        whole = max(wholes, key=lambda each: len(each.ids), default=prompt)
        if self.limit is not None and len(whole.ids) > self.limit:
            raise Unfit("too_long", f"{len(whole.ids)} tokens are more than {self.limit}")
        check_reward(item.row)
        visual = sum(token == self._encoder.image_token_id for token in whole.ids)
        return dict(zip(COUNTED, (visual, len(prompt.ids), len(whole.ids)), strict=True))


def check_reward(row: Mapping[str, Any]) -> None:
    """Raises `Unfit` where the gold answer is not paid or a corrupted one is. Answers that a judge must weigh pass."""
    gold, kind = json.loads(row["answer"]), row["answer_type"]
    rules, options = json.loads(row["verifier"]) if row["verifier"] else None, row["options"] or ()
    paid = verify(f"<answer>{written(gold)}</answer>", gold, kind, rules, options)
    if paid.correct is False:
        raise Unfit("gold_is_not_paid", f"the verifier takes {written(gold)!r} for wrong, and it is the gold answer")
    wrong = corrupted(gold, kind, options)
    if verify(f"<answer>{written(wrong)}</answer>", gold, kind, rules, options).correct:
        raise Unfit(
            "corrupted_is_paid", f"the verifier takes {written(wrong)!r} for right; the gold is {written(gold)!r}"
        )


def corrupted(gold: Json, kind: str, options: Sequence[str] = ()) -> Json:
    """An answer of the same type that is surely wrong."""
    if kind == "yes_no":
        return "no" if gold == "yes" else "yes"
    others = [option for number, option in enumerate(options) if gold not in (option, chr(ord("A") + number))]
    if kind == "choice" and others:
        return others[0]
    if isinstance(gold, int | float):
        return -2 * gold - 1000
    if isinstance(gold, list):
        return [corrupted(item, "", ()) for item in gold]
    return f"nothing like {str(gold)[::-1]}"
