"""One export: chosen rows through one format into one folder, whole or not at all.

The folder is written beside its place and swapped in, so a reader never sees half an export and a killed one leaves the
old one as it was. Equal lakes give equal files. `.evolens/export.json` says what is in it and `.evolens/refused.jsonl`
which rows are not, and why: rows chosen = rows exported + rows refused.
"""

from __future__ import annotations

import glob
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipelines.export import FORMATS
from pipelines.export.items import Arm, Selection, Table, Unfit
from pipelines.export.licences import refused, tally
from pipelines.export.preflight import Preflight
from pipelines.export.sinks import put
from pipelines.lake import Lake, files
from pipelines.lake.runs import Run
from pipelines.prompts import Style

ABOUT = ".evolens"
"""Hidden, so that no loader takes it for data."""

DEBRIS = "export"
"""Marks the temporary folders of exports: `.tmp-export-<name>-<process>-<number>`."""


class CannotExport(ValueError):
    """Nothing was written; the message says what would be right."""


@dataclass(frozen=True)
class Exported:
    """What an export holds; as `.evolens/export.json` says it."""

    format: str
    run_id: str
    recipe: str
    table: str
    chosen: int
    exported: dict[str, int]  # by split
    pictures: int  # shown by those rows, repetitions counted
    redrawn: int  # of those: not in their original bytes, because loaders would see other pixels in them
    licenses: dict[str, int]
    refused: dict[str, int]  # by reason
    arm: Arm | None  # of curated rows


@dataclass(frozen=True)
class Choice:
    """What is exported. `split` None is what the format is for, `all` is everything. `arm`: of curated rows,
    the chosen ones or their random control.

    `allow`: reasons (unknown, nc, nd) and names of licences that are let through. `leave_out`: export the rest when the
    licence gate refuses rows, instead of nothing. `preflight`: the transformers folder of the model that is to be
    trained; rows that it could not learn from are refused, longer ones than `max_tokens` among them.
    """

    format: str
    table: Table = "curated"
    split: str | None = None
    style: Style = "plain"
    allow: tuple[str, ...] = ()
    leave_out: bool = False
    force: bool = False
    preflight: Path | None = None
    max_tokens: int | None = None
    arm: Arm = "curated"


def export(
    lake: Lake, run: Run, choice: Choice, out: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Exported:
    """Write `out`. Raises `CannotExport` before anything is written, and what the lake raises for damaged pictures."""
    if choice.format not in FORMATS:
        raise CannotExport(f"{choice.format!r} is no format; there are {', '.join(FORMATS)}")
    form = FORMATS[choice.format]
    if choice.table == "captions" and not form.captions:
        able = ", ".join(name for name, each in FORMATS.items() if each.captions)
        raise CannotExport(f"{choice.format} holds questions, and captions have none; {able} can hold captions")
    if choice.table != "curated" and choice.arm != "curated":
        raise CannotExport(f"arm {choice.arm!r} is one of curated rows, and table {choice.table!r} has none")
    if choice.table == "captions" and choice.preflight:
        raise CannotExport("preflight checks questions, and captions have none")
    for node in run.nodes.values():
        if choice.table != "curated" and node.stage == "screen" and lake.find(node.key) is None:
            raise CannotExport(f"run {run.run_id} has not screened its rows yet; `evolens run` goes on with it")
    _check_place(lake, out, choice.force)
    split = None if choice.table != "curated" or choice.split == "all" else choice.split or form.split
    temp = files.temporary(out, f"{DEBRIS}-{out.name}")
    _sweep(temp.parent, out.name)
    temp.mkdir()
    pairs = choice.style if form.paired else None
    selection = Selection(lake, run, choice.table, split, temp, choice.arm, pairs)
    try:
        licences = selection.licenses()
        _gate(licences, choice, run, split)
        done = _write(selection, choice, temp, sum(count for _, count in licences), progress)
        exported, pictures, redrawn, carried, reasons = done
        told = Exported(
            choice.format,
            run.run_id,
            run.recipe,
            choice.table,
            sum(count for _, count in licences),
            dict(exported),
            pictures,
            redrawn,
            dict(sorted(carried.items())),
            dict(sorted(reasons.items())),
            choice.arm if choice.table == "curated" else None,
        )
        (temp / ABOUT / "export.json").write_text(json.dumps(asdict(told), indent=1) + "\n", encoding="utf-8")
        selection.close()
        _swap(temp, out)
    finally:
        selection.close()
        shutil.rmtree(temp, ignore_errors=True)
    return told


def _write(
    selection: Selection, choice: Choice, folder: Path, total: int, progress: Callable[[int, int], None]
) -> tuple[Counter[str], int, int, Counter[str], Counter[str]]:
    """Every row: exported rows by split, pictures, redrawn ones, exported rows by licence, refused rows by reason."""
    form = FORMATS[choice.format]
    sink = form.sink(folder)
    check = Preflight(choice.preflight, choice.max_tokens) if choice.preflight else None
    exported, carried, reasons = Counter[str](), Counter[str](), Counter[str]()
    pictures = redrawn = 0
    (folder / ABOUT).mkdir()
    with (folder / ABOUT / "refused.jsonl").open("w", encoding="utf-8") as refusals:
        for number, row in enumerate(selection.rows(), start=1):
            progress(number - 1, total)
            why = refused(row["licenses"], choice.allow)
            problem = f"licences {', '.join(row['licenses'])}"
            if not why:
                try:
                    item = selection.item(row, exported[row["split"]], traced=form.traced)
                    if check:
                        taught = item.taught(choice.style, paired=form.paired) if form.traced or form.paired else []
                        item = replace(item, measured=check.measure(item, choice.style, taught))
                    record = form.record(item, choice.style)
                except Unfit as error:
                    why, problem = (error.reason,), str(error)
            if why:
                reasons[why[0]] += 1
                told = {"sample_id": row["sample_id"], "reason": why[0], "message": problem}
                print(json.dumps(told, ensure_ascii=False), file=refusals)
                continue
            if form.files:
                shots = [*item.own, *(item.made.values() if form.traced else ())]
                put(folder / item.split if form.files == "split" else folder, shots)
            sink.write(item.split, record)
            exported[item.split] += 1
            carried[str(row["license"])] += 1
            pictures += len(item.own)
            redrawn += sum(shot.redrawn for shot in item.own)
    sink.close()
    if form.finish:
        form.finish(folder, list(exported))
    return exported, pictures, redrawn, carried, reasons


def _gate(licences: Sequence[tuple[list[str], int]], choice: Choice, run: Run, split: str | None) -> None:
    total = sum(count for _, count in licences)
    if not total:
        which = f"table {choice.table!r}" + (f", split {split!r}," if split else "")
        raise CannotExport(f"no row of {which} is in run {run.run_id} of {run.recipe!r}; name another with --run")
    stopped = tally(licences, choice.allow)
    lost = sum(count for names, count in licences if refused(names, choice.allow))
    if not lost or (choice.leave_out and lost < total):
        return
    counts = ", ".join(f"{count} rows are {reason}" for reason, count in sorted(stopped.items()))
    names = Counter[str]()
    for each, count in licences:
        for name in each:
            if refused([name], choice.allow):
                names[name] += count
    said = ", ".join(f"{name} ({count})" for name, count in names.most_common(5))
    raise CannotExport(
        f"licences of {lost} of {total} rows do not allow an export: {counts}; they say: {said}. "
        "Leave those rows out with --leave-out, or allow a reason or a licence by its name with --allow"
    )


def _check_place(lake: Lake, out: Path, force: bool) -> None:
    place = out.absolute().resolve()
    if lake.root.resolve().is_relative_to(place) or place.is_relative_to(lake.root.resolve()):
        raise CannotExport(f"{out} and the lake lie in one another; export to a folder of its own")
    if not out.exists():
        return
    if not out.is_dir():
        raise CannotExport(f"{out} is a file; an export is a folder")
    if not any(out.iterdir()):
        return
    if not force:
        raise CannotExport(f"{out} is not empty; name another folder, or replace it with --force")
    if not (out / ABOUT).is_dir():
        raise CannotExport(f"{out} holds something that is no export; --force replaces exports alone")


def _sweep(folder: Path, name: str) -> None:
    """Remove what killed exports to the same place left; those of living processes stay."""
    from psutil import pid_exists

    for debris in folder.glob(f".tmp-{DEBRIS}-{glob.escape(name)}-*"):
        pid = debris.name.removeprefix(f".tmp-{DEBRIS}-{name}-").partition("-")[0]
        if pid.isdigit() and not pid_exists(int(pid)):
            shutil.rmtree(debris, ignore_errors=True)


def _swap(temp: Path, out: Path) -> None:
    """Give the finished folder its name; what was there goes away last."""
    if not out.exists():
        temp.rename(out)
        return
    old = files.temporary(out, f"{DEBRIS}-{out.name}")
    out.rename(old)
    temp.rename(out)
    shutil.rmtree(old)
