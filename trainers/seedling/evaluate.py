"""How well a seedling does: accuracy for each task and dial, with the tools really carried out.

    python -m trainers.seedling.evaluate [DIR] [--count 200] [--cells counting/0 …] [--first 900000000]

Decoding is greedy and batched. The seeds are no training seeds, and no bank uses them either; another `--first` asks
questions that nobody has looked at.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from pipelines.intervals import wilson
from pipelines.prompts import conversation
from pipelines.tasks import FAMILIES, Made
from pipelines.tools.environment import Rules, State, advance
from pipelines.tools.replay import observation
from pipelines.verifiers import verify
from schemas.ids import canonical_json
from trainers.seedling import WEIGHTS, corpus, model

SEEDS = 900_000_000
TURNS = 4
RULES = Rules(images=TURNS + 8)
TOKENS = 192
BATCH = 64
CELLS = tuple(f"{name}/{dial}" for name, family in FAMILIES.items() for dial in range(len(family.DIALS)))
"""Every task and dial. Only those of `corpus.TAUGHT` are in the seedling's diets: the others it never saw."""


@dataclass
class Attempt:
    """One question on its way through the tool loop."""

    made: Made
    state: State
    steps: list[dict[str, Any]] = field(default_factory=list)
    said: str = ""
    calls: int = 0
    valid: int = 0
    done: bool = False

    def hear(self, text: str) -> None:
        """Take the model's turn: carry out its call, or end."""
        self.said = text
        place = str(len(self.state.shown.images))
        self.state, came = advance(self.state, text, RULES)
        self.done = came.done
        if came.seen is None:
            return
        self.calls += 1
        self.valid += not came.seen.refused
        self.steps += [*came.said, observation(None if came.seen.image is None else place, came.seen.text)]


def answer(network: Any, processor: Any, attempts: list[Attempt], device: str = "cpu") -> None:
    """Run every attempt to its end, in batches; results are left in the attempts."""
    for _turn in range(TURNS):
        waiting = [attempt for attempt in attempts if not attempt.done]
        for at in range(0, len(waiting), BATCH):
            wave = waiting[at : at + BATCH]
            texts = [
                processor.apply_chat_template(
                    corpus.chat(conversation(corpus.question(attempt.made), attempt.steps)), add_generation_prompt=True
                )
                for attempt in wave
            ]
            pictures = [list(attempt.state.shown.images) for attempt in wave]
            inputs = processor(text=texts, images=pictures, padding=True, return_tensors="pt").to(device)
            with torch.inference_mode():
                tokens = network.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)
            for attempt, row in zip(wave, tokens[:, inputs["input_ids"].shape[1] :], strict=True):
                attempt.hear(processor.tokenizer.decode(row, skip_special_tokens=True))


def table(
    folder: Path, count: int, device: str = "cpu", cells: Sequence[str] = CELLS, first: int = SEEDS
) -> list[dict[str, Any]]:
    """One row for each cell: n, accuracy with a 95 % Wilson interval, what a blind guess gets, valid tool calls."""
    network, processor = model.load(folder, device)
    model.quicken(network)
    rows = []
    for cell in cells:
        name, dial = cell.split("/")
        made = [FAMILIES[name].make(first + seed, int(dial)) for seed in range(count)]
        attempts = [Attempt(item, State.of(item.images)) for item in made]
        answer(network, processor, attempts, device)
        right = sum(correct(attempt) for attempt in attempts)
        low, high = wilson(right, count)
        calls = sum(attempt.calls for attempt in attempts)
        rows.append(
            {
                "task": name,
                "dial": int(dial),
                "n": count,
                "accuracy": round(right / count, 4),
                "low": round(low, 4),
                "high": round(high, 4),
                "guess": round(blind(made), 4),
                "calls": calls,
                "valid_calls": round(sum(attempt.valid for attempt in attempts) / calls, 4) if calls else None,
            }
        )
    return rows


def correct(attempt: Attempt) -> bool:
    """Whether the last turn's answer is right; an answer that cannot be judged is not."""
    made = attempt.made
    params = {key: value for key, value in made.verifier.items() if key != "name"}
    return bool(verify(attempt.said, made.answer, made.answer_type, params, made.options).correct)


def blind(made: Sequence[Made]) -> float:
    """The share right of one who sees no picture, and gives to each kind of question its most frequent answer."""
    said: dict[str, Counter[str]] = {}
    for item in made:
        said.setdefault(item.relation, Counter())[canonical_json(item.answer)] += 1
    return sum(max(answers.values()) for answers in said.values()) / len(made)


def show(rows: list[dict[str, Any]]) -> str:
    """The table in Markdown."""
    lines = [
        "| task | dial | n | accuracy | 95 % interval | blind guess | valid calls |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        interval = f"{row['low']:.2f}–{row['high']:.2f}"
        calls = "–" if row["valid_calls"] is None else f"{row['valid_calls']:.2f} of {row['calls']}"
        shares = f"{row['accuracy']:.2f} | {interval} | {row['guess']:.2f}"
        lines.append(f"| {row['task']} | {row['dial']} | {row['n']} | {shares} | {calls} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.seedling.evaluate", description="Accuracy for each task and dial."
    )
    parser.add_argument("folder", type=Path, nargs="?", default=WEIGHTS)
    parser.add_argument("--count", type=int, default=200, help="questions for each task and dial")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS, metavar="TASK/DIAL")
    parser.add_argument("--first", type=int, default=SEEDS, help="seed of the first question")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="also write the rows here, as JSON")
    given = parser.parse_args(arguments)
    logging.disable_progress_bar()
    rows = table(given.folder, given.count, given.device, given.cells, given.first)
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n")
    print(show(rows))


if __name__ == "__main__":
    main()
