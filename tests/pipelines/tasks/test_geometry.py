"""The auxiliary line of a geometry trace runs exactly between the points it names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipelines.tasks import geometry, geometry_questions
from pipelines.tasks.draw import COLOURS
from pipelines.tools.tool import pixel_point
from pipelines.truth.firsts import meet

PLACES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(st.integers(0, 2**40), st.integers(0, 2))
def test_both_ends_of_the_line_lie_on_the_points(seed: int, dial: int) -> None:
    made = geometry.make(seed, dial)
    arguments = made.steps[1].arguments
    assert arguments is not None
    line = made.program["ask"]["line"]
    for end, label in zip(("start", "end"), line, strict=True):
        pixel = made.images[0].getpixel(pixel_point(tuple(arguments[end]), made.images[0].size))
        assert pixel == COLOURS[geometry.POINT_COLOURS[label]]


@given(PLACES, PLACES, PLACES, PLACES)
def test_crossing_agrees_with_exact_intersection(
    a: tuple[int, int], b: tuple[int, int], c: tuple[int, int], d: tuple[int, int]
) -> None:
    judged = geometry_questions.crosses(a, b, c, d)
    if judged is not None:
        assert judged == meet(a, b, c, d)


def test_three_known_crossings() -> None:
    assert geometry_questions.crosses((1, 5), (9, 5), (5, 1), (5, 9)) is True
    assert geometry_questions.crosses((1, 1), (9, 1), (1, 5), (9, 9)) is False
    assert geometry_questions.crosses((1, 1), (9, 9), (5, 5), (9, 1)) is None  # touches: nobody is asked about it
