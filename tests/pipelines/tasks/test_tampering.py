"""Whatever is changed in a trace is caught: every family, every dial, every tool, every kind of change, every time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from pipelines.prompts import step
from pipelines.tasks import FAMILIES
from pipelines.tasks.rows import trace_row
from pipelines.tools import OFFERED, CallError
from pipelines.tools.replay import replay, with_observations
from schemas.ids import picture_id
from schemas.outcome import Drop, Keep
from tests.pipelines.jobs import sample
from tests.pipelines.tasks.forgery import forgeries, resealed
from tests.pipelines.tasks.traces import Told, judge, told
from tests.pipelines.tools import strategies

CELLS = [(name, dial) for name, family in FAMILIES.items() for dial in range(len(family.DIALS))]

CALLS = {
    "crop": {"bbox_2d": [100, 100, 900, 700]},
    "zoom": {"point": [400, 500], "factor": 2},
    "rotate": {"angle": 90},
    "draw_line": {"start": [100, 120], "end": [800, 640], "color": "red"},
    "draw_box": {"bbox_2d": [200, 200, 600, 800], "color": "blue"},
    "mark_point": {"point": [500, 500], "color": "green"},
    "label": {"point": [300, 300], "text": "A", "color": "black"},
    "mask": {"bbox_2d": [300, 300, 600, 600], "mode": "hide", "color": "gray"},
    "ocr": {"bbox_2d": [0, 0, 1000, 400]},
    "measure": {"points": [[100, 100], [700, 900]]},
    "select_frame": {"index": 1},
}
"""One call of every tool that is offered."""
WHOLE = {"bbox_2d": [0, 0, 1000, 1000], "target_image": 1}


def all_caught(whole: Told, other: Told) -> Counter[str]:
    """Assert that every change of `whole` is dropped; returns how many of each kind there were."""
    assert isinstance(judge(whole), Keep)
    tried: Counter[str] = Counter()
    for reseal, changes in ((False, forgeries(whole, other)), (True, resealed(whole, other))):
        for what, forged in changes:
            outcome = judge(forged)
            assert isinstance(outcome, Drop), (
                f"{what}{', sealed anew,' if reseal else ''} went unnoticed: {forged.trace}"
            )
            assert reseal != outcome.reason.startswith("altered"), f"{what}: {outcome.reason}"
            tried[what] += 1
    return tried


@pytest.mark.parametrize(("name", "dial"), CELLS)
def test_every_change_of_an_oracle_trace_is_caught(name: str, dial: int) -> None:
    made = [FAMILIES[name].make(seed, dial) for seed in range(400, 403)]
    traces = [told(name, dial, each) for each in made]
    tried = sum((all_caught(*pair) for pair in zip(traces, traces[1:], strict=False)), Counter[str]())
    assert tried["pixel of the question"] >= 6 and tried["answer everywhere"] == 2
    if any(each.kind == "action" for each in made[0].steps):
        assert tried["argument"] >= 6 and tried["pixel of an observation"] >= 6 and tried["action dropped"] >= 2


@pytest.mark.parametrize("tool", OFFERED)
def test_every_change_of_a_call_is_caught_whatever_the_tool(tool: str) -> None:
    whole, other = (told("counting", 1, FAMILIES["counting"].make(seed, 1)) for seed in (1, 2))
    own = [whole.pictures[name] for name in whole.sample["image_ids"]]
    calls = [step("action", tool=tool, arguments=CALLS[tool]), step("action", tool="crop", arguments=WHOLE)]
    steps = with_observations(own, [*calls, step("thought", "Seen."), whole.trace["steps"][-1]])
    shown = replay(own, steps).images
    pictures = {picture_id(image): image for image in shown}
    tried = all_caught(Told(trace_row(whole.sample, steps, 1), whole.sample, pictures), other)
    assert tried["argument"] >= 6 and tried["observation of another trace"] >= 1


@given(strategies.pictures(), st.lists(strategies.calls, min_size=1, max_size=4))
def test_every_change_of_any_trace_is_caught(image: Image.Image, chosen: list[tuple[str, dict[str, Any]]]) -> None:
    asked = sample(image)
    calls = [step("action", tool=tool, arguments=arguments) for tool, arguments in chosen]
    try:
        steps = with_observations([image], [step("thought", "Look."), *calls, step("answer", "red")])
    except CallError:
        assume(False)
    pictures = {picture_id(made): made for made in replay([image], steps).images}
    all_caught(Told(trace_row(asked, steps, 1), asked, pictures), told("counting", 0, FAMILIES["counting"].make(1, 0)))


def test_an_argument_that_changes_no_pixel_is_caught_by_its_seal_alone() -> None:
    """What is promised, and what is not: sealed anew, such a trace is another one, and just as true."""
    whole = told("stilllife", 0, FAMILIES["stilllife"].make(3, 0))
    moved = [forged for what, forged in forgeries(whole, whole) if what == "argument"]
    assert all(isinstance(judge(forged), Drop) for forged in moved)
    anew = [replace(forged, trace=trace_row(whole.sample, forged.trace["steps"], 1)) for forged in moved]
    unseen = [forged for forged in anew if isinstance(judge(forged), Keep)]
    assert 0 < len(unseen) < len(moved)
