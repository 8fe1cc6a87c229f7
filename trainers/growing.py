"""What growing a small model of our own shares, whichever it is: what decays, and how its curve is written."""

from __future__ import annotations

import json
from typing import Any

import torch


def groups(network: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay, gains and biases do not."""
    weights = list(network.parameters())
    return [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]


def lines(rows: list[dict[str, Any]]) -> str:
    """JSON with a row in each line, which diffs well."""
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"
