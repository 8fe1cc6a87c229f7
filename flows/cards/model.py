"""The model card of a trained policy: what it was trained from and on, with which settings, and how it scored."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from flows.cards.markdown import as_yaml, fill, portable
from flows.report.measures import accuracies, comparisons
from flows.report.source import Source
from flows.results import Comparison

TRAINERS = {"sft": "supervised fine-tuning", "grpo": "reinforcement learning by GRPO"}

DATA = (
    "SELECT s.task, s.source, s.license, count(*) AS rows FROM curated c JOIN samples s USING (sample_id)"
    " WHERE c.round = ? AND c.arm = ? AND c.split = ? GROUP BY ALL ORDER BY ALL"
)


class NoPolicy(LookupError):
    """The run trained no policy of this name."""


def trained(source: Source) -> list[str]:
    """The nodes that trained a policy, such as `r1/sft`, in their order."""
    return [name for name, manifest in source.manifests.items() if manifest.rows("policies")]


def render(source: Source, node: str | None = None) -> str:
    """Markdown with a YAML head, of the policy that `node` trained; by default of the last round's GRPO policy.

    Raises `NoPolicy`.
    """
    known = trained(source)
    node = node or next((name for name in reversed(known) if name.endswith("/grpo")), None)
    if node not in known:
        raise NoPolicy(
            f"{node or 'r1/grpo'}: no policy of run {source.run.run_id}; there are: {', '.join(known) or 'none'}"
        )
    manifest, arm = source.manifests[node], node.partition("/")[2]
    (row,) = source.rows("SELECT * FROM policies WHERE stage_key = ?", manifest.key)
    split = "sft" if row["trainer"] == "sft" else "rl"
    scores = [each for each in accuracies(source) if each["round"] == row["round"]]
    compared = [each for each in comparisons(source, row["round"]) if arm in (each.before, each.after)]
    return fill(
        "model.md.jinja",
        head=as_yaml(head(source, node, row, [each for each in scores if each["arm"] == arm])),
        run=source.run,
        node=node,
        row=row,
        trainer=TRAINERS[row["trainer"]],
        parents=parents(source, row),
        data=source.rows(DATA, row["round"], row["arm"], split),
        settings=as_yaml(portable(manifest.parameters)),
        effect=json.loads(row["image_effect"] or "{}"),
        scores=[{name: each[name] for name in ("bank", "arm", "n", "accuracy", "low", "high")} for each in scores],
        compared=[asdict(each) for each in compared],
        limits=limits(source, row, scores, compared),
        recipe_yaml=as_yaml(portable(source.run.settings)),
    )


def head(source: Source, node: str, row: dict[str, Any], scores: list[dict[str, Any]]) -> dict[str, Any]:
    """The metadata that the Hub reads."""
    base = (source.run.settings.get("policy") or {}).get("model")
    name = f"{source.run.recipe}-{node.replace('/', '-')}"
    results = [
        {
            "task": {"type": "image-text-to-text"},
            "dataset": {"name": f"{each['bank']} (held out, generated)", "type": f"evolens-{each['bank']}"},
            "metrics": [
                {"type": "accuracy", "value": round(each["accuracy"], 4), "name": f"accuracy, n = {each['n']}"}
            ],
        }
        for each in scores
    ]
    return {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        **({"base_model": base} if base and base.count("/") == 1 else {}),
        "tags": ["evolens", "trl", row["trainer"], "visual-reasoning"],
        **({"model-index": [{"name": name, "results": results}]} if results else {}),
    }


def parents(source: Source, row: dict[str, Any]) -> list[dict[str, Any]]:
    """The trainings that led to this policy, the newest first, down to the model that no stage of the run trained."""
    found, current = [], row
    while current:
        found.append({name: current[name] for name in ("policy", "trainer", "arm", "steps", "rows", "parent")})
        above = source.rows("SELECT * FROM policies WHERE policy = ?", current["parent"])
        current = above[0] if above else {}
    return found


def limits(source: Source, row: dict[str, Any], scores: list[dict[str, Any]], compared: list[Comparison]) -> list[str]:
    """What the run's own figures say against the policy."""
    found = []
    if scores:
        least = min(each["n"] for each in scores)
        found.append(f"A bank has {least} questions or more, and no score is surer than its interval says.")
    if row["arm"] == "random":
        found.append("This is the control: its rows were drawn at random, to be compared with those that were chosen.")
    gained = [each for each in compared if (each.before, each.after) == ("control_grpo", "grpo")]
    if gained and not any(each.better for each in gained):
        found.append(f"It beats the policy trained on random rows on none of {len(gained)} banks.")
    whole = [each for each in compared if each.before == "base"]
    if whole and not any(each.better for each in whole):
        found.append(f"It beats the policy that it was trained from on none of {len(whole)} banks.")
    effect = json.loads(row["image_effect"] or "{}")
    if effect and effect.get("change", 0) <= effect.get("noise", 0):
        found.append("Exchanging its pictures changes nothing that it says: it does not look.")
    return found
