"""What a run leaves in the Prefect UI: tables, curves as pictures, examples, the report's address, progress.

Tables are always left. Pictures and the report cost seconds, so they are made where `evolens serve` shows them: it
names the folder of the pages, and the address under which it shows that folder, in two environment variables.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from flows.engine import Watch
from flows.plan import Node, Plan
from flows.results import as_rows, comparisons, funnel
from pipelines.lake import files
from pipelines.runner import Progress

if TYPE_CHECKING:
    from flows.report.source import Source

PAGES = "EVOLENS_PAGES"
"""The variable that names the folder for reports; `PAGES_URL` is the address under which people see it."""

PAGES_URL = "EVOLENS_PAGES_URL"

EXAMPLES = 6
COLUMNS = 3
EVERY_S = 2.0


def leave_tables(plan: Plan, nodes: Sequence[Node], number: int) -> None:
    """The funnel of these stages, and the accuracies of a round."""
    name = slug(plan.recipe.name)
    create_table_artifact(table=funnel(plan.lake, nodes), key=f"funnel-{name}", description="Funnel")
    compared = as_rows(comparisons(plan.lake, plan, number))
    if compared:
        create_table_artifact(table=compared, key=f"accuracy-{name}", description="Accuracy per bank")


def leave_pages(plan: Plan, run_id: str) -> None:
    """Curves and examples of a run, and its report, where somebody shows pages; otherwise nothing."""
    if not (folder := os.environ.get(PAGES)):
        return
    from flows.report.page import write_report
    from flows.report.source import open_run

    name = slug(plan.recipe.name)
    with open_run(plan.lake, run_id) as source:
        for kind, specs in (("difficulty", difficulty_specs(source)), ("training", training_specs(source))):
            if specs:
                address = show(picture(specs), Path(folder) / f"{run_id}-{kind}.png")
                create_image_artifact(address, key=f"{kind}-{name}", description=TITLES[kind])
        create_markdown_artifact(examples(source), key=f"examples-{name}", description="Some of the samples")
    page = write_report(plan.lake, Path(folder) / f"{run_id}.html", run_id)
    link = address_of(page) or page.absolute().as_uri()
    create_link_artifact(link, link_text="The report of this run", key=f"report-{name}", description="Report")


def show(png: bytes, path: Path) -> str:
    """The address of a picture: of its file, where somebody shows the folder; else all of it, as a data address."""
    if address := address_of(path):
        files.replace(path, png)
        return address
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def address_of(page: Path) -> str | None:
    """Where people see a file of the folder for pages; None when nobody shows it."""
    shown = os.environ.get(PAGES_URL)
    return f"{shown.rstrip('/')}/{page.name}" if shown else None


TITLES = {
    "difficulty": "Samples by their share of right answers. Blue: chosen for SFT, purple: for GRPO, grey: not chosen",
    "training": "What the trainers logged, step by step",
}


def difficulty_specs(source: Source) -> list[dict[str, Any]]:
    """One histogram per task of the newest round."""
    from flows.report import charts, figures, measures

    newest = max(measures.rounds(source))
    rows = [row for row in source.rows(measures.QUERIES["difficulty"]) if row["round"] == newest]
    named = [task["task"] for task in measures.tasks(rows)][: figures.PANELS]
    return [
        {"title": task, **charts.histogram(figures.bins([row for row in rows if row["task"] == task]))}
        for task in named
    ]


def training_specs(source: Source) -> list[dict[str, Any]]:
    """The rewards of GRPO, the loss of SFT, and what else was logged, of the newest round."""
    from flows.report import charts, figures, measures

    newest = max(measures.rounds(source))
    rows = [row for row in measures.curves(source) if row["round"] == newest]
    specs = []
    for trainer, key, band, zero, title, _ in figures.CURVES:
        mine = [row for row in rows if row["trainer"] == trainer and any(key in step for step in row["steps"])]
        if mine:
            specs.append({"title": title, **charts.curve(mine, key, band, zero)})
    return specs


def picture(specs: Sequence[dict[str, Any]]) -> bytes:
    """Charts side by side as one PNG."""
    import vl_convert

    from flows.report.vega import CONFIG, SCHEMA, VERSION

    whole = {
        "$schema": SCHEMA,
        "config": {**CONFIG, "background": "white", "title": {"anchor": "start", "color": "var(--ink)"}},
        "concat": list(specs),
        "columns": COLUMNS,
        "resolve": {"scale": {"color": "independent", "x": "independent", "y": "independent"}},
    }
    return bytes(vl_convert.vegalite_to_png(coloured(whole), VERSION, scale=1.5, allowed_base_urls=[]))


def coloured(spec: dict[str, Any]) -> dict[str, Any]:
    """The specification with the report's light colours for their names: a PNG has no page to ask."""
    from flows.report.page import TEMPLATES

    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    light = dict(reversed(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]+);", style)))  # the first of a name is the light one
    return dict(json.loads(re.sub(r"var\(--([a-z-]+)\)", lambda name: light[name[1]], json.dumps(spec))))


def examples(source: Source, samples: int = EXAMPLES) -> str:
    """Some samples as Markdown: picture, question, answer, and how often the policy was right.

    No table: the UI draws one without wrapping its cells, or makes its pictures small.
    """
    from flows.report.gallery import gallery

    parts = []
    for item in gallery(source, samples):
        found = item.difficulty or {}
        task, question, answer = (plain(str(item.sample[name])) for name in ("task", "question", "answer"))
        right = "" if found.get("n") is None else f", right in {found['k']} of {found['n']} tries"
        parts.append(f"### {task}{right}")
        if item.thumb:
            parts.append(f"![{task}]({item.thumb.src})")
        parts += [f"**Question:** {question}", f"**Answer:** {answer}"]
    return "\n\n".join(parts)


def plain(text: str) -> str:
    """A text that stays one paragraph of Markdown, with nothing in it that would be taken for markup."""
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, name)
    return re.sub(r"([\\`*_\[\]#|~$])", r"\\\1", " ".join(text.split()))


@contextmanager
def showing_progress(node: Node) -> Iterator[Watch]:
    """Shows how far a stage is as a progress artifact, if it takes longer than two seconds. Use it inside a task."""
    said = time.monotonic()
    made: UUID | None = None

    def watch(state: Progress) -> None:
        nonlocal said, made
        now = time.monotonic()
        if not state.rows or now - said < EVERY_S:
            return
        said, share = now, 100.0 * state.rows_done / state.rows
        if made is None:
            made = cast(UUID, create_progress_artifact(share, f"progress-{slug(node.name)}", node.name))
        else:
            update_progress_artifact(made, share)

    yield watch
    if made is not None:
        update_progress_artifact(made, 100.0)


def slug(name: str) -> str:
    """A name as keys of artifacts are written: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
