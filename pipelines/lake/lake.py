"""The lake: a folder that holds everything the factory knows. One object, `Lake`, says where things are.

lake/<table>/key=<stage key>/part-00000.parquet   data
lake/images/pack-<stage key>-00000.parquet        original bytes of pictures
lake/artifacts/key=<stage key>/…                  folders that a stage made: checkpoints
lake/_manifests/<stage key>.json                  the commit of a stage
lake/_work/<stage key>/…                          an unfinished stage: its input, its finished parts
lake/_leases  _runs  _refs  _replays              who works, what ran, the newest complete run, what replays completed
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
from PIL import Image

from pipelines.lake import manifest as manifests
from pipelines.lake import tables
from pipelines.lake.images import PictureStore, pictures
from pipelines.lake.manifest import Manifest
from pipelines.lake.parts import ARTIFACTS, PACKS, Damaged, PartFile, check_hash, check_size, read_parts
from schemas.arrow import TABLES

_CHECKED: set[tuple[Path, str]] = set()
"""Files whose hash this process has compared with their manifest."""


class NotDone(RuntimeError):
    """A stage that should be finished has no manifest."""


@dataclass(frozen=True)
class Lake:
    """A lake at an absolute path. Cheap to make, holds nothing open, may be pickled."""

    root: Path

    def __init__(self, root: str | Path) -> None:
        object.__setattr__(self, "root", Path(root).absolute())

    def find(self, key: str) -> Manifest | None:
        """The manifest of a stage key, or None while the stage is not done."""
        return manifests.load(self.root, key)

    def manifest(self, key: str) -> Manifest:
        """The manifest of a finished stage. Raises `NotDone`."""
        found = self.find(key)
        if found is None:
            raise NotDone(f"stage {key} is not finished: {manifests.path_of(self.root, key)} does not exist")
        return found

    def keys(self) -> list[str]:
        """Keys of all finished stages."""
        return manifests.keys(self.root)

    def resolve(self, key: str) -> str:
        """The key whose manifest completes this one: the newest of its replays, or the key itself."""
        pointer = self.root / "_replays" / f"{key}.json"
        while pointer.exists():
            key = pointer.read_text().strip()
            pointer = self.root / "_replays" / f"{key}.json"
        return key

    def work(self, key: str) -> Path:
        """Where an unfinished stage keeps its input and its receipts."""
        return self.root / "_work" / key

    def artifact(self, key: str) -> Path:
        """The folder that a stage made, once it is finished."""
        return self.root / ARTIFACTS / f"key={key}"

    def parts(self, keys: Sequence[str], table: str) -> list[Path]:
        """Paths of a table's parts in these stages. Sizes are checked, and hashes on a process's first read.

        Raises `NotDone` or `Damaged`.
        """
        found = [part for key in dict.fromkeys(keys) for part in self.manifest(key).files(table)]
        return [self._checked(part) for part in {part.name: part for part in found}.values()]

    def read(self, keys: str | Sequence[str], table: str) -> pa.Table:
        """Rows of a table in finished stages, in key, part and row order, as written: `connect` and `upstream` show a
        row of a content-named table once, this does not. Raises as `parts` does.
        """
        return read_parts(self.parts([keys] if isinstance(keys, str) else keys, table), table)

    def connect(self, keys: Sequence[str], only: Sequence[str] | None = None) -> duckdb.DuckDBPyConnection:
        """An in-memory database with a view of every table (or `only` some) as these stages left it."""
        names = TABLES if only is None else only
        return tables.connect({name: tables.select(name, self.parts(keys, name)) for name in names})

    def upstream(self, keys: Sequence[str]) -> Mapping[str, pa.Table]:
        """Every table of these stages by name, read when asked for; absent ones are empty."""
        return _Upstream(self, tuple(keys))

    def ancestry(self, keys: Sequence[str]) -> list[str]:
        """These keys and all they were made from, sorted."""
        seen: set[str] = set()
        todo = list(keys)
        while todo:
            key = todo.pop()
            found = None if key in seen else self.find(key)
            seen.add(key)
            if found:
                todo += [*found.inputs, *([found.replay_of] if found.replay_of else [])]
        return sorted(seen)

    def verify(self, key: str) -> Manifest:
        """Compare every file of a finished stage with its manifest, sizes and hashes. Raises `Damaged`."""
        found = self.manifest(key)
        for part in found.parts:
            check_hash(self.root, part)
        return found

    def check_sizes(self, found: Manifest) -> Manifest:
        """Raise `Damaged` when a file that the manifest lists is missing or of another size."""
        for part in found.parts:
            check_size(self.root, part)
        return found

    @property
    def pictures(self) -> PictureStore:
        """This process's view of the pictures."""
        return pictures(self.root)

    def image(self, image_id: str) -> Image.Image:
        """RGB pixels of a picture. Raises `images.MissingPicture`."""
        return self.pictures.image(image_id)

    def image_bytes(self, image_id: str) -> bytes:
        """The stored file of a picture. Raises `images.MissingPicture`."""
        return self.pictures.data(image_id)

    def _checked(self, part: PartFile) -> Path:
        if (self.root, part.name) in _CHECKED:
            return check_size(self.root, part)
        path = check_hash(self.root, part)
        _CHECKED.add((self.root, part.name))
        return path


class _Upstream(Mapping[str, pa.Table]):
    def __init__(self, lake: Lake, keys: tuple[str, ...]) -> None:
        self._lake, self._keys = lake, keys
        self._read: dict[str, pa.Table] = {}

    def __getitem__(self, name: str) -> pa.Table:
        if name not in TABLES:
            raise KeyError(name)
        if name not in self._read:
            with self._lake.connect(self._keys, only=[name]) as connection:
                rows: pa.Table = connection.sql(f"SELECT * FROM {name}").to_arrow_table()
                self._read[name] = rows.cast(TABLES[name])
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(TABLES)

    def __len__(self) -> int:
        return len(TABLES)


__all__ = ["PACKS", "Damaged", "Lake", "NotDone"]
