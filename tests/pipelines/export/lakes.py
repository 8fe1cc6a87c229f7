"""Lakes for export tests: rows whose pictures keep their own bytes, a traced sample, and the run that holds them."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from pydantic import BaseModel

from pipelines.lake import Lake
from pipelines.lake.decode import decode
from pipelines.lake.runs import Run, start_run
from pipelines.prompts import prompt_hash, step
from pipelines.runner import run_stage
from pipelines.stage import Context, Stage, StageCall
from pipelines.tools import picture_id
from pipelines.tools.replay import with_observations
from schemas.arrow import TABLES
from schemas.ids import content_id
from schemas.outcome import Expansion, Row
from schemas.rows import SampleRow, StepRow, TraceRow
from tests.pipelines.jobs import picture

TEXTS = (
    'She said: "two, or three?"',
    "First line\nsecond line\r\nthird",
    "naïve café — 猫は何匹? 👩‍🚀",
    "a\tb, c; 'd' | \\n {x} [y] <b>",
    "e\u0301 stays as it was written",
)


@dataclass(frozen=True)
class Given:
    """A row to be stored. `files` are the bytes of its pictures."""

    files: tuple[bytes, ...]
    sample: Row
    trace: Row | None = None
    split: str | None = None
    license: str = "CC0-1.0"


class Content(BaseModel):
    """The key of given rows is the key of their content."""

    digest: str


def file_bytes(seed: int, kind: str = "JPEG", size: int = 56, **options: Any) -> bytes:
    """A picture file. `turned` is a JPEG that only its EXIF orientation sets upright; `palette` a PNG of 16 colours."""
    image = picture(seed, size)
    buffer = io.BytesIO()
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.resize((size, size // 2)).save(buffer, "JPEG", exif=exif)
    elif kind == "palette":
        image.quantize(16).save(buffer, "PNG")
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


def given(files: tuple[bytes, ...], question: str, answer: Any, **fields: Any) -> Given:
    """A row about these pictures; `split` curates it."""
    split, license_ = fields.pop("split", None), fields.pop("license", "CC0-1.0")
    known = {"answer_type": "text", "task": "ingested", "source": "somewhere", "license": license_}
    ids = tuple(picture_id(decode(data)) for data in files)
    sample = SampleRow(image_ids=ids, question=question, answer=answer, **{**known, **fields}).row()
    return Given(files, sample, None, split, license_)


def traced(split: str = "sft") -> Given:
    """A sample whose proven trace looks closer before it answers."""
    data = file_bytes(77, "PNG")
    row = given((data,), "Which colour is the mark?", "red", split=split)
    steps = [
        step("thought", "The mark is small."),
        step("action", tool="crop", arguments={"bbox_2d": [0, 0, 500, 500], "target_image": 1}),
        step("thought", "Now it can be seen."),
        step("answer", "red"),
    ]
    whole = with_observations([decode(data)], steps)
    trace = TraceRow(
        sample_id=row.sample["sample_id"],
        origin="oracle",
        steps=[StepRow.of(each) for each in whole],
        answer="red",
        producer={},
    )
    return Given(row.files, row.sample, trace.row(), split)


def seeded(seed: int = 0) -> list[Given]:
    """Rows of one to three pictures in several file formats, open and with options, of every simple answer type."""
    draw = random.Random(seed)
    kinds = ("JPEG", "PNG", "turned", "palette")
    rows = [
        given((file_bytes(0),), TEXTS[0], 3, answer_type="integer", split="rl"),
        given((file_bytes(1, "PNG"),), TEXTS[1], 0.25, answer_type="number", split="rl"),
        given((file_bytes(2, "turned"),), TEXTS[2], "yes", answer_type="yes_no", split="rl"),
        given(
            (file_bytes(3, "palette"),),
            TEXTS[3],
            "blue, not red",
            options=("red", "blue, not red", 'a "third"'),
            answer_type="choice",
            split="rl",
        ),
        given((file_bytes(4), file_bytes(5, "PNG")), TEXTS[4], "the second one", split="rl"),
    ]
    for number in range(6):
        files = tuple(file_bytes(10 + 3 * number + each, draw.choice(kinds)) for each in range(1 + number % 3))
        rows.append(given(files, f"{draw.choice(TEXTS)} ({number})", draw.choice(TEXTS), split="rl"))
    return rows


def said(sample: Row, right: bool, **fields: Any) -> Row:
    """A rollout of one turn about this sample."""
    answer = json.loads(sample["answer"]) if right else "no such thing"
    return {
        "rollout_id": content_id("rollout", [sample["sample_id"], right, list(fields)]),
        "sample_id": sample["sample_id"],
        "policy": "somebody",
        "purpose": "difficulty",
        "prompt_hash": prompt_hash(),
        "text": f"I see.\n<answer>{answer}</answer>",
        "correct": right,
        "tier": "compare",
        "turns": 1,
        "finish": "answer",
        "calls": 0,
        **fields,
    }


def lake_of(
    root: Any,
    rows: list[Given],
    captions: tuple[tuple[int, str], ...] = (),
    held: tuple[str, ...] = (),
    rollouts: Sequence[Row] | None = None,
    arms: Sequence[str] = (),
) -> tuple[Lake, Run]:
    """A lake of these rows with one complete run. `captions`: (which row's first picture, text). `held`: ids that the
    screen dropped. `rollouts`: by default a right and a wrong one for each row. `arms`: of each curated row.
    """
    if rollouts is None:
        rollouts = [said(each.sample, right) for each in rows for right in (True, False)]
    lake = Lake(root)

    def leave(row: Row, p: Content, ctx: Context) -> Expansion:
        for each in rows:
            for data in each.files:
                ctx.store(decode(data), origin="given", license=each.license, data=data)
        traces = [each.trace for each in rows if each.trace]
        also: dict[str, list[Row]] = {
            "samples": [each.sample for each in rows],
            "traces": traces,
            "rollouts": list(rollouts),
            "checks": [
                {"trace_id": trace["trace_id"], "sample_id": trace["sample_id"], "origin": "oracle", "correct": True}
                for trace in traces
            ],
            "curated": [
                {
                    "sample_id": each.sample["sample_id"],
                    "arm": arms[number] if arms else "curated",
                    "split": each.split,
                    "position": number,
                    "trace_id": each.trace["trace_id"] if each.trace else None,
                }
                for number, each in enumerate(rows)
                if each.split
            ],
            "captions": [_caption(rows[number], text) for number, text in captions],
            "rejects": [{"stage": "screen", "row_id": each, "reason": "email"} for each in held],
        }
        return Expansion((), also)

    sides = tuple(name for name in TABLES if name != "images")
    stage = Stage(
        "given", 1, "expand", Content, "n", "samples", leave, source=lambda p: [{"n": "0"}], side_tables=sides
    )
    named = [[each.sample["sample_id"], each.split] for each in rows]
    digest = content_id("given", [named, list(held), [each["rollout_id"] for each in rollouts]])
    key = run_stage(lake, StageCall(stage, Content(digest=digest))).key
    return lake, run_of(lake, key)


def run_of(lake: Lake, key: str) -> Run:
    """A complete run that one finished stage makes."""
    run = start_run(lake.root, "test", "0")
    run.plan("given", round=1, stage="given", key=key)
    with run.working("given", key):
        pass
    run.finish("complete")
    return run


def _caption(row: Given, text: str) -> Row:
    image = row.sample["image_ids"][0]
    return {
        "caption_id": content_id("caption", [image, text]),
        "image_id": image,
        "text": text,
        "clauses": [],
        "source": "human",
        "license": row.license,
        "task": "ingested",
        "domain": "natural",
    }
