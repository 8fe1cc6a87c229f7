"""Marks cannot be seen at the size a small model sees the canvas, and can after the crop of the oracle."""

from __future__ import annotations

import copy

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.tasks import search
from pipelines.tools.tool import pixel_box

SEEDS = st.integers(0, 2**40)
DIALS = st.integers(0, len(search.DIALS) - 1)
INPUT = 112
FILTERS = (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.LANCZOS)


@settings(max_examples=60)
@given(SEEDS, DIALS, st.sampled_from(search.MARKS), st.sampled_from(FILTERS))
def test_a_mark_vanishes_when_the_canvas_is_shrunk(seed: int, dial: int, mark: str, resample: Image.Resampling) -> None:
    made = search.make(seed, dial)
    program = copy.deepcopy(made.program)
    for card in program["objects"]:
        card["mark"] = mark
    pair = [made.images[0], search.render(program)]
    assert all(image.width >= 4 * INPUT for image in pair)
    small = [np.asarray(image.resize((INPUT, INPUT), resample)).astype(int) for image in pair]
    assert np.abs(small[0] - small[1]).max() <= 2


def test_marks_have_equal_area_and_the_brightness_of_their_tag() -> None:
    for mark in search.MARKS:
        area = float((np.asarray(search.cover(mark)).astype(float) / 255).sum())
        assert abs(area - search.AREA) < 0.04 * search.AREA
    assert np.asarray(search.checks()).mean() == search.TAG_GREY


@settings(max_examples=60)
@given(SEEDS, DIALS)
def test_the_crop_shows_the_whole_mark_large_enough(seed: int, dial: int) -> None:
    made = search.make(seed, dial)
    actions = [step for step in made.steps if step.kind == "action"]
    assert len(actions) == len(made.region) == (2 if made.relation in {"same", "which"} else 1)
    for action, region in zip(actions, made.region, strict=True):
        assert action.arguments is not None
        left, top, right, bottom = pixel_box(tuple(action.arguments["bbox_2d"]), made.images[0].size)
        x0, y0, x1, y1 = region.box
        assert left <= x0 and top <= y0 and x1 <= right and y1 <= bottom
        magnified = INPUT / max(right - left, bottom - top)
        assert magnified * search.AREA**0.5 >= 16


@settings(max_examples=30)
@given(SEEDS, st.sampled_from(search.MARKS), st.sampled_from(search.MARKS))
def test_crops_of_different_marks_differ_plainly(seed: int, first: str, second: str) -> None:
    made = search.make(seed, 0)
    crops = []
    for mark in (first, second):
        program = copy.deepcopy(made.program)
        for card in program["objects"]:
            card["mark"] = mark
        box = pixel_box(tuple(made.steps[1].arguments["bbox_2d"]), made.images[0].size)
        crop = search.render(program).crop(box).resize((INPUT, INPUT), Image.Resampling.BICUBIC)
        crops.append(np.asarray(crop).astype(int))
    differing = int((np.abs(crops[0] - crops[1]).max(axis=2) > 40).sum())
    assert differing == 0 if first == second else differing >= 15
