"""Ingest: real pictures and what people wrote about them become images, samples and captions.

Why: everything after this stage speaks of ids; here each picture is decoded once, turned upright, hashed over its
pixels and packed with its original bytes, and each record is held to what a row must be.

Reads `records` (`pipelines.sources.RECORD`): one row per record of a source. A record may hold

    file_name or an image column        the picture, or an ordered list of pictures
    question, answer [answer_type, options, region, verifier, pair_id]        one question
    questions: [{question, answer, …}, …]                                     or several
    caption (or `text`), captions: [...]                                      what the picture shows
    license, domain, source             inherited by everything that is made from the record

Writes `samples` (one per question), `images`, `captions` (source `human`), `lineage`. A record with only a caption is
expanded to no sample; a record that says nothing is dropped as `nothing_asked`; a record that cannot be read fails with
a line that names file, row and field. Parquet columns of other names are mapped by `columns`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.lake.images import decode
from pipelines.sources import Unreadable, list_records, pixels
from pipelines.stage import Context, Stage
from schemas.answers import BadAnswer
from schemas.ids import content_id
from schemas.outcome import Child, Drop, Expansion, Fail, Keep
from schemas.rows import UNKNOWN_LICENSE, SampleRow, lineage

VERSION = 1

ASKED = ("question", "answer", "answer_type", "options", "region", "verifier", "pair_id")


class Source(BaseModel):
    """One folder or Parquet file of real data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Stands in column `source` of every sample.")
    path: Path = Field(
        exclude=True,  # the fingerprint says what is read; where it lies is no part of the stage key
        description="A folder with metadata.jsonl or Parquet files, or one Parquet file.",
    )
    fingerprint: str = Field(description="`pipelines.sources.fingerprint(path)`: changed files are another stage key.")
    license: str = Field(UNKNOWN_LICENSE, description="Licence of records that state none.")
    limit: int | None = Field(None, ge=1, description="Read only so many records.")
    columns: dict[str, str] = Field({}, description="Our field name → the source's name for it.")


class Parameters(BaseModel):
    """Which sources are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[Source, ...] = Field((), description="Each name once.")


class BadField(ValueError):
    """A field that is not what it must be."""


def records(p: Parameters) -> Iterator[dict[str, Any]]:
    """The input: every record of every source. Raises `pipelines.sources.SourceError`."""
    for source in p.sources:
        yield from list_records(source.name, source.path, source.limit)


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Expansion | Drop | Fail:
    """One record → its questions."""
    where = f"{row['file']}, row {row['row']}"
    if row["error"]:
        return Fail("bad_record", f"{where}: {row['error']}")
    source = next(source for source in p.sources if source.name == row["source"])
    fields = json.loads(row["fields"])
    fields |= {ours: fields[theirs] for ours, theirs in source.columns.items() if theirs in fields}
    try:
        asked, captions = list(_questions(fields)), list(_captions(fields))
        licence = _text_field(fields, "license", source.license)
        domain = _text_field(fields, "domain", "natural")
        origin = _text_field(fields, "source", source.name)
    except BadField as error:
        return Fail("bad_field", f"{where}: {error}")
    if not asked and not captions:
        return Drop("nothing_asked")
    try:
        encoded = pixels(source.path, row)
        pictures = [(name, data, _upright(name, data)) for name, data in encoded]
    except Unreadable as error:
        return Fail(error.kind, f"{where}: {error}")
    images = [
        ctx.store(picture, origin=origin, license=licence, data=data, path=name)["image_id"]
        for name, data, picture in pictures
    ]
    shared = {"image_ids": images, "task": "ingested", "domain": domain, "source": source.name, "license": licence}
    children, seen = [], set()
    for number, question in enumerate(asked):
        child_id = f"{row['record_id']}/{number}"
        try:
            sample = SampleRow(**shared, **question, parents=()).row()
        except ValidationError as error:
            problem = error.errors()[0]
            field = ".".join(map(str, problem["loc"]))
            children.append(Child(child_id, Fail("bad_field", f"{where}: field {field!r}: {problem['msg']}")))
            continue
        except BadAnswer as error:
            children.append(Child(child_id, Fail("bad_field", f"{where}: field 'answer': {error}")))
            continue
        if sample["sample_id"] in seen:
            children.append(Child(child_id, Drop("asked_twice")))
            continue
        seen.add(sample["sample_id"])
        edges = [lineage(sample["sample_id"], image, "asks_about", STAGE.name) for image in images]
        children.append(Child(child_id, Keep(sample, {"lineage": edges})))
    return Expansion(children, {"captions": [_caption(text, images[0], licence, domain) for text in captions]})


def _questions(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    listed = fields.get("questions", [])
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise BadField("field 'questions': a list of objects with `question` and `answer` is needed")
    if fields.get("question") is not None:
        listed = [fields, *listed]
    for number, item in enumerate(listed):
        if item.get("answer") is None:
            place = "answer" if item is fields else f"questions[{number}].answer"
            raise BadField(f"field {place!r} is absent; every question needs its answer")
        asked = {key: item[key] for key in ASKED if item.get(key) is not None}
        yield {"answer_type": answer_type(item["answer"], bool(item.get("options"))), **asked}


def answer_type(answer: Any, has_options: bool) -> str:
    """The type of an answer whose record names none: choice, integer, number, yes_no, list or text."""
    if has_options:
        return "choice"
    if isinstance(answer, bool) or str(answer).strip().lower() in ("yes", "no"):
        return "yes_no"
    if isinstance(answer, list):
        return "list"
    if re.fullmatch(r"[+-]?(\d+|\d{1,3}(,\d{3})+)", str(answer).strip()):
        return "integer"
    return "number" if re.fullmatch(r"[+-]?\d*\.\d+", str(answer).strip()) else "text"


def _captions(fields: dict[str, Any]) -> Iterator[str]:
    listed = fields.get("captions", [])
    if not isinstance(listed, list):
        raise BadField("field 'captions': a list of texts is needed")
    for name, text in [
        ("caption", fields.get("caption")),
        ("text", fields.get("text")),
        *(("captions", t) for t in listed),
    ]:
        if text is None:
            continue
        if not isinstance(text, str) or not text.strip():
            raise BadField(f"field {name!r}: a text with at least one letter is needed, not {text!r}")
        yield text.strip()


def _text_field(fields: dict[str, Any], name: str, default: str) -> str:
    value = fields.get(name) or default
    if not isinstance(value, str):
        raise BadField(f"field {name!r}: a text is needed, not {value!r}")
    return value


def _upright(name: str, data: bytes) -> Image.Image:
    try:
        return decode(data)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unreadable("undecodable", f"{name!r} is no picture that can be read ({type(error).__name__})") from error


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
