"""What ingest would make of a source, found by doing it for the first records and writing nothing."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

from PIL import Image

from pipelines import ingest
from pipelines.sources import CONVENTIONS, FORMATS, Source, SourceError, list_records, open_source
from schemas.ids import picture_id
from schemas.outcome import Drop, Expansion, Fail, Keep, Outcome

EXAMPLES = 5
TAKEN = {"license": "licence", "domain": "domain", "source": "origin of the pictures"}


class _Nothing:
    """A context that keeps the ids of pictures and nothing else."""

    def __init__(self) -> None:
        self.pictures: set[str] = set()

    def store(self, image: Image.Image, **_: Any) -> dict[str, str]:
        """The id that the picture would have."""
        found = picture_id(image)
        self.pictures.add(found)
        return {"image_id": found}


def preview(source: Source, rows: int) -> dict[str, Any]:
    """Format, convention, columns and what each becomes, first examples, and what would be refused and why.

    `rows` records are read whole, pictures included. Raises `pipelines.sources.SourceError`.
    """
    opened = open_source(source)
    convention = CONVENTIONS[opened.convention]
    context, refused, first = _Nothing(), Counter[str](), dict[str, str]()
    counts = Counter({"records": 0, "questions": 0, "captions": 0, "refused": 0})
    examples: list[dict[str, Any]] = []
    parameters = ingest.Parameters(sources=(source,))
    listed = list_records(source, opened)
    for record in islice(listed, rows):
        counts["records"] += 1
        try:
            outcome = ingest.run(record, parameters, context)  # type: ignore[arg-type]  # it stores pictures, no more
        except Exception as error:  # as the engine does: one bad row costs only itself
            outcome = Fail(f"exception:{type(error).__name__}", f"{record['file']}, row {record['row']}: {error}")
        problems: list[Outcome] = [] if isinstance(outcome, Expansion) else [outcome]
        if isinstance(outcome, Expansion):
            kept = [child.outcome.row for child in outcome.children if isinstance(child.outcome, Keep)]
            problems = [child.outcome for child in outcome.children if not isinstance(child.outcome, Keep)]
            captions = outcome.also.get("captions", ())
            counts["questions"] += len(kept)
            counts["captions"] += len(captions)
            said = [(row["question"], row["answer"], row["answer_type"]) for row in kept]
            said += [("", row["text"], "caption") for row in captions]
            where = f"{record['file']}, row {record['row']}"
            examples += [{"row": where, "question": ask, "says": text, "type": kind} for ask, text, kind in said]
            del examples[EXAMPLES:]
        for problem in problems:
            counts["refused"] += 1
            kind = problem.reason if isinstance(problem, Drop) else getattr(problem, "kind", "")
            refused[kind] += 1
            first.setdefault(kind, getattr(problem, "message", f"{record['file']}, row {record['row']}"))
    if not counts["records"]:
        raise SourceError(f"{source.path}: {opened.files[0]} holds no rows")
    return {
        "format": opened.format,
        "format_says": FORMATS[opened.format].says,
        "convention": opened.convention,
        "convention_says": convention.says,
        "files": list(opened.files),
        "columns": _columns(source, dict(opened.columns), dict(convention.uses)),
        "examples": examples,
        "counts": {**counts, "pictures": len(context.pictures)},
        "more": next(listed, None) is not None,
        "refused": [{"why": kind, "rows": number, "first": first[kind]} for kind, number in refused.most_common()],
        "warnings": list(opened.warnings),
    }


def _columns(source: Source, columns: dict[str, str], uses: dict[str, str]) -> list[dict[str, str]]:
    """Each column, what it holds, and what becomes of it."""
    mapped = {theirs: ours for ours, theirs in source.columns.items()}
    found = []
    for name, kind in columns.items():
        if kind == "picture":
            becomes = "picture"
        elif name in mapped:
            becomes = f"{(uses | TAKEN).get(mapped[name], 'nothing')} (as {mapped[name]})"
        else:
            becomes = (uses | TAKEN).get(name, "nothing")
        found.append({"column": name, "holds": kind, "becomes": becomes})
    return found
