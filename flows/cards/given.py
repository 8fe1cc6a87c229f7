"""An export as its card tells of it: splits, files, and where loaders find them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.export.write import ABOUT

PATTERNS = (
    "data/{split}-*.parquet",
    "{split}/**",
    "{split}-*.tar",
    "{split}.jsonl",
    "{split}.json",
    "{split}.csv",
    "{split}.tsv",
)
"""Where the formats of `pipelines.export` put a split."""

OURS = ("README.md", "croissant.json")
"""What cards add to an export."""


class NotAnExport(ValueError):
    """The folder is not one that `evolens export` wrote."""


@dataclass(frozen=True)
class Given:
    """An export folder; `told` is its `export.json`."""

    folder: Path
    told: dict[str, Any]

    @property
    def splits(self) -> dict[str, int]:
        """Rows by split."""
        return dict(self.told["exported"])

    @property
    def arm(self) -> str:
        """The arm of its curated rows."""
        return str(self.told["arm"] or "curated")

    @property
    def run_id(self) -> str:
        return str(self.told["run_id"])

    def pattern(self, split: str) -> str:
        """The files of a split, as loaders are told."""
        known = (pattern.format(split=split) for pattern in PATTERNS)
        return next(pattern for pattern in known if any(self.folder.glob(pattern)))

    def files(self) -> dict[str, Path]:
        """Every file that is given away, by its path in the export, sorted; cards and hidden files are none."""
        found = {path.relative_to(self.folder).as_posix(): path for path in sorted(self.folder.rglob("*"))}
        return {name: path for name, path in found.items() if path.is_file() and name[0] != "." and name not in OURS}

    def features(self) -> Any:
        """`datasets.Features` of a Parquet export; None for another."""
        import pyarrow.parquet as pq
        from datasets import Features

        first = next(iter(self.folder.glob("data/*.parquet")), None)
        return None if first is None else Features.from_arrow_schema(pq.read_schema(first))


def open_export(folder: Path) -> Given:
    """Raises `NotAnExport` for a folder without `.evolens/export.json`."""
    try:
        return Given(folder, json.loads((folder / ABOUT / "export.json").read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise NotAnExport(f"{folder} is no export; `evolens export FORMAT {folder}` makes one") from error


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
