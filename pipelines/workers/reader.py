"""A model and its encoder, reading conversations: every picture goes through the vision tower once, and by itself.

Alone, so that what a row sees depends on its own pictures only, whatever was read before or stands beside it; once,
because k rollouts, every turn of a tool loop and every node of a search look at the same picture, and the tower is
most of a prompt's cost.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch

from pipelines.workers.encoding import Encoded, Encoder

_SEEN = ("pooler_output", "deepstack_features")


class Reader:
    """Turns encoded conversations into model inputs whose pictures are already seen."""

    def __init__(self, model: Any, encoder: Encoder, remembered_bytes: int | None = None) -> None:
        self.model = model.eval()
        self.encoder = encoder
        self.device = str(model.device)
        self._seen: OrderedDict[str, Any] = OrderedDict()
        self._room = room(self.device) if remembered_bytes is None else remembered_bytes

    def see(self, image_id: str) -> Any:
        """The vision tower's output for one picture, as the model's own `get_image_features` returns it."""
        if image_id in self._seen:
            self._seen.move_to_end(image_id)
            return self._seen[image_id]
        tensors = {name: tensor.to(self.device) for name, tensor in self.encoder.picture(image_id).items()}
        with torch.no_grad():
            output = self.model.get_image_features(**tensors, return_dict=True)
        seen = {name: output[name] for name in _SEEN if output.get(name) is not None}
        self._seen[image_id] = output = type(output)(**seen)
        self._room -= _bytes(output)
        while self._room < 0 and len(self._seen) > 1:
            self._room += _bytes(self._seen.popitem(last=False)[1])
        return output

    def inputs(self, rows: Sequence[Encoded], *, left: bool) -> dict[str, Any]:
        """One batch of model inputs, padded left or right, pictures in reading order."""
        # Qwen-VL keeps the last batch's position offsets, and a batch without pictures would inherit them.
        if hasattr(self.model.model, "rope_deltas"):
            self.model.model.rope_deltas = None
        inputs: dict[str, Any] = self.encoder.collate(rows, left=left, pixels=False, device=self.device)
        shown = [self.see(image_id) for row in rows for image_id in row.pictures]
        if shown:
            joined = {name: _join([output[name] for output in shown]) for name in shown[0]}
            inputs["mm_encoder_outputs"] = {"image": type(shown[0])(**joined)}
        return inputs


def room(device: str) -> int:
    """How many bytes of seen pictures are remembered where nobody says.

    A wave comes back to all of its pictures in the same order, so a memory that holds a few less holds none when they
    are needed. A picture of 448 pixels a side takes 6 MB of an 8B model in bf16: a sixteenth of a GPU of 80 GB holds
    800 of them, and a wave shows 64 and what tools made of them.
    """
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(device).total_memory // 16)
    return 256 * 2**20


def _join(parts: Sequence[Any]) -> Any:
    """Outputs of single pictures as the output of all of them: tensors by row, per-picture tuples end to end, layers
    apart.
    """
    if isinstance(parts[0], torch.Tensor):
        return torch.cat(list(parts))
    if isinstance(parts[0][0], torch.Tensor):
        return tuple(tensor for part in parts for tensor in part)
    return [_join(layer) for layer in zip(*parts, strict=True)]


def _bytes(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    return sum(_bytes(item) for item in (value.values() if hasattr(value, "values") else value))
