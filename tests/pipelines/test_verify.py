"""Verify: three literal traces, and defects made by code that shares nothing with the checks."""

import json

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from PIL import Image

from pipelines.lake import Lake
from pipelines.tools import picture_id
from pipelines.verify import STAGE, Parameters, region_share
from schemas.rows import StepRow, TraceRow
from tests.pipelines.jobs import given, picture, reasons, rows, run, sample

PHOTO = picture(1, 100)
LEFT_TOP = PHOTO.crop((0, 0, 50, 50))
REGION = [{"label": "mark", "box": [10, 10, 30, 30]}]
THOUGHT = {"kind": "thought", "text": "Look closer.", "tool": None, "arguments": None, "image_id": None}
ANSWER = {"kind": "answer", "text": "red", "tool": None, "arguments": None, "image_id": None}


def crop(x0: int, y0: int, x1: int, y1: int, target: int = 1) -> dict:
    arguments = json.dumps({"bbox_2d": [x0, y0, x1, y1], "target_image": target})
    return {"kind": "action", "text": None, "tool": "crop", "arguments": arguments, "image_id": None}


def seen(image: Image.Image | str) -> dict:
    name = image if isinstance(image, str) else picture_id(image)
    return {"kind": "observation", "text": None, "tool": None, "arguments": None, "image_id": name}


def trace(asked: dict, steps: list[dict]) -> dict:
    """A row of table `traces`, with the id of its content."""
    told = [StepRow.of(each) for each in steps]
    return TraceRow(sample_id=asked["sample_id"], origin="oracle", steps=told, answer="red", producer={}).row()


def verified(lake: Lake, *steps: list[dict], **fields):
    """The three-table joint of traces with one sample; returns checks and reasons by trace number."""
    asked = sample(PHOTO, region=REGION, **fields)
    return judged(lake, [asked], [trace(asked, each) for each in steps], PHOTO)


def judged(lake: Lake, samples: list[dict], traces: list[dict], *images: Image.Image):
    done = run(lake, STAGE, Parameters(), given(lake, *images, samples=samples, traces=traces))
    number = {each["trace_id"]: f"t{index}" for index, each in enumerate(traces)}
    checks = {number[row["trace_id"]]: row for row in rows(lake, done, "checks")}
    return checks, {number[key]: why for key, why in reasons(lake, done).items()}


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


GOOD = [THOUGHT, crop(0, 0, 500, 500), seen(LEFT_TOP), ANSWER]


def test_three_traces(lake):
    checks, dropped = verified(lake, GOOD, [THOUGHT, ANSWER], [THOUGHT, {**ANSWER, "text": "blue"}])
    assert dropped == {"t2": "wrong_answer"}
    first, second = checks["t0"], checks["t1"]
    assert (first["replayed"], first["actions"], first["region_seen"], first["correct"]) == (1, 1, True, True)
    assert (second["replayed"], second["actions"], second["region_seen"]) == (0, 0, None)
    assert first["tier"] == "compare" and first["sample_id"] == second["sample_id"]


def broken_pixel() -> Image.Image:
    image = LEFT_TOP.copy()
    red, green, blue = image.getpixel((7, 7))
    image.putpixel((7, 7), (red ^ 1, green, blue))
    return image


DEFECTS = {
    "one pixel differs": ([THOUGHT, crop(0, 0, 500, 500), seen(broken_pixel()), ANSWER], "replay_mismatch"),
    "another box than observed": ([THOUGHT, crop(0, 0, 500, 510), seen(LEFT_TOP), ANSWER], "replay_mismatch"),
    "no observation": ([THOUGHT, crop(0, 0, 500, 500), ANSWER], "replay_mismatch"),
    "an observation of nothing": ([THOUGHT, seen(LEFT_TOP), ANSWER], "replay_mismatch"),
    "a call that fails": (
        [crop(0, 0, 500, 500, target=3), {**THOUGHT, "kind": "observation", "text": "no such picture"}, ANSWER],
        "bad_call",
    ),
    "no answer": ([THOUGHT, crop(0, 0, 500, 500), seen(LEFT_TOP)], "no_answer"),
    "silence": ([], "no_answer"),
    "the wrong corner": ([crop(500, 500, 1000, 1000), seen(PHOTO.crop((50, 50, 100, 100))), ANSWER], "region_missed"),
    "a part of the region": ([crop(0, 0, 200, 500), seen(PHOTO.crop((0, 0, 20, 50))), ANSWER], "region_missed"),
}


def test_every_defect_is_named(lake):
    _, dropped = verified(lake, *[steps for steps, _ in DEFECTS.values()])
    assert dropped == {f"t{number}": reason for number, (_, reason) in enumerate(DEFECTS.values())}


def test_a_crop_of_a_crop_is_followed_to_the_first_picture(lake):
    inner = LEFT_TOP.crop((5, 5, 40, 40))  # pixels 5–40 of the photo hold the region; 25–50 do not
    outer = LEFT_TOP.crop((25, 25, 50, 50))
    checks, dropped = verified(
        lake,
        [crop(0, 0, 500, 500), seen(LEFT_TOP), crop(100, 100, 800, 800, 2), seen(inner), ANSWER],
        [
            crop(500, 500, 1000, 1000),
            seen(PHOTO.crop((50, 50, 100, 100))),
            crop(0, 0, 500, 500, 1),
            seen(LEFT_TOP),
            ANSWER,
        ],
    )
    assert not dropped and all(row["region_seen"] for row in checks.values())
    steps = [crop(0, 0, 500, 500), seen(LEFT_TOP), crop(500, 500, 1000, 1000, 2), seen(outer)]
    assert region_share(json.dumps(REGION), steps[2:], (PHOTO, LEFT_TOP, outer)) is None  # of picture 2: unknown place
    assert region_share(json.dumps(REGION), steps, (PHOTO, LEFT_TOP, outer)) == 1.0  # the first view held all


@drawn(st.integers(0, 60), st.integers(0, 60), st.integers(20, 40), st.integers(20, 40))
def test_the_share_is_what_counting_pixels_gives(left, top, wide, high):
    mask = Image.new("L", PHOTO.size)
    mask.paste(255, tuple(REGION[0]["box"]))
    inside = sum(mask.crop((left, top, left + wide, top + high)).histogram()[255:])
    view = PHOTO.crop((left, top, left + wide, top + high))
    steps = [crop(10 * left, 10 * top, 10 * (left + wide), 10 * (top + high)), seen(view)]
    share = region_share(json.dumps(REGION), steps, (PHOTO, view))
    assert share == pytest.approx(inside / 400)


def test_a_row_is_checked_against_its_own_picture(lake):
    """The bug 'a row sees the previous row's image': equal steps about two pictures are right for one of them."""
    other = picture(2, 100)
    mine, theirs = sample(PHOTO), sample(other)
    told = [(theirs, GOOD), (mine, GOOD), (theirs, [{**THOUGHT, "text": "Once more."}, *GOOD])]
    checks, dropped = judged(lake, [mine, theirs], [trace(*each) for each in told], PHOTO, other)
    assert list(checks) == ["t1"]
    assert dropped == {"t0": "replay_mismatch", "t2": "replay_mismatch"}
