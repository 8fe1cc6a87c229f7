"""Look and screen: text drawn into pictures and read again by the real engine; classifiers that a user names."""

from __future__ import annotations

from functools import cache

import pytest
from PIL import Image, ImageDraw, ImageFont

from pipelines import hooks, look, ocr, screen
from pipelines.lake import Lake
from pipelines.runner import run_stage
from pipelines.stage import StageCall
from pipelines.tools import picture_id
from schemas.ids import content_id
from schemas.rows import SampleRow
from tests.pipelines.jobs import given, picture, reasons, rows, run, sample

HOOKS = "tests.pipelines.screen_hooks"
REGIONS = ("US", "GB", "DE")


@cache
def sign(text: str, background: str = "white") -> Image.Image:
    """A picture that shows a line of text."""
    image = Image.new("RGB", (320, 96), background)
    ImageDraw.Draw(image).text((12, 34), text, font=ImageFont.load_default(20), fill="black")
    return image


EMAIL, PHONE, CARD = sign("jane.doe@example.com"), sign("Call 650-253-0000"), sign("4111 1111 1111 1111")
NEAR_MISS = sign("Room 12-345-67, 2019")
BLANK = sign("")


def caption(image: Image.Image, text: str = "A sign.") -> dict:
    name = picture_id(image)
    return {"caption_id": content_id("caption", [name, text]), "image_id": name, "text": text, "clauses": []}


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def screened(lake: Lake, upstream: str, p: screen.Parameters, seen: look.Parameters):
    looked = run(lake, look.STAGE, seen, upstream)
    return looked, run(lake, screen.STAGE, p, upstream, looked.key)


def test_what_is_written_in_pictures_decides_by_rule(lake):
    """Two questions about one picture: it is read once. Captions without a question are screened too."""
    images = (EMAIL, PHONE, CARD, NEAR_MISS, BLANK)
    samples = [sample(image) for image in images] + [sample(PHONE, "Whose?", "nobody's")]
    traces = [{"trace_id": f"t{n}", "sample_id": row["sample_id"], "steps": []} for n, row in enumerate(samples)]
    captions = [caption(CARD), caption(BLANK)]
    upstream = given(lake, *images, samples=samples, traces=traces, captions=captions)
    looked, done = screened(lake, upstream, screen.Parameters(), look.Parameters(regions=REGIONS))

    assert looked.counts.read == looked.counts.kept == len(images)
    assert (done.counts.read, done.counts.kept, done.counts.rejected) == (8, 3, 5)
    email, phone, card, near, blank, other = (row["sample_id"] for row in samples)
    assert reasons(lake, done) == {
        email: "email_in_picture",
        phone: "phone_in_picture",
        other: "phone_in_picture",
        card: "id_number_in_picture",
        captions[0]["caption_id"]: "id_number_in_picture",
    }
    passed = {row["sample_id"] for row in rows(lake, done, "samples")}
    assert passed == {near, blank} == {row["sample_id"] for row in rows(lake, done, "traces")}
    assert rows(lake, done, "captions") == [{**dict.fromkeys(rows(lake, done, "captions")[0]), **captions[1]}]
    assert {row["image_id"] for row in rows(lake, done, "images")} == {picture_id(NEAR_MISS), picture_id(BLANK)}
    for row in rows(lake, done, "rejects"):
        assert row["value"] >= row["threshold"] == 0.5
        assert "••" in row["payload"]  # the masked match, and never the match
        assert not any(secret in row["payload"] for secret in ("jane", "253", "1111"))


def test_rules_that_are_off_and_readings_too_faint_drop_nothing(lake):
    upstream = given(lake, EMAIL, samples=[sample(EMAIL)])
    looked = run(lake, look.STAGE, look.Parameters(), upstream)
    (found,) = rows(lake, looked, "findings")
    confidence = found["found"][0]["value"]
    for p, reason in (
        (screen.Parameters(rules=("phone_in_picture",)), {}),
        (screen.Parameters(confidence=min(1.0, confidence + 1e-9)), {}),
        (screen.Parameters(confidence=confidence), {sample(EMAIL)["sample_id"]: "email_in_picture"}),
    ):
        assert reasons(lake, run(lake, screen.STAGE, p, upstream, looked.key)) == reason


def test_a_sample_of_several_pictures_and_a_pair_stand_or_fall_together(lake):
    both = SampleRow(
        image_ids=(picture_id(BLANK), picture_id(PHONE)), question="Same?", answer="no", task="toy", source="toy"
    ).row()
    mates = [sample(EMAIL, pair_id="p"), sample(NEAR_MISS, pair_id="p")]
    upstream = given(lake, BLANK, PHONE, EMAIL, NEAR_MISS, samples=[both, *mates, sample(BLANK)])
    _, done = screened(lake, upstream, screen.Parameters(), look.Parameters(regions=REGIONS))
    assert reasons(lake, done) == {
        both["sample_id"]: "phone_in_picture",
        mates[0]["sample_id"]: "email_in_picture",
        mates[1]["sample_id"]: "pair",
    }


def test_a_classifier_scores_every_picture_and_its_threshold_decides(lake):
    red, blue = sign("", "red"), sign("", "blue")
    upstream = given(lake, red, blue, samples=[sample(red), sample(blue)])
    named = look.Classifier(name="too_red", **hooks.identity(f"{HOOKS}:redness"))
    assert named.version == "2026.1" and len(named.source) == 32
    harmless = look.Classifier(name="vandal", **hooks.identity(f"{HOOKS}:vandal"))
    seen = look.Parameters(text=False, classifiers=(harmless, named))
    p = screen.Parameters(thresholds={"too_red": 0.5, "vandal": 0.5})
    looked, done = screened(lake, upstream, p, seen)
    scores = {row["image_id"]: {f["rule"]: f["value"] for f in row["found"]} for row in rows(lake, looked, "findings")}
    assert scores == {  # the first one painted over a copy
        picture_id(red): {"vandal": 0.0, "too_red": 1.0},
        picture_id(blue): {"vandal": 0.0, "too_red": 0.0},
    }
    assert reasons(lake, done) == {sample(red)["sample_id"]: "too_red"}


@pytest.mark.parametrize(
    ("function", "said"), [("word", "'0.5'"), ("percent", "73.0"), ("nothing", "None")], ids=["text", "above 1", "none"]
)
def test_a_classifier_that_answers_nonsense_fails_the_row_and_nothing_passes_unseen(lake, function, said):
    upstream = given(lake, BLANK, samples=[sample(BLANK)])
    seen = look.Parameters(text=False, classifiers=(look.Classifier(name="odd", call=f"{HOOKS}:{function}"),))
    looked, done = screened(lake, upstream, screen.Parameters(), seen)
    (failure,) = rows(lake, looked, "failures")
    assert failure["kind"] == "bad_score"
    assert failure["message"] == f"{HOOKS}:{function} answered {said}; a number from 0 to 1 is needed"
    assert reasons(lake, done) == {sample(BLANK)["sample_id"]: "unscreened"}
    assert rows(lake, done, "samples") == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("no_such_module_at_all:f", "no_such_module_at_all does not import (ModuleNotFoundError"),
        (f"{HOOKS}:absent", "has no function 'absent'"),
        (f"{HOOKS}:NOT_A_FUNCTION", "has a value, not a function 'NOT_A_FUNCTION'"),
        ("just_a_name", "names no function; write `module:function`"),
    ],
)
def test_a_classifier_that_is_not_there_is_refused(call, message):
    with pytest.raises(hooks.HookError) as caught:
        hooks.identity(call)
    assert message in str(caught.value)


def test_the_source_of_a_classifier_is_part_of_the_key(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    keys = set()
    for number in (1, 2):
        (tmp_path / f"mine_{number}.py").write_text(f"def score(image):\n    return 0.{number}\n")
        named = look.Classifier(name="mine", **{**hooks.identity(f"mine_{number}:score"), "call": "mine:score"})
        keys.add(StageCall(look.STAGE, look.Parameters(classifiers=(named,))).key)
    assert len(keys) == 2


def test_reading_is_repeatable_and_sees_text_upside_down():
    first, again = ocr.lines(EMAIL), ocr.lines(EMAIL)
    assert first == again and [line.text for line in first] == ["jane.doe@example.com"]
    assert [line.text for line in ocr.lines(PHONE.rotate(180))] == ["Call 650-253-0000"]
    assert ocr.lines(picture(3)) == []


def test_where_a_picture_is_lost_its_samples_do_not_pass(lake):
    upstream = given(lake, samples=[sample(NEAR_MISS)])
    looked = run_stage(lake, StageCall(look.STAGE, look.Parameters(), (upstream,), max_failed=1.0))
    assert looked.counts.failed == 1
    done = run(lake, screen.STAGE, screen.Parameters(), upstream, looked.key)
    assert reasons(lake, done) == {sample(NEAR_MISS)["sample_id"]: "unscreened"}
