"""The queue as one HTML page that needs nothing else, or as a CSV beside a folder of pictures."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from flows.review.shown import Sheet
from pipelines.lake import files
from pipelines.lake.images import encode
from schemas.ids import digest

TEMPLATES = Path(__file__).parent / "templates"

ASKED = ("queue", "run_id", "sample_id", "shown_id", "pictures", "question", "options", "answer", "steps")
"""What a CSV tells; the columns that a person fills follow."""

FILLED = ("label", "shown", "note", "reviewer")


def write_page(out: Path, run_id: str, sheets: Sequence[Sheet]) -> Path:
    """One page: a row at a time, answered by keys. It keeps answers in the browser and hands them over as a file."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    name = digest("".join(f"{s.asked.queue}{s.asked.sample_id}{s.asked.shown_id}" for s in sheets).encode())[:12]
    page = environment.get_template("page.html.jinja").render(
        run_id=run_id, name=name, sheets=sheets, style=_own("style.css"), script=_own("script.js")
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    files.replace(out, page.encode())
    return out


def write_csv(out: Path, run_id: str, sheets: Sequence[Sheet]) -> Path:
    """One line a row, and its pictures in the folder `<name>-pictures` beside it."""
    folder = out.parent / f"{out.stem}-pictures"
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*ASKED, *FILLED])
    for sheet in sheets:
        sample, names = sheet.sample, []
        for number, image in enumerate(sheet.images, 1):
            path = folder / f"{sample['sample_id'][:12]}-{number}.png"
            path.write_bytes(encode(image))
            names.append(f"{folder.name}/{path.name}")
        said = [line for frame in sheet.frames for line in (frame.thought, frame.call, frame.answer) if line]
        writer.writerow(
            [
                sheet.asked.queue,
                run_id,
                sample["sample_id"],
                sheet.asked.shown_id or "",
                " ".join(names),
                sample["question"],
                " | ".join(sample["options"] or ()),
                sample["answer"],
                sheet.reply or "\n".join(said),
                *("" for _ in FILLED),
            ]
        )
    files.replace(out, text.getvalue().encode())
    return out


def _own(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file
