"""Everything else that `datasets` opens: folders of `save_to_disk`, data folders it recognises, and names on the hub.

Rows are read from the Arrow files that `datasets` keeps, so a dataset of any size is never held in memory. Code that
comes with a dataset is never run. A dataset on the hub needs `revision`: a name does not say which state is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.sources.files import FILE_BYTES
from pipelines.sources.pictures import mapped_pictures
from pipelines.sources.record import BadField, Read, Source, SourceError, Unreadable, plain
from pipelines.sources.table import heavy_columns, may_hold_pictures

LISTED = 256


def is_saved(path: Path) -> bool:
    """Whether a folder was written by `save_to_disk`."""
    return any((path / name).is_file() for name in ("state.json", "dataset_dict.json"))


def files(source: Source) -> list[str]:
    """The splits. Raises `SourceError` where `datasets` cannot open the source."""
    return sorted(_splits(source))


def rows(source: Source, file: str) -> Iterator[Read]:
    """The rows of a split, without its pictures."""
    data = _splits(source)[file]
    heavy = heavy_columns(data.features.arrow_schema)
    light = data.remove_columns(heavy) if heavy else data
    names = light.column_names
    for start in range(0, len(data), LISTED):
        end = min(start + LISTED, len(data))
        batch = light[start:end] if names else None
        sound = batch is None or _is_sound(batch)
        for index in range(end - start):
            at = str(start + index)
            try:
                row = batch.slice(index, 1) if batch is not None else None
                fields = {name: value for name in names if (value := plain(_cell(row, name, sound))) is not None}
            except BadField as error:
                yield Read(start + index + 1, at, None, str(error))
            else:
                yield Read(start + index + 1, at, fields, heavy=tuple(heavy))


def load(source: Source, file: str, at: str) -> dict[str, Any]:
    """The pictures of one row. Raises `Unreadable`."""
    data = _splits(source)[file]
    columns = may_hold_pictures(data.features.arrow_schema, mapped_pictures(source.columns))
    index = int(at)
    if index >= len(data):
        raise Unreadable("missing_row", f"split {file} has fewer rows than when it was listed")
    row = data.select_columns(columns)[index : index + 1]
    try:
        return {name: _fetched(_cell(row, name, sound=False), source) for name in columns}
    except BadField as error:
        raise Unreadable("undecodable", str(error)) from error


def _fetched(cell: Any, source: Source) -> Any:
    """A cell with the bytes of a picture that `datasets` left where it found it: in an archive or in its cache.

    Any other place is left to be refused, for a cell may name what it likes.
    """
    if isinstance(cell, list):
        return [_fetched(item, source) for item in cell]
    if not isinstance(cell, dict) or cell.get("bytes") is not None or not isinstance(cell.get("path"), str):
        return cell
    inner, _, target = cell["path"].rpartition("::")
    if not _may_open(target, source) or (inner and not inner.startswith(("zip://", "tar://"))):
        return cell
    from datasets.utils.file_utils import xopen

    try:
        with xopen(cell["path"], "rb") as stream:
            data = stream.read(FILE_BYTES + 1)
    except Exception as error:  # archives and file systems raise what they like
        raise Unreadable("missing_file", f"{cell['path']!a} cannot be opened ({type(error).__name__})") from error
    name = inner.partition("://")[2] if inner else Path(target).name
    return {"bytes": data, "path": name}


def _may_open(target: str, source: Source) -> bool:
    """Whether a file is part of this dataset, or lies in the caches of `datasets` and of the hub."""
    import datasets
    from huggingface_hub import constants

    if not source.path.exists() and target.startswith(f"hf://datasets/{source.path}@"):
        return True
    places = [Path(datasets.config.HF_DATASETS_CACHE), Path(constants.HF_HUB_CACHE)]
    places += [source.base] if source.path.exists() else []
    try:
        found = Path(target).resolve()
        return Path(target).is_absolute() and any(found.is_relative_to(place.resolve()) for place in places)
    except (OSError, RuntimeError, ValueError):
        return False


def _is_sound(table: pa.Table) -> bool:
    """Whether every offset in it leads to where there is something. Arrow itself does not look, and would crash."""
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _check(array: pa.Array) -> None:
    """Raises `pa.ArrowInvalid` where an offset leads astray, in these rows and no others of the same buffers."""
    if pa.types.is_struct(array.type):
        for child in array.flatten():
            _check(child)
    elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        array.validate()
        _check(array.flatten())
    else:
        array.validate(full=True)


def _cell(row: pa.Table | None, name: str, sound: bool) -> Any:
    """One value of a table of one row. Raises `BadField` where it is broken."""
    assert row is not None
    try:
        if not sound:
            for chunk in row.column(name).chunks:
                _check(chunk)
        return row.column(name)[0].as_py()
    except (pa.ArrowInvalid, ValueError) as error:
        raise BadField(f"field {name!a} is damaged: {' '.join(str(error).split())}") from None


def _splits(source: Source) -> dict[str, Any]:
    local = source.path.exists()
    return _opened(str(source.path), local, source.config, source.split, source.revision, source.fingerprint)


@lru_cache(maxsize=4)
def _opened(
    path: str, local: bool, config: str | None, split: str | None, revision: str | None, _content: str
) -> dict[str, Any]:
    import datasets

    if not local and revision is None:
        raise SourceError(f"{path}: a dataset on the hub changes under its name; state `revision`, a commit or a tag")
    try:
        if local and is_saved(Path(path)):
            opened = datasets.load_from_disk(path)
        else:
            opened = datasets.load_dataset(path, config, revision=None if local else revision)
    except Exception as error:  # it raises whatever its readers and the network raise
        said = " ".join(str(error).split())[:300]
        raise SourceError(f"{path}: datasets cannot open it ({type(error).__name__}: {said})") from error
    splits = dict(opened) if isinstance(opened, dict) else {split or "train": opened}
    if split is not None:
        if split not in splits:
            raise SourceError(f"{path}: there is no split {split!r}; there are {', '.join(sorted(splits))}")
        splits = {split: splits[split]}
    return {name: data.with_format("arrow") for name, data in splits.items()}  # as it is stored: nothing is decoded
