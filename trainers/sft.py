"""Supervised fine-tuning: a thin configuration of TRL's SFTTrainer.

Conversations are encoded once by `pipelines.workers.encoding`, the code that also scores and generates, so the loss is
taken exactly on the tokens that the assistant says; observations, pictures included, are read and never taught. TRL's
own collator would run the image processor on every picture at every step, and has no assistant mask for templates
without generation marks. Equal rows, parameters and weights give equal weights on one machine and number of threads.

Reads `curated`, `samples`, `traces`, and `policies` where it goes on from a trained policy. Writes one row of
`policies`, and the folder `policy` of its artifact.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipelines.stage import Context, Stage
from schemas.outcome import Keep, Outcome
from trainers.dataset import Album, NothingToLearn, Wrong, lessons, taught
from trainers.images_matter import image_effect
from trainers.policy import POLICY, Trained, curve_of, load, narrate, newest_checkpoint, parent, policy_row, save
from trainers.training import Taught, train_stage

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from PIL import Image

VERSION = 4

CHECKED = 16
"""Conversations whose pictures are exchanged before training."""


class Parameters(Taught):
    """What is taught, for how long, and how fast."""

    steps: int = Field(
        300, ge=0, description="Optimizer steps; 0 hands the policy on as it is, for reinforcement without imitation."
    )
    batch: int = Field(32, ge=2, description="Conversations per step.")
    parts: int = Field(2, ge=1, description="Forward passes per step; a batch is cut by length, to pad less.")
    learning_rate: float = Field(1e-4, gt=0, description="Peak rate of AdamW; warm-up, then cosine to zero.")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the steps that warms up.")
    weight_decay: float = Field(0.0, ge=0)
    save_every: int = Field(
        100,
        ge=1,
        exclude=True,  # decides nothing about the result, so it is no part of the stage key
        description="Steps between checkpoints, from which a killed training goes on.",
    )
    order: Literal["shuffled", "curated"] = Field("shuffled", description="`curated` keeps the order of the selection.")
    wrong: Wrong = Field(
        "masked", description="The wrong attempt of a reflection: `masked` reads it, `taught` also learns to make it."
    )


def train_sft(
    rows: Sequence[Mapping[str, Any]],
    start: Path,
    out: Path,
    p: Parameters,
    load_image: Callable[[str], Image.Image],
    scratch: Path,
) -> Trained:
    """Train the policy in folder `start` on `rows` (`trainers.dataset.lessons`) and write it to folder `out`.

    A training that was killed goes on from its newest checkpoint in `scratch`, to the same weights.
    Raises `trainers.images_matter.PicturesIgnored` before the first step when the pictures make no difference, and
    `ValueError` naming the trace of a row that cannot be encoded or replayed.
    """
    import torch
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from pipelines.workers.encoding import Encoder

    if p.batch % p.parts:
        raise ValueError(f"a batch of {p.batch} cannot be cut into {p.parts} equal parts")
    if len(rows) < 2:
        raise NothingToLearn(f"{len(rows)} rows to learn from; two are needed to tell whether pictures matter")
    model, processor = load(start)
    encoder = Encoder(processor, Album(load_image, rows), remembered_bytes=2**30)
    encoded = []
    for row in rows:
        try:
            encoded.append(encoder.encode(taught(row, p.style, p.wrong), opened=False))
        except ValueError as error:
            raise ValueError(f"trace {row['trace_id']} of sample {row['sample_id']}: {error}") from error

    def collate(items: Sequence[Mapping[str, int]]) -> dict[str, torch.Tensor]:
        chosen = [encoded[item["row"]] for item in items]
        inputs = encoder.collate(chosen, left=False)
        labels = torch.full_like(inputs["input_ids"], -100)
        for index, each in enumerate(chosen):
            labels[index, : len(each.ids)] = torch.tensor(each.labels)
        return inputs | {"labels": labels}

    on_gpu = torch.cuda.is_available()
    arguments = SFTConfig(
        output_dir=str(scratch),
        max_steps=p.steps,
        per_device_train_batch_size=p.batch // p.parts,
        gradient_accumulation_steps=p.parts,
        learning_rate=p.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(p.warmup * p.steps),
        weight_decay=p.weight_decay,
        train_sampling_strategy="sequential",
        seed=p.seed,
        data_seed=p.seed,
        use_cpu=not on_gpu,
        bf16=on_gpu,
        gradient_checkpointing=on_gpu,
        max_length=None,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        logging_steps=1,
        save_strategy="steps",
        save_steps=p.save_every,
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
    )
    order = batches([len(each.ids) for each in encoded], p)
    dataset = Dataset.from_dict({"row": [row for batch in order for row in batch]})
    trainer = SFTTrainer(
        model, args=arguments, train_dataset=dataset, data_collator=collate, processing_class=processor
    )
    narrate(trainer, "sft")

    def spoken(inputs: Mapping[str, Any]) -> torch.Tensor:
        """Log-probabilities of the taught tokens, by the forward pass that the loss is made of."""
        trainer.model.eval()
        with torch.no_grad(), trainer.compute_loss_context_manager():
            found = trainer.model(**trainer._prepare_inputs(dict(inputs)), use_cache=False, fused_lm_head=True)
        values: torch.Tensor = found.log_probs[inputs["labels"][:, 1:] != -100]
        return values

    effect = image_effect(spoken, collate([{"row": row} for row in sorted(set(order[0]))[:CHECKED]]))
    trainer.train(resume_from_checkpoint=newest_checkpoint(scratch))
    weights = save(trainer.model, start, out)
    curve = curve_of(trainer.state.log_history, ("mean_token_accuracy",))
    return Trained(out, weights, p.steps, len(rows), curve, effect.as_json())


def batches(lengths: Sequence[int], p: Parameters) -> list[list[int]]:
    """Which rows each step sees: epoch after epoch, each in its order; within a batch the longest come first."""
    draw = random.Random(f"sft:{p.seed}")
    rows: list[int] = []
    while len(rows) < p.steps * p.batch:
        epoch = list(range(len(lengths)))
        if p.order == "shuffled":
            draw.shuffle(epoch)
        rows += epoch
    cut = [rows[step * p.batch : (step + 1) * p.batch] for step in range(p.steps)]
    return [sorted(batch, key=lambda row: -lengths[row]) for batch in cut]


def run(
    tables: Mapping[str, pa.Table], p: Parameters, ctx: Context, base: Path | None = None
) -> Iterator[tuple[str, Outcome]]:
    """One arm in, one policy out."""
    start, name = parent(tables, ctx, base, p.base)
    out = ctx.paths.artifact / POLICY
    if p.steps:
        trained = train_sft(lessons(tables, p.arm), start, out, p, ctx.image, ctx.paths.scratch / "trl")
    else:
        trained = Trained(out, save(load(start)[0], start, out), steps=0, rows=0, curve=(), image_effect={})
    yield p.arm, Keep(policy_row(ctx, trained, trainer="sft", arm=p.arm, start=name))


def stage(base: Path | None = None) -> Stage:
    """The stage, started from the transformers folder `base` (named by parameter `base`) or from an upstream policy."""
    return train_stage("sft", VERSION, Parameters, run, base)


STAGE = stage()
