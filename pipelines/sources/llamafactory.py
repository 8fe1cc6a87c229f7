"""LLaMA-Factory: a folder with `dataset_info.json`, which names files and says what their columns and tags are called.

Rows come out as one convention, `conversations` of `from` and `value`, for a folder may hold files of both its kinds,
sharegpt and alpaca. `config` names one entry; else all that have a local file are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipelines.sources import delimited, lines, listed, table
from pipelines.sources.record import Read, Source, SourceError
from schemas.recipe import did_you_mean

INFO = "dataset_info.json"

READERS = {".json": listed, ".jsonl": lines, ".csv": delimited, ".tsv": delimited, ".parquet": table}

ALPACA = {"system": "", "prompt": "instruction", "query": "input", "response": "output", "history": ""}
"""What the columns of its alpaca kind are called by default."""

TAGS = {
    "user_tag": ("human", "human"),
    "assistant_tag": ("gpt", "gpt"),
    "observation_tag": ("observation", "observation"),
    "function_tag": ("function_call", "function_call"),
    "system_tag": ("system", "system"),
}
"""What a tag is by default, and what it becomes."""


def is_info(path: Path) -> bool:
    """Whether a folder has a `dataset_info.json` of LLaMA-Factory's kind; `datasets` writes another by this name."""
    try:
        return bool(_entries(path, (path / INFO).stat().st_mtime_ns))
    except OSError:
        return False


def files(source: Source) -> list[str]:
    """The local files that are named, each once. Raises `SourceError` where one is missing."""
    if not source.path.is_dir() or not is_info(source.path):
        return []
    entries = _of(source)
    if source.config is not None:
        if source.config not in entries:
            raise SourceError(
                f"{INFO} has no local entry {source.config!r}{did_you_mean(source.config, list(entries))}"
            )
        entries = {source.config: entries[source.config]}
    named = sorted({str(entry["file_name"]) for entry in entries.values()})
    for name in named:
        path = source.path / name
        if not path.is_file() or not path.resolve().is_relative_to(source.path.resolve()):
            raise SourceError(f"{INFO}: {name!r} is not in the folder; `file_name` is a file beside {INFO}")
        if path.suffix.lower() not in READERS:
            raise SourceError(f"{INFO}: {name!r} is of no kind that is read; known are {', '.join(READERS)}")
    return named


def rows(source: Source, file: str) -> Iterator[Read]:
    """The rows of a file under their usual names."""
    entry = _entry(source, file)
    for read in READERS[Path(file).suffix.lower()].rows(source, file):
        yield read if read.fields is None else read._replace(fields=_usual(read.fields, entry))


def load(source: Source, file: str, at: str) -> dict[str, Any]:
    """A row again, pictures included. Raises `Unreadable`."""
    return _usual(READERS[Path(file).suffix.lower()].load(source, file, at), _entry(source, file))


def _of(source: Source) -> dict[str, dict[str, Any]]:
    return _entries(source.path, (source.path / INFO).stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _entries(folder: Path, _changed: int) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads((folder / INFO).read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return {}
    entries = found.items() if isinstance(found, dict) else ()
    return {
        name: entry for name, entry in entries if isinstance(entry, dict) and isinstance(entry.get("file_name"), str)
    }


def _entry(source: Source, file: str) -> dict[str, Any]:
    entries = _of(source)
    if source.config in entries:
        return entries[source.config]
    return next(entry for entry in entries.values() if entry["file_name"] == file)


def _usual(fields: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    columns, tags = (_mapping(entry, name) for name in ("columns", "tags"))
    fields = {("images" if name == columns.get("images", "images") else name): value for name, value in fields.items()}
    if entry.get("formatting", "alpaca") != "sharegpt":
        return _talk(fields, {key: columns.get(key, usual) for key, usual in ALPACA.items()})
    role, content = tags.get("role_tag", "from"), tags.get("content_tag", "value")
    roles = {tags.get(tag, default): usual for tag, (default, usual) in TAGS.items()}
    turns = fields.pop(columns.get("messages", "conversations"), None)
    fields["conversations"] = turns
    if isinstance(turns, list):
        fields["conversations"] = [
            {"from": roles.get(str(turn.get(role)), turn.get(role)), "value": turn.get(content)}
            if isinstance(turn, dict)
            else turn
            for turn in turns
        ]
    return fields


def _mapping(entry: dict[str, Any], name: str) -> dict[str, Any]:
    found = entry.get(name)
    return found if isinstance(found, dict) else {}


def _talk(fields: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """A row of its alpaca kind as a conversation; `names`: what its columns are called here."""
    said = {key: fields.pop(name, None) for key, name in names.items()}
    history = said["history"] if isinstance(said["history"], list) else []
    pairs = [pair if isinstance(pair, list) and len(pair) == 2 else [pair, None] for pair in history]
    asked = said["prompt"]
    if isinstance(said["query"], str) and said["query"]:
        asked = f"{asked}\n{said['query']}" if asked else said["query"]
    turns = [{"from": who, "value": text} for pair in pairs for who, text in zip(("human", "gpt"), pair, strict=True)]
    turns += [{"from": "human", "value": asked}]
    turns += [{"from": "gpt", "value": said["response"]}] if said["response"] is not None else []
    return {**fields, "conversations": turns}
