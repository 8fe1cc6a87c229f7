"""The data card of a run, written from what the lake holds and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from flows.plan import Node, Plan
from flows.results import as_rows, comparisons, funnel, verdict
from pipelines.lake import files

TEMPLATES = Path(__file__).parent / "templates"

TALLIES = {
    "samples": "SELECT task, dial, count(*) AS samples FROM samples GROUP BY ALL ORDER BY ALL",
    "licenses": "SELECT license, count(*) AS images FROM images GROUP BY ALL ORDER BY ALL",
    "curated": "SELECT arm, split, count(*) AS rows FROM curated GROUP BY ALL ORDER BY ALL",
    "rejects": "SELECT stage, reason, count(*) AS rows FROM rejects GROUP BY ALL ORDER BY ALL",
    "failures": "SELECT stage, kind, count(*) AS rows FROM failures GROUP BY ALL ORDER BY ALL",
    "difficulty": (
        "SELECT task, dial, count(*) AS samples, avg(pass_rate) AS pass_rate,"
        " count(*) FILTER (WHERE iterations IS NULL) AS unsolved"
        " FROM difficulty JOIN samples USING (sample_id) GROUP BY ALL ORDER BY ALL"
    ),
    "tokens": "SELECT stage, sum(prompt_tokens) AS prompt, sum(completion_tokens) AS completion FROM cost"
    " GROUP BY ALL HAVING sum(requests) > 0 ORDER BY ALL",
}
"""What the card counts, as SQL over the tables of the run."""


def tally(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """The rows of `TALLIES` over a plan's finished stages, by name."""
    lake, found = plan.lake, {}
    with lake.connect([lake.resolve(node.key) for node in _done(plan)]) as connection:
        for name, sql in TALLIES.items():
            result = connection.execute(sql)
            columns = [column[0] for column in result.description or ()]
            found[name] = [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
    return found


def tables(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Everything that the card shows as a table, for programs."""
    numbers = range(1, plan.recipe.rounds + 1)
    compared = [row for number in numbers for row in as_rows(comparisons(plan.lake, plan, number))]
    return {"funnel": funnel(plan.lake, _done(plan)), **tally(plan), "comparisons": compared}


def render(plan: Plan, run_id: str | None = None) -> str:
    """The card of a plan's finished stages as Markdown with a YAML head. No clock in it: equal runs, equal cards."""
    lake = plan.lake
    done = _done(plan)
    tallies = tally(plan)
    rounds = {number: comparisons(lake, plan, number) for number in range(1, plan.recipe.rounds + 1)}
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  # Markdown, not HTML
    )
    environment.globals["table"] = markdown_table
    return environment.get_template("card.md.jinja").render(
        recipe=plan.recipe,
        head=yaml.safe_dump(_head(plan, tallies), sort_keys=False, allow_unicode=True).strip(),
        run_id=run_id,
        funnel=funnel(lake, done),
        tallies=tallies,
        rounds=rounds,
        verdict=verdict,
        unpinned=sorted({node.name for node in done if not lake.manifest(lake.resolve(node.key)).pinned}),
        policy=plan.nodes["r1/evaluate_base"].call.worker,
        recipe_yaml=yaml.safe_dump(plan.recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True).strip(),
    )


def card_path(plan: Plan) -> Path:
    """Where a run leaves its card."""
    return plan.lake.root / "cards" / f"{plan.recipe.name}.md"


def write_card(plan: Plan, run_id: str) -> Path:
    """Write `cards/<recipe>.md` in the lake; returns its path."""
    path = card_path(plan)
    files.replace(path, render(plan, run_id).encode())
    return path


def markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as a Markdown table, or a dash where there are none."""
    if not rows:
        return "–"
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _done(plan: Plan) -> list[Node]:
    return [node for node in plan.nodes.values() if plan.lake.find(plan.lake.resolve(node.key))]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")


def _head(plan: Plan, tallies: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    licenses = sorted({str(row["license"]) for row in tallies["licenses"]})
    total = sum(row["rows"] for row in tallies["curated"] if row["arm"] == "curated")
    sizes = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    return {
        "pretty_name": plan.recipe.name,
        "license": licenses[0] if len(licenses) == 1 else "other",
        "task_categories": ["image-text-to-text", "visual-question-answering"],
        "annotations_creators": ["machine-generated"],
        "size_categories": [next((name for limit, name in sizes if total < limit), "n>1M")],
        "tags": ["image", "text", "reasoning", "evolens"],
    }
