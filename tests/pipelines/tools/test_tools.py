"""What each tool does to pixels, against expectations written by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from pipelines.tools import Shown
from pipelines.tools.calls import ToolCall, execute
from pipelines.tools.tool import pixel_box, pixel_point
from tests.pipelines.tools import strategies


def checkerboard() -> Image.Image:
    """10 by 8 pixels, each with its own colour."""
    image = Image.new("RGB", (10, 8))
    image.putdata([(20 * x, 30 * y, 99) for y in range(8) for x in range(10)])
    return image


def run(image: Image.Image, name: str, **arguments: object) -> Image.Image:
    return execute(Shown.of([image]), ToolCall(name, arguments)).image


def test_crop_takes_every_pixel_that_it_touches():
    part = run(checkerboard(), "crop", bbox_2d=[150, 130, 610, 999])
    assert part.size == (6, 7)  # columns 1..6, rows 1..7
    assert part.getpixel((0, 0)) == (20, 30, 99)
    assert part.getpixel((5, 6)) == (120, 210, 99)


def test_crop_of_everything_is_everything():
    whole = checkerboard()
    assert run(whole, "crop", bbox_2d=[0, 0, 1000, 1000]).tobytes() == whole.tobytes()


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (33, 33)])
def test_zoom_fills_the_pictures_size_and_keeps_proportions(size):
    image = Image.new("RGB", size, "teal")
    wide = run(image, "zoom", bbox_2d=[0, 0, 1000, 500])
    assert wide.width == size[0] or wide.height == size[1]
    assert wide.width <= size[0] and wide.height <= size[1]
    assert abs(wide.width / wide.height - size[0] / (size[1] / 2)) < 0.2
    assert wide.getpixel((1, 1)) == (0, 128, 128)


def test_zoom_at_a_corner_stays_inside():
    image = Image.new("RGB", (40, 40), "white")
    image.paste("red", (30, 30, 40, 40))
    near = run(image, "zoom", point=[1000, 1000], factor=4)
    assert near.size == (40, 40)
    assert set(near.get_flattened_data()) == {(255, 0, 0)}


def test_rotate_turns_clockwise_and_four_turns_are_none():
    image = checkerboard()
    turned = run(image, "rotate", angle=90)
    assert turned.size == (8, 10)
    assert turned.getpixel((7, 0)) == image.getpixel((0, 0))
    for _ in range(3):
        turned = run(turned, "rotate", angle=90)
    assert turned.tobytes() == image.tobytes()
    assert run(image, "rotate", angle=-90).tobytes() == run(image, "rotate", angle=270).tobytes()


@pytest.mark.parametrize(
    ("name", "arguments", "inside", "outside"),
    [
        ("draw_line", {"start": [0, 500], "end": [1000, 500]}, (56, 56), (56, 40)),
        ("draw_box", {"bbox_2d": [100, 100, 900, 900]}, (11, 50), (56, 56)),
        ("mark_point", {"point": [500, 500]}, (56, 56), (56, 70)),
    ],
)
def test_strokes_fall_where_they_should(name, arguments, inside, outside):
    white = Image.new("RGB", (112, 112), "white")
    drawn = run(white, name, color="#0000ff", **arguments)
    assert drawn.getpixel(inside) == (0, 0, 255)
    assert drawn.getpixel(outside) == (255, 255, 255)


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=2), st.sampled_from(["A", "wide label", "Wgjpq"]))
def test_a_label_is_never_cut_off(point, text):
    grey = Image.new("RGB", (150, 80), (128, 128, 128))
    middle = ImageChops.difference(run(grey, "label", point=[500, 500], text=text), grey).getbbox()
    box = ImageChops.difference(run(grey, "label", point=point, text=text), grey).getbbox()
    assert (box[2] - box[0], box[3] - box[1]) == (middle[2] - middle[0], middle[3] - middle[1])


@given(strategies.box, st.integers(1, 3000), st.integers(1, 3000))
def test_pixel_boxes_hold_at_least_a_pixel_and_stay_inside(box, width, height):
    x0, y0, x1, y1 = sorted((box[0], box[2]))[0], min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])
    left, top, right, bottom = pixel_box((x0, y0, x1, y1), (width, height))
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    x, y = pixel_point((x0, y0), (width, height))
    assert 0 <= x < width and 0 <= y < height
