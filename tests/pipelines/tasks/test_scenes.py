"""Scenes show what their program says, each object inside its own cell."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipelines.tasks import scenes
from pipelines.tasks.draw import COLOURS


@given(st.integers(0, 2**40), st.integers(0, 2))
def test_every_object_has_its_colour_and_keeps_to_its_cell(seed: int, dial: int) -> None:
    made = scenes.make(seed, dial)
    objects: list[dict[str, Any]] = made.program["objects"]
    assert len({(item["column"], item["row"]) for item in objects}) == len(objects)
    for item in objects:
        assert made.images[0].getpixel((item["x"], item["y"])) == COLOURS[item["colour"]]
        for axis, cell in (("x", "column"), ("y", "row")):
            assert (item[cell] - 1) * scenes.CELL <= item[axis] - item["radius"]
            assert item[axis] + item["radius"] <= item[cell] * scenes.CELL


@given(st.integers(0, 2**40), st.integers(0, 2))
def test_the_thought_lists_every_object_in_reading_order(seed: int, dial: int) -> None:
    made = scenes.make(seed, dial)
    objects: list[dict[str, Any]] = made.program["objects"]
    listed = made.steps[0].text.split("; ")[: len(objects)]
    assert listed == [f"{item['colour']} {item['shape']} {item['column']}{item['row']}" for item in objects]
    assert objects == sorted(objects, key=lambda item: (item["row"], item["column"]))


def test_three_seeds_read_as_meant() -> None:
    first = scenes.make(0, 0)
    assert first.question == "What shape is the orange object?"
    assert first.steps[0].text == "orange triangle 23; the orange object is a triangle."
    assert first.answer == "triangle"
