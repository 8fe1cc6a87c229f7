"""Do pictures matter? A check that runs before every training, on the very inputs that are trained on.

Why: trainers and processors have dropped pictures silently (a template that skips tool turns, a truncation, a
mismatch that is "repaired" by training without pixels), and the loss still falls. So the pictures of one batch are
exchanged, nothing else is touched, and the log-probabilities of what the model is to say must change by more than float
noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from schemas.ids import Json

if TYPE_CHECKING:
    import torch

NOISE = {"float32": 1e-5, "bfloat16": 2e-2, "float16": 2e-3}
"""How far a log-probability (nats) may move by rounding alone, by the precision that the model computes in."""


class PicturesIgnored(RuntimeError):
    """What the model is to say does not depend on the pictures: the training would teach it to guess."""


class AllAlike(ValueError):
    """A batch that shows one picture only: there is nothing to exchange."""


@dataclass(frozen=True)
class ImageEffect:
    """What exchanging pictures did to the log-probabilities of the trained tokens, in nats.

    `exchanged` of `pictures` pictures were put in another's place; `change` is the largest change of a token and `mean`
    the mean absolute one; `noise` is what rounding may explain.
    """

    pictures: int
    exchanged: int
    change: float
    mean: float
    noise: float

    def as_json(self) -> dict[str, Json]:
        """For column `image_effect` of table `policies`."""
        return {name: float(f"{value:.6g}") for name, value in asdict(self).items()}


def exchange(pixel_values: torch.Tensor, image_grid_thw: torch.Tensor) -> tuple[torch.Tensor, int]:
    """The same pictures in other places, and how many gave way to another.

    `pixel_values` is [patches of all pictures, ...] and `image_grid_thw` [pictures, 3], as Qwen's processors make them.
    Each picture gives way to the next that shows something else, if possible of its own size (another's patches are
    repeated or cut to fit), so tokens and positions stay as they are and a GRPO group does not merely swap copies.
    """
    import torch

    blocks = list(torch.split(pixel_values, image_grid_thw.prod(dim=-1).tolist()))
    grids = [tuple(grid) for grid in image_grid_thw.tolist()]
    moved = 0
    places = list(blocks)
    for index, block in enumerate(blocks):
        order = [other % len(blocks) for other in range(index + 1, index + len(blocks))]
        for other in sorted(order, key=lambda other: grids[other] != grids[index]):
            fitted = blocks[other][torch.arange(len(block), device=block.device) % len(blocks[other])]
            if not torch.equal(fitted, block):
                places[index] = fitted
                moved += 1
                break
    return torch.cat(places), moved


def image_effect(measure: Callable[[Mapping[str, Any]], torch.Tensor], inputs: Mapping[str, Any]) -> ImageEffect:
    """Measure one batch with its pictures in place and exchanged; `measure` gives log-probabilities of trained tokens.

    Raises `PicturesIgnored` when the batch has lost its pictures or they make no difference beyond rounding, and
    `AllAlike` when all pictures are the same, so that nothing can be said.
    """
    pixels, grid = inputs.get("pixel_values"), inputs.get("image_grid_thw")
    if pixels is None or grid is None or not len(grid):
        raise PicturesIgnored("the batch reached the model without any picture")
    exchanged, moved = exchange(pixels, grid)
    if not moved:
        raise AllAlike("all pictures are alike, so whether they matter cannot be seen: train on more than one")
    before, again = measure(inputs), measure(inputs)
    after = measure({**inputs, "pixel_values": exchanged})
    rounding = NOISE.get(str(before.dtype).removeprefix("torch."), NOISE["bfloat16"])
    noise = max(rounding, 10 * float((again - before).abs().max()))
    gap = (after - before).abs()
    effect = ImageEffect(len(grid), moved, float(gap.max()), float(gap.mean()), noise)
    if effect.change <= noise:
        raise PicturesIgnored(
            f"exchanging {moved} of {len(grid)} pictures changes no log-probability by more than {effect.change:.1e}"
            f" (rounding explains {noise:.1e}): the model does not see its pictures"
        )
    return effect
