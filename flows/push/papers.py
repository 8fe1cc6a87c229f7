"""What stands beside the files of a push: the card, and for a dataset its Croissant description."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from pipelines.lake import Lake
from pipelines.lake.runs import Run, RunNode

if TYPE_CHECKING:
    from pipelines.export.write import Exported


def of_dataset(lake: Lake, run: Run, repo: str, told: Exported, folder: Path) -> dict[str, bytes]:
    """Name → bytes of what describes an exported folder."""
    licenses = sorted(told.licenses)
    head: dict[str, object] = {
        "pretty_name": run.recipe,
        "license": licenses[0] if len(licenses) == 1 else "other",
        "tags": ["evolens"],
    }
    return {"README.md": _card(head, run)}


def of_model(lake: Lake, run: Run, repo: str, node: RunNode) -> dict[str, bytes]:
    """Name → bytes of what describes a trained policy."""
    return {"README.md": _card({"pipeline_tag": "image-text-to-text", "tags": ["evolens"]}, run)}


def _card(head: dict[str, object], run: Run) -> bytes:
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n# {run.recipe}\n\nRun `{run.run_id}`.\n".encode()
