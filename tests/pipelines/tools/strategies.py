"""Pictures and tool calls for hypothesis; the calls are made here, by nothing that the tools share."""

from hypothesis import strategies as st
from PIL import Image

coordinate = st.integers(0, 1000)
point = st.lists(coordinate, min_size=2, max_size=2)
box = (
    st.tuples(coordinate, coordinate, coordinate, coordinate).filter(lambda b: b[0] != b[2] and b[1] != b[3]).map(list)
)
color = st.sampled_from(["red", "blue", "#00ff7f", "White"])

drawings = st.one_of(
    st.tuples(st.just("crop"), st.fixed_dictionaries({"bbox_2d": box})),
    st.tuples(st.just("zoom"), st.fixed_dictionaries({"bbox_2d": box})),
    st.tuples(st.just("zoom"), st.fixed_dictionaries({"point": point, "factor": st.sampled_from([2, 2.5, 4])})),
    st.tuples(st.just("rotate"), st.fixed_dictionaries({"angle": st.sampled_from([-90, 0, 90, 180, 270, 450])})),
    st.tuples(st.just("draw_line"), st.fixed_dictionaries({"start": point, "end": point, "color": color})),
    st.tuples(st.just("draw_box"), st.fixed_dictionaries({"bbox_2d": box, "color": color})),
    st.tuples(st.just("mark_point"), st.fixed_dictionaries({"point": point, "color": color})),
    st.tuples(st.just("label"), st.fixed_dictionaries({"point": point, "text": st.sampled_from(["A", "x < 3", "é"])})),
    st.tuples(st.just("mask"), st.fixed_dictionaries({"bbox_2d": box, "mode": st.sampled_from(["hide", "keep"])})),
    st.tuples(st.just("select_frame"), st.just({"index": 1})),
)
"""Calls that make a picture, where they can be carried out."""

calls = st.one_of(
    drawings,
    st.tuples(st.just("measure"), st.fixed_dictionaries({"points": st.lists(point, min_size=2, max_size=4)})),
    st.tuples(st.just("measure"), st.fixed_dictionaries({"bbox_2d": box})),
)


@st.composite
def pictures(draw: st.DrawFn) -> Image.Image:
    """RGB noise, every pixel its own colour, so that no two parts look alike."""
    width, height = draw(st.integers(20, 60)), draw(st.integers(20, 60))
    seed = draw(st.integers(0, 2**16))
    data = bytes((seed + 37 * index + index * index // 7) % 251 for index in range(3 * width * height))
    return Image.frombytes("RGB", (width, height), data)
