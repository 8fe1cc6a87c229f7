"""What `screen` held back is in no export and in no report: three questions, one of whose pictures is too red."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from flows.report.gallery import gallery
from flows.report.rejected import rules
from flows.report.source import open_run
from pipelines import look, screen
from pipelines.export.write import Choice, export
from pipelines.lake import Lake, runs
from pipelines.tools import picture_id
from schemas.ids import content_id
from tests.pipelines.jobs import given, picture, run, sample


def caption(image: Image.Image, text: str) -> dict[str, object]:
    name = picture_id(image)
    row = {"caption_id": content_id("caption", [name, text]), "image_id": name, "text": text, "clauses": []}
    return {**row, "license": "CC0-1.0", "source": "human", "task": "toy"}


def screened_run(root: Path) -> tuple[Lake, runs.Run]:
    lake, red = Lake(root / "lake"), Image.new("RGB", (40, 40), "red")
    images = [picture(1), picture(2), red]
    samples = [sample(image, f"Question {number}?") for number, image in enumerate(images)]
    captions = [caption(image, f"Caption {number}.") for number, image in enumerate(images)]
    upstream = given(lake, *images, samples=samples, captions=captions)
    scored = look.Classifier(name="too_red", call="tests.pipelines.screen_hooks:redness")
    looked = run(lake, look.STAGE, look.Parameters(text=False, classifiers=(scored,)), upstream)
    done = run(lake, screen.STAGE, screen.Parameters(thresholds={"too_red": 0.9}), upstream, looked.key)
    assert (done.counts.kept, done.counts.rejected) == (4, 2)
    record = runs.start_run(lake.root, "screened", "0")
    for name, key in (("given", upstream), ("look", looked.key), ("screen", done.key)):
        record.plan(name, round=1, stage=name, key=key)
        with record.working(name, key):
            pass
    record.finish("complete")
    return lake, record


def test_no_export_holds_what_was_held_back(tmp_path: Path) -> None:
    lake, record = screened_run(tmp_path)
    for table, word in (("samples", "Question"), ("captions", "Caption")):
        out = tmp_path / table
        told = export(lake, record, Choice("jsonl", table, split="all"), out)
        assert told.exported == {"train": 2}
        text = (out / "train.jsonl").read_text()
        assert [f"{word} {number}" in text for number in range(3)] == [True, True, False]
        assert len(list(out.rglob("*.png"))) == 2


def test_a_report_counts_what_was_held_back_and_shows_none_of_it(tmp_path: Path) -> None:
    lake, record = screened_run(tmp_path)
    with open_run(lake, record.run_id) as source:
        assert sorted(item.sample["question"] for item in gallery(source)) == ["Question 0?", "Question 1?"]
        (rule,) = rules(source)
        assert (rule.stage, rule.reason, rule.rows) == ("screen", "too_red", 2)
        assert sorted(example.question for example in rule.examples) == ["Caption 2.", "Question 2?"]
        assert all(example.picture is None for example in rule.examples)
