"""Frames, bars and pictures, each law on its own."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flows.report.figures import bins
from flows.report.gallery import frames, gallery, plain, weight
from flows.report.measures import thin
from flows.report.pictures import shown
from flows.report.source import open_run
from flows.report.vega import draw
from tests.flows.report import lakes
from tests.flows.report.conftest import Made
from tests.pipelines.jobs import picture


def stepped(steps: list[dict[str, Any]]) -> list[Any]:
    image = lakes.card("red")
    return frames([image], [shown(image)], steps)


def test_a_frame_is_thought_call_and_new_picture() -> None:
    first, second, over, last = stepped(lakes.looking())
    assert (first.thought, first.proven, first.made.original) == ("First the whole card.", True, (136, 102))
    assert first.box == (8.0, 18.0, 34.0, 34.0)
    assert second.seen == first.made, "the second call works on what the first one made"
    assert (over.made, over.said) == (None, "No more pictures can be made; answer now.")
    assert (last.thought, last.answer, last.seen) == ("It is red.", "red", second.made)


def test_a_picture_other_than_recorded_is_not_called_proven() -> None:
    wrong, bad, _ = stepped(lakes.lying())
    assert wrong.made is not None
    assert wrong.proven is False
    assert bad.made is None
    assert bad.said
    assert bad.proven is False


def test_a_trace_may_end_in_a_thought() -> None:
    (only,) = stepped([lakes.thought("one"), lakes.thought("two")])
    assert (only.thought, only.answer) == ("one\ntwo", None)


def test_the_gallery_ends_before_the_page_grows(small: Made) -> None:
    with open_run(small.lake) as source:
        whole = gallery(source)
        few = gallery(source, room=weight(whole[0]) + weight(whole[1]))
    tasks = [item.sample["task"] for item in whole]
    assert set(tasks[:3]) == {"toy", "photos", "lost"}, "round robin over tasks"
    assert len(few) == 2
    lost = whole[tasks.index("lost")]
    assert (lost.thumb, lost.traces[0]["frames"]) == (None, []), "a lost picture costs only itself"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "no answer"), ('"red"', "red"), ("21", "21"), ('["a","b"]', "a, b"), ("true", "True")]
)
def test_answers_as_one_says_them(value: str | None, text: str) -> None:
    assert plain(value) == text


def decoded(image: Image.Image, side: int = 640) -> Image.Image:
    data = shown(image, side).src.removeprefix("data:image/webp;base64,")
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def test_drawings_stay_exact_and_photographs_become_small() -> None:
    drawing = lakes.card("blue")
    assert np.array_equal(np.asarray(decoded(drawing)), np.asarray(drawing))
    photograph = picture(1, 1600)
    assert decoded(photograph).size == (640, 640)
    assert shown(photograph).original == (1600, 1600)
    assert len(shown(photograph).src) < 60_000


steps = st.lists(st.fixed_dictionaries({"step": st.integers(0, 10**6), "loss": st.floats(-1e6, 1e6)}), max_size=300)


@given(steps, st.integers(1, 50))
def test_thinning_keeps_ends_and_mean(curve: list[dict[str, float]], points: int) -> None:
    thinned = thin(curve, points)
    assert len(thinned) <= points
    if curve:
        losses = [step["loss"] for step in curve]
        assert all(min(losses) - 1e-6 <= step["loss"] <= max(losses) + 1e-6 for step in thinned)
    if len(curve) <= points:
        assert thinned == curve


counted = st.lists(
    st.tuples(st.integers(1, 20), st.integers(0, 20), st.sampled_from(["sft", "rl", "none"]), st.integers(1, 1000)),
    min_size=1,
    max_size=30,
)


@given(counted)
def test_no_sample_falls_between_the_bars(rows: list[tuple[int, int, str, int]]) -> None:
    made = [
        {"n": n, "k": min(k, n), "tenth": min(10 * min(k, n) // n, 9), "split": split, "samples": samples}
        for n, k, split, samples in rows
    ]
    bars = bins(made)
    assert sum(bar["samples"] for bar in bars) == sum(samples for *_, samples in rows)
    assert len({(bar["bin"], bar["split"]) for bar in bars}) == len(bars)


def test_two_drawings_of_one_page_share_no_id() -> None:
    spec = {
        "data": {"values": [{"a": 1}]},
        "mark": {"type": "bar", "cornerRadius": 3, "clip": True},
        "encoding": {"x": {"field": "a", "type": "quantitative"}},
    }
    one, again, other = draw(spec, "one", "a <b>"), draw(spec, "one", "a <b>"), draw(spec, "other", "a <b>")
    assert one == again, "the same chart is the same text, whatever was drawn before it"
    assert 'aria-label="a &lt;b&gt;"' in one
    assert "one-clip0" in one
    assert "other-clip0" in other
