"""Ingest: real pictures and what people wrote about them become images, samples and captions.

Why: everything after this stage speaks of ids; here each picture is decoded once, turned upright, hashed over its
pixels and packed with its original bytes, and each record is held to what a row must be.

Reads `records` (`pipelines.sources.RECORD`): one row per record of a source, in whatever format and convention it came
(docs/ingest.md). Writes `samples` (one per question), `images`, `captions` (source `human`), and `lineage` from each
sample to its pictures and to its record. A record with only a caption is expanded to no sample; one that says nothing
is dropped as `nothing_asked`, a text-only row of a mixed dataset as `no_picture`; one that cannot be read fails with a
line that names file, row and field.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines import sources
from pipelines.lake.decode import BadPicture, decode
from pipelines.sources import CONVENTIONS, BadField, Source, Unreadable
from pipelines.sources.conventions.said import Asked, Said, fit, marks_in, without_marks
from pipelines.sources.sound import check_sound
from pipelines.stage import Context, Stage
from schemas.answers import BadAnswer
from schemas.ids import content_id
from schemas.outcome import Child, Drop, Expansion, Fail, Keep, Outcome
from schemas.rows import SampleRow, lineage

VERSION = 4


class Parameters(BaseModel):
    """Which sources are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[Source, ...] = Field((), description="Each name once.")


def records(p: Parameters) -> pa.RecordBatchReader:
    """The input: the chosen records of every source. Raises `pipelines.sources.SourceError`."""
    return sources.records(p.sources)


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Expansion | Drop | Fail:
    """One record → its questions."""
    where = f"{row['file']}, row {row['row']}"
    if row["error"]:
        return Fail("bad_record", f"{where}: {row['error']}")
    source = next(source for source in p.sources if source.name == row["source"])
    try:
        fields = sources.fields_of(row, source)
        said = CONVENTIONS[row["convention"]].read(fields)
        licence = _text_field(fields, "license", source.license)
        domain = _text_field(fields, "domain", "natural")
        origin = _text_field(fields, "source", _text_field(fields, "data_source", source.label))
    except BadField as error:
        return Fail("bad_field", f"{where}: {error}")
    if not said.questions and not said.captions:
        return Drop("nothing_asked")
    if not row["again"] and not row["pictures"] and not said.needs_picture:
        if said.marks:
            return Fail("placeholder_mismatch", f"{where}: {_mismatch(said.marks, 0)}")
        return Drop("no_picture")
    try:
        pictures = [(name, data, _decoded(name, data)) for name, data in sources.pixels(source, row)]
    except Unreadable as error:
        if error.kind == "missing_picture" and not said.needs_picture and not said.marks:
            return Drop("no_picture")  # a text-only row of a table whose other rows fill the column
        return Fail(error.kind, f"{where}: {error}")
    if not pictures:
        return Fail("missing_picture", f"{where}: no field names a picture; `file_name` or `image` is needed")
    if said.marks not in (None, 0, len(pictures)):
        return Fail("placeholder_mismatch", f"{where}: {_mismatch(said.marks or 0, len(pictures))}")
    images = [
        ctx.store(picture, origin=origin, license=licence, data=data, path=name)["image_id"]
        for name, data, picture in pictures
    ]
    shared = {"task": "ingested", "domain": domain, "source": source.name, "license": licence}
    return Expansion(
        _children(row["record_id"], where, said, images, pictures[0][2].size, shared),
        {"captions": [_caption(text, images[0], licence, domain) for text in said.captions]},
    )


def _children(
    record: str, where: str, said: Said, images: list[str], size: tuple[int, int], shared: dict[str, str]
) -> list[Child]:
    """One child per question; a question that repeats another of its record is dropped."""
    children: list[Child] = []
    seen: set[str] = set()
    for number, asked in enumerate(said.questions):
        place = where if len(said.questions) == 1 else f"{where}, question {number + 1}"
        outcome = _sample(asked, images, size, shared, record, place)
        if isinstance(outcome, Keep):
            if outcome.row["sample_id"] in seen:
                outcome = Drop("asked_twice")
            else:
                seen.add(outcome.row["sample_id"])
        children.append(Child(f"{record}/{number}", outcome))
    return children


def _sample(
    asked: Asked, images: list[str], size: tuple[int, int], shared: dict[str, str], record: str, where: str
) -> Outcome:
    fields = dict(asked.fields)
    shown = images if asked.shown is None else images[: asked.shown]
    if not shown:
        return Drop("no_picture")
    if fields.get("answer") is None:
        return Fail("bad_field", f"{where}: field 'answer' is absent; every question needs its answer")
    question = fields.get("question")
    marks = marks_in(question)
    if marks not in (0, len(images)):
        return Fail("placeholder_mismatch", f"{where}: {_mismatch(marks, len(images))}")
    if marks:
        fields["question"] = without_marks(str(question)).strip()
    kind = answer_type(fields["answer"], bool(fields.get("options")))
    try:
        for name in ("question", "answer"):
            fit(name, fields.get(name))
        check_sound(fields, size)
        row = SampleRow(image_ids=tuple(shown), **shared, **{"answer_type": kind, **fields}, parents=()).row()
    except BadField as error:
        return Fail("bad_field", f"{where}: {error}")
    except ValidationError as error:
        problem = error.errors()[0]
        return Fail("bad_field", f"{where}: field {'.'.join(map(str, problem['loc']))!r}: {problem['msg']}")
    except BadAnswer as error:
        return Fail("bad_field", f"{where}: field 'answer': {error}")
    sample = row["sample_id"]
    edges = [lineage(sample, image, "asks_about", STAGE.name) for image in shown]
    return Keep(row, {"lineage": [*edges, lineage(sample, record, "read_from", STAGE.name)]})


def answer_type(answer: Any, has_options: bool) -> str:
    """The type of an answer whose record names none: choice, integer, number, yes_no, list or text."""
    if has_options:
        return "choice"
    if isinstance(answer, list):
        return "list"
    if isinstance(answer, str) and len(answer) > 100:
        return "text"
    text = str(answer).strip()
    if isinstance(answer, bool) or text.lower() in ("yes", "no"):
        return "yes_no"
    if re.fullmatch(r"[+-]?(\d+|\d{1,3}(,\d{3})+)", text):
        return "integer"
    return "number" if re.fullmatch(r"[+-]?\d*\.\d+", text) else "text"


def _mismatch(marks: int, pictures: int) -> str:
    return f"{marks} `<image>` placeholder{'s' * (marks != 1)} for {pictures} picture{'s' * (pictures != 1)};" + (
        " give one for each picture, or none at all"
    )


def _text_field(fields: dict[str, Any], name: str, default: str) -> str:
    value = fields.get(name) or default
    if not isinstance(value, str):
        raise BadField(f"field {name!r}: a text is needed, not {value!r}")
    return value


def _decoded(name: str, data: bytes) -> Image.Image:
    try:
        return decode(data)
    except BadPicture as error:
        raise Unreadable(error.kind, f"{name!r} is no picture that can be read: {error}") from error


def _caption(text: str, image: str, licence: str, domain: str) -> dict[str, Any]:
    return {
        "caption_id": content_id("caption", [image, text]),
        "image_id": image,
        "text": text,
        "clauses": [],
        "source": "human",
        "license": licence,
        "task": "ingested",
        "domain": domain,
    }


STAGE = Stage(
    name="ingest",
    version=VERSION,
    kind="expand",
    parameters=Parameters,
    source=records,
    id_column="record_id",
    table="samples",
    side_tables=("captions",),
    run=run,
)
