"""The dataset card: what is in the set, how each row was verified, what was left out, and how to make it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flows.cards.counts import tallies
from flows.cards.given import Given
from flows.cards.markdown import as_yaml, fill, portable
from flows.report.measures import comparisons, rounds
from flows.report.source import Source
from flows.results import verdict
from schemas.ids import Json

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))

HUB_LICENCES = frozenset(
    "apache-2.0 bsd-2-clause bsd-3-clause cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0"
    " cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-sa-4.0 cc-by-nc-nd-4.0 cc-by-nd-4.0 gpl-3.0 isc mit odbl odc-by"
    " pddl unlicense".split()
)
"""Names that the Hub knows; another licence is `other`, and told in words."""


def render(source: Source, given: Given | None = None, plots: Mapping[str, str] | None = None) -> str:
    """Markdown with a YAML head. `given`: the export whose files the head names. `plots`: title by the path from the
    card to a picture. No clock in it: equal runs, equal cards.
    """
    counted = tallies(source, given.arm if given else "curated")
    return fill(
        "dataset.md.jinja",
        head=as_yaml(head(source, counted, given)),
        run=source.run,
        recipe=source.run.settings,
        recipe_yaml=as_yaml(portable(source.run.settings)),
        given=given,
        plots=plots or {},
        tallies=counted,
        verdicts={number: verdict(comparisons(source, number)) for number in rounds(source)},
        policy=_policy(source),
        unpinned=unpinned(source),
        limits=limits(source, counted),
    )


def head(source: Source, counted: Mapping[str, list[dict[str, Any]]], given: Given | None) -> dict[str, Any]:
    """The metadata that the Hub reads."""
    total = sum(given.splits.values()) if given else sum(row["rows"] for row in counted["sources"])
    ingested = any(row["task"] == "ingested" for row in counted["samples"])
    made = {
        "pretty_name": source.run.recipe,
        **({} if ingested else {"language": ["en"]}),
        **licence(counted["licenses"], given.told["licenses"] if given else ()),
        "task_categories": ["image-text-to-text", "visual-question-answering"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["found", "machine-generated"] if ingested else ["machine-generated"],
        "source_datasets": ["extended", "original"] if ingested else ["original"],
        "size_categories": [next((name for limit, name in SIZES if total < limit), "n>1M")],
        "tags": ["image", "text", "reasoning", "evolens", *(["mlcroissant"] if given else [])],
    }
    if given is None:
        return made
    files = [{"split": split, "path": given.pattern(split)} for split in given.splits]
    made["configs"] = [{"config_name": "default", "default": True, "data_files": files}]
    features = given.features()
    if features is not None:
        splits = [{"name": split, "num_examples": rows} for split, rows in given.splits.items()]
        made["dataset_info"] = {"features": features._to_yaml_list(), "splits": splits}
    return made


def licence(rows: list[dict[str, Any]], texts: Iterable[str]) -> dict[str, Any]:
    """The licences of pictures and texts, as the Hub writes them."""
    names = sorted({str(row["license"]) for row in rows} | set(texts))
    if names and all(name.lower() in HUB_LICENCES for name in names):
        known = sorted({name.lower() for name in names})
        return {"license": known[0] if len(known) == 1 else known}
    return {"license": "other", "license_name": "as-each-row-says", "license_details": ", ".join(names)}


def unpinned(source: Source) -> list[str]:
    """Stages that asked a model whose weights are not named."""
    return sorted(name for name, manifest in source.manifests.items() if not manifest.pinned)


def limits(source: Source, counted: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """What the run's own figures say against the set."""

    def total(name: str) -> int:
        return sum(row["rows"] for row in counted[name])

    rows, found = total("sources"), []
    unchecked = sum(row["rows"] for row in counted["verified"] if row["how"].startswith("as its source"))
    untraced = sum(row["rows"] for row in counted["verified"] if not row["how"].startswith("its trace"))
    if unchecked:
        found.append(f"{unchecked} of {rows} answers are as their source gave them; nobody checked them.")
    if untraced:
        found.append(f"{untraced} of {rows} rows have no proven trace: they teach or ask for the bare answer.")
    unsolved = sum(row["unsolved"] for row in counted["difficulty"])
    if unsolved:
        measured = sum(row["samples"] for row in counted["difficulty"])
        found.append(f"{unsolved} of {measured} measured samples were never solved by the policy's search.")
    if suspect := sum(row["suspect"] for row in counted["difficulty"]):
        found.append(f"{suspect} labels have evidence against them; column `suspicion` says which.")
    if blind := sum(row["blind_solvable"] for row in counted["difficulty"]):
        found.append(f"{blind} questions are answered without their picture; column `blind_solvable` says which.")
    if failed := total("failures"):
        found.append(f"{failed} rows failed and are not in the set; they are listed under accidents.")
    gained = [row for row in counted["comparisons"] if (row["before"], row["after"]) == ("control_grpo", "grpo")]
    if gained and not any(row["difference"] > 0 and row["p_holm"] <= 0.05 for row in gained):
        found.append(f"The chosen rows beat their random control on none of {len(gained)} banks.")
    if names := unpinned(source):
        found.append(f"The models asked by {', '.join(names)} are not pinned: the run cannot be repeated exactly.")
    return found


def _policy(source: Source) -> dict[str, Json]:
    """The identity of the model that the first round asked."""
    asked = (manifest.worker for name, manifest in source.manifests.items() if name.endswith("/evaluate_base"))
    found = next(asked, None)
    return found if isinstance(found, dict) else {}
