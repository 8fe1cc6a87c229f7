"""Where cards are put: in the lake when a run completes, and beside the files of an export."""

from __future__ import annotations

from pathlib import Path

from flows.cards import croissant, dataset, model, plots
from flows.cards.given import Given, NotAnExport
from flows.report.source import Source, open_run
from pipelines.export.write import ABOUT
from pipelines.lake import Lake, files
from pipelines.lake.runs import Run


def card_path(lake: Lake, recipe: str) -> Path:
    """Where the newest complete run of a recipe leaves its dataset card."""
    return lake.root / "cards" / f"{recipe}.md"


def write_cards(lake: Lake, run: Run) -> Path:
    """Write `cards/<recipe>.md`, and into the folder beside it the plots and a card of each policy; returns the path.

    The dataset card comes last: where it stands, all of them do.
    """
    path = card_path(lake, run.recipe)
    beside = path.with_suffix("")
    with open_run(lake, run.run_id) as source:
        for node in model.trained(source):
            beside.mkdir(parents=True, exist_ok=True)
            files.replace(beside / f"{node.replace('/', '-')}.md", model.render(source, node).encode())
        files.replace(path, _dataset(source, beside, path.parent).encode())
    return path


def write_beside(source: Source, given: Given) -> list[Path]:
    """Write README.md, its plots (hidden, so that no loader takes them for data) and croissant.json into an export.

    Raises `NotAnExport` for an export of another run.
    """
    if given.run_id != source.run.run_id:
        raise NotAnExport(
            f"{given.folder} was exported from run {given.run_id}, and the card is of {source.run.run_id}"
        )
    readme = given.folder / "README.md"
    readme.write_text(_dataset(source, given.folder / ABOUT, given.folder, given), encoding="utf-8")
    return [readme, croissant.write(source, given)]


def write_to(source: Source, out: Path) -> Path:
    """Write the dataset card as a file of this name, its plots in a folder beside it; returns the path."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(_dataset(source, out.with_suffix(""), out.parent), encoding="utf-8")
    return out


def _dataset(source: Source, pictures: Path, root: Path, given: Given | None = None) -> str:
    painted = plots.paint(source, pictures, given.arm if given else "curated")
    folder = pictures.relative_to(root).as_posix()
    return dataset.render(source, given, {f"{folder}/{name}": title for name, title in painted.items()})
