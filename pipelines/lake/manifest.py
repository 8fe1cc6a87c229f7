"""Manifests: the commit of a stage. A stage is done when its manifest stands, and never before."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.lake import files
from pipelines.lake.parts import PartFile
from schemas.ids import Json
from schemas.outcome import Counts


@dataclass(frozen=True)
class Manifest:
    """What a stage made, and from what.

    `inputs` are the keys of the upstream stages; `worker` is an identity, never a host; `versions` are those of the
    renderers that went into the key; `layout` (part_rows, wave_rows) says how rows were cut, and is not part of the
    key. A replay names the key it completes in `replay_of`, and lists that stage's parts with its own.
    """

    key: str
    stage: str
    version: int
    parameters: Json
    inputs: tuple[str, ...]
    worker: Json
    pinned: bool
    versions: dict[str, str]
    layout: dict[str, int]
    counts: Counts
    parts: tuple[PartFile, ...] = field(repr=False)
    replay_of: str | None = None

    def files(self, table: str) -> list[PartFile]:
        """The files of one table, in part order."""
        return [part for part in self.parts if part.table == table]

    def rows(self, table: str) -> int:
        return sum(part.rows for part in self.files(table))

    def as_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "stage": self.stage,
            "version": self.version,
            "parameters": self.parameters,
            "inputs": list(self.inputs),
            "worker": self.worker,
            "pinned": self.pinned,
            "versions": self.versions,
            "layout": self.layout,
            "counts": self.counts.as_dict(),
            "parts": [part.as_json() for part in self.parts],
            "replay_of": self.replay_of,
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> Manifest:
        return Manifest(
            key=value["key"],
            stage=value["stage"],
            version=value["version"],
            parameters=value["parameters"],
            inputs=tuple(value["inputs"]),
            worker=value["worker"],
            pinned=value["pinned"],
            versions=value["versions"],
            layout=value["layout"],
            counts=Counts(**value["counts"]),
            parts=tuple(PartFile(**part) for part in value["parts"]),
            replay_of=value["replay_of"],
        )


def path_of(root: Path, key: str) -> Path:
    return root / "_manifests" / f"{key}.json"


def load(root: Path, key: str) -> Manifest | None:
    """The manifest of a stage key, or None while the stage is not done."""
    try:
        text = path_of(root, key).read_text()
    except FileNotFoundError:
        return None
    return Manifest.from_json(json.loads(text))


def commit(root: Path, manifest: Manifest) -> Manifest:
    """Make the stage done by one exclusive create; a manifest that already stands wins and is returned."""
    data = (json.dumps(manifest.as_json(), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    if files.create(path_of(root, manifest.key), data, manifest.key):
        return manifest
    standing = load(root, manifest.key)
    assert standing is not None, "manifests are only removed by gc, which spares leased keys"
    return standing


def keys(root: Path) -> list[str]:
    """Keys of all finished stages, sorted."""
    return sorted(path.stem for path in (root / "_manifests").glob("*.json"))
