"""Group-relative policy optimisation with tools in the loop: a thin configuration of TRL's GRPOTrainer.

Each step draws `generations` rollouts for `prompts` questions, in curated order; a rollout may call the tools of
`trainers.environment`, and its observations carry no loss. Loss: Dr. GRPO (Liu et al. 2025), which divides neither by
length nor by the spread of a group; no reference model. The picture tokens of the vocabulary are never sampled: one of
them in a completion would make TRL train the whole batch without pictures.

Reads `curated`, `samples`, `traces`, and `policies` where it goes on from a trained policy. Writes one row of
`policies`, a row of `rewards` for every reward of every completion of every step, and an artifact with folder `policy`
and TRL's own completion log in `completions`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from pipelines.prompts import conversation
from pipelines.stage import Context, Stage
from pipelines.tools import OFFERED
from pipelines.tools.offer import Offer
from schemas.outcome import Keep, Outcome, Row
from trainers.dataset import NothingToLearn, questions
from trainers.environment import offering
from trainers.images_matter import AllAlike
from trainers.policy import POLICY, Trained, curve_of, load, narrate, parent, policy_row, save
from trainers.rewards import REWARDS
from trainers.training import Taught, train_stage

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL import Image

VERSION = 4

COLUMNS = ("sample_id", "answer", "answer_type", "verifier", "options", "tools_help")
"""What rewards may read of a question."""
CURVE = ("reward", "reward_std", "frac_reward_zero_std", "entropy", "tools/call_frequency", "completions/mean_length")


class Parameters(Taught):
    """How rollouts are drawn, what they are paid for, and how fast the policy moves."""

    steps: int = Field(30, ge=1, description="Optimizer steps.")
    prompts: int = Field(4, ge=2, description="Questions per step.")
    generations: int = Field(8, ge=2, description="Rollouts per question: the group.")
    learning_rate: float = Field(3e-5, gt=0, description="Rate of AdamW, constant after the warm-up.")
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of the steps that warms up.")
    temperature: float = Field(1.0, gt=0)
    max_turns: int = Field(3, ge=1, description="Most turns of the model, tool calls included.")
    max_images: int = Field(4, ge=1, description="Most pictures in one rollout, the sample's own included.")
    tools: Offer = Field(OFFERED, description="The tools that it may call, by name.")
    max_completion: int = Field(
        320, ge=1, description="Most tokens of one rollout after its prompt, observations included."
    )
    rewards: tuple[str, ...] = Field(tuple(REWARDS), min_length=1, description="Names in `trainers.rewards.REWARDS`.")
    order: Literal["shuffled", "curated"] = Field("curated", description="`curated` keeps the order of the selection.")

    @field_validator("rewards")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in REWARDS:
                raise ValueError(f"{name!r} is no reward; there are {', '.join(REWARDS)}")
        return names


def train_grpo(
    rows: Sequence[Mapping[str, Any]],
    start: Path,
    out: Path,
    p: Parameters,
    load_image: Callable[[str], Image.Image],
    scratch: Path,
) -> tuple[Trained, list[Row]]:
    """Train the policy in folder `start` on `rows` (`trainers.dataset.questions`) and write it to folder `out`.

    Returns it with the columns of table `rewards` that TRL knows; its completion log is left in `scratch`/completions.
    Raises `trainers.images_matter.PicturesIgnored` when pictures make no difference or get lost.
    """
    import torch
    from trl import GRPOConfig
    from trl.chat_template_utils import qwen3_template

    from trainers.grpo_trainer import GroupTrainer, logged_rewards

    if len(rows) < p.prompts:
        raise NothingToLearn(f"{len(rows)} questions are fewer than the {p.prompts} of one step")
    shutil.rmtree(scratch, ignore_errors=True)  # a killed run may have left its log there
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    model, processor = load(start)
    environment = offering(p.tools)
    # TRL knows templates by identity; whatever the template, the calls it is to parse are written by pipelines.prompts.
    processor.tokenizer.response_template = qwen3_template
    on_gpu = torch.cuda.is_available()
    arguments = GRPOConfig(
        output_dir=str(scratch),
        max_steps=p.steps,
        per_device_train_batch_size=p.prompts * p.generations,
        num_generations=p.generations,
        learning_rate=p.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=round(p.warmup * p.steps),
        loss_type="dr_grpo",
        scale_rewards="none",
        beta=0.0,
        temperature=p.temperature,
        max_completion_length=p.max_completion,
        max_tool_calling_iterations=p.max_turns - 1,
        generation_kwargs={"suppress_tokens": picture_tokens(processor)},
        shuffle_dataset=p.order == "shuffled",
        seed=p.seed,
        data_seed=p.seed,
        use_cpu=not on_gpu,
        bf16=on_gpu,
        gradient_checkpointing=on_gpu,
        remove_unused_columns=False,
        log_completions=True,
        num_completions_to_print=0,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = GroupTrainer(
        model,
        reward_funcs=[_logging_ids(REWARDS[p.rewards[0]]), *(REWARDS[name] for name in p.rewards[1:])],
        args=arguments,
        train_dataset=dataset(rows, p, load_image),
        processing_class=processor,
        environment_factory=lambda: environment(p.max_images, p.tools),
    )
    narrate(trainer, "grpo")
    trainer.train()
    if trainer.effect is None:
        raise AllAlike("every step asked about one picture only, so whether pictures matter was never seen")
    weights = save(trainer.model, start, out)
    curve = curve_of(trainer.state.log_history, CURVE)
    trained = Trained(out, weights, p.steps, len(rows), curve, trainer.effect.as_json())
    return trained, logged_rewards(scratch / "completions", p.rewards)


def picture_tokens(processor: Any) -> list[int]:
    """Ids of the tokens that stand for pictures and their borders, and must not be said."""
    tokenizer = processor.tokenizer
    names = (
        "<|image_pad|>",
        "<|video_pad|>",
        "<|vision_start|>",
        "<|vision_end|>",
        getattr(processor, "image_token", ""),
    )
    found = {tokenizer.convert_tokens_to_ids(name) for name in names if name}
    return sorted(token for token in found if isinstance(token, int) and token != tokenizer.unk_token_id)


def dataset(rows: Sequence[Mapping[str, Any]], p: Parameters, load_image: Callable[[str], Image.Image]) -> Any:
    """The questions as TRL reads them: `prompt`, `images`, and the columns of rewards."""
    from datasets import Dataset, Features, List, Value
    from datasets import Image as Picture

    text = Value("string")
    features = Features(
        {
            "prompt": List({"role": text, "content": text}),
            "images": List(Picture()),
            **dict.fromkeys(("sample_id", "answer", "answer_type", "verifier"), text),
            "options": List(text),
            "tools_help": Value("bool"),
        }
    )
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    # With plain-text content TRL puts the pictures before the question, as pipelines.prompts does.
    asked = [conversation(row, style=p.style, tools=p.tools) for row in rows]
    prompts = [[{"role": turn.role, "content": turn.text} for turn in turns] for turns in asked]
    images = [[load_image(image_id) for image_id in row["image_ids"]] for row in rows]
    return Dataset.from_dict({"prompt": prompts, "images": images, **columns}, features=features)


def _logging_ids(reward: Callable[..., list[float | None]]) -> Callable[..., list[float | None]]:
    """The reward, which also tells TRL's completion log whose completion is whose."""

    def logging(completions: Any, sample_id: Sequence[str], log_extra: Any, **columns: Any) -> list[float | None]:
        log_extra("sample_id", list(sample_id))
        return reward(completions=completions, sample_id=sample_id, **columns)

    logging.__name__ = reward.__name__
    return logging


def run(
    tables: Mapping[str, pa.Table], p: Parameters, ctx: Context, base: Path | None = None
) -> Iterator[tuple[str, Outcome]]:
    """One arm in, one policy out."""
    start, name = parent(tables, ctx, base, p.base)
    scratch = ctx.paths.scratch / "trl"
    trained, paid = train_grpo(questions(tables, p.arm), start, ctx.paths.artifact / POLICY, p, ctx.image, scratch)
    shutil.copytree(scratch / "completions", ctx.paths.artifact / "completions")
    rewards = [{"policy": ctx.key, "trainer": "grpo", "arm": p.arm, **row} for row in paid]
    yield p.arm, Keep(policy_row(ctx, trained, trainer="grpo", arm=p.arm, start=name), {"rewards": rewards})


def stage(base: Path | None = None) -> Stage:
    """The stage, started from the transformers folder `base` (named by parameter `base`) or from an upstream policy."""
    return train_stage("grpo", VERSION, Parameters, run, base, ("rewards",))


STAGE = stage()
