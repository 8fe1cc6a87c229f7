"""Commands that keep the request cache: cache stats, cache prune."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows import console
from flows.command_run import AsJson

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    group = typer.Typer(help="The request cache: answers of servers, kept on this host.", no_args_is_help=True)
    group.command()(stats)
    group.command()(prune)
    app.add_typer(group, name="cache")


def stats(as_json: AsJson = False) -> None:
    """Say where the cache is, how large, and what it holds of each worker.

    Example: `evolens cache stats --json`
    """
    from pipelines.workers.prune import bytes_on_disk, held

    path = _file()
    with _clear(path):
        found = held(path)
        size = bytes_on_disk(path)
    if as_json:
        console.print_json({"file": str(path), "bytes": size, "workers": [asdict(each) for each in found]})
        return
    answers = sum(each.answers for each in found)
    console.out.print(f"{path}: {answers} answers, {size / 1e6:.1f} MB on disk")
    if found:
        console.table("By worker", [asdict(each) for each in found])


def prune(
    unused: Annotated[str | None, typer.Option(help="Take out what was not used for so long: 30d, 12h, 90m.")] = None,
    max_size: Annotated[str | None, typer.Option(help="Then what was used longest ago, down to 20G, 500M.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take out old answers; those that a run which still lives has used stay.

    Example: `evolens cache prune --unused 30d --max-size 20G`
    """
    from pipelines.workers.prune import prune as take_out

    if unused is None and max_size is None:
        raise ValueError("say what may go: --unused 30d, --max-size 20G, or both")
    seconds = None if unused is None else _amount(unused, _SECONDS, "--unused takes a time such as 30d, 12h or 90m")
    most = None if max_size is None else _amount(max_size, _BYTES, "--max-size takes a size such as 20G or 500M")
    path = _file()
    with _clear(path):
        gone = take_out(path, unused_seconds=seconds, most_bytes=most, dry_run=dry_run)
    if as_json:
        console.print_json({"file": str(path), "dry_run": dry_run, **asdict(gone)})
        return
    spared = f"; {gone.spared} more are spared, because a run that still lives has used them" if gone.spared else ""
    went = "would take out" if dry_run else "took out"
    console.out.print(f"{went} {gone.answers} answers, {gone.bytes / 1e6:.1f} MB{spared}")


def _file() -> Path:
    from pipelines.workers.cache import file_in, folder

    place = folder()
    if place is None:
        raise ValueError("the request cache is off: EVOLENS_CACHE says so")
    return file_in(place)


@contextmanager
def _clear(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise RuntimeError(
            f"{path}: {error}; the next run sets a broken file aside, and removing it costs nothing but answers"
        ) from error


def _amount(text: str, units: dict[str, int], right: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]?)(?:i?b)?", text.strip().lower())
    if found is None or found[2] not in units:
        raise ValueError(f"{right}, not {text!r}")
    return int(float(found[1]) * units[found[2]])
