"""Pictures cut up, covered or turned, and whether two parts of them can be told apart."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageStat

from pipelines.tasks.draw import INK, blank, font
from pipelines.tasks.landscape import SIZE, paint
from pipelines.tasks.made import Box

LETTERS = ("A", "B", "C", "D")
ALIKE = 14.0
"""Mean difference of grey levels below which two squares count as alike."""


def cells(side: int) -> list[Box]:
    """The boxes of `side` by `side` squares, in reading order."""
    step = SIZE // side
    corners = [(x * step, y * step) for y in range(side) for x in range(side)]
    return [(x, y, x + step, y + step) for x, y in corners]


def render(program: dict[str, Any]) -> tuple[Image.Image, ...]:
    """The pictures of a program."""
    picture = paint(program["scene"])
    match program["done"]:
        case "turn":
            return (picture.rotate(-program["angle"]),)
        case "order":
            return (_mosaic(picture, program["side"], program["order"], []),)
        case "swap":
            order = list(range(1, 10))
            one, other = (number - 1 for number in program["squares"])
            order[one], order[other] = order[other], order[one]
            return (_mosaic(picture, 3, order, []),)
        case "flip":
            return (_mosaic(picture, 3, list(range(1, 10)), program["squares"]),)
        case "hole":
            covered = picture.copy()
            draw = ImageDraw.Draw(covered)
            left, top, right, bottom = program["hole"]
            draw.rectangle((left, top, right - 1, bottom - 1), fill=(128, 128, 132), outline=(60, 60, 64), width=2)
            draw.text(((left + right) / 2, (top + bottom) / 2), "?", font=font(30), fill=(255, 255, 255), anchor="mm")
            return covered, _strip([picture.crop(tuple(box)) for box in program["patches"]])
    patch = picture.crop(tuple(program["patch"]))
    return picture, patch.resize((126, 126), Image.Resampling.BICUBIC)


def _mosaic(picture: Image.Image, side: int, order: list[int], turned: list[int]) -> Image.Image:
    """Place k shows square `order[k]` of the picture, numbers from 1; the `turned` places stand on their head."""
    boxes = cells(side)
    whole = blank(SIZE, SIZE, (255, 255, 255))
    draw = ImageDraw.Draw(whole)
    for place, (box, number) in enumerate(zip(boxes, order, strict=True), start=1):
        square = picture.crop(boxes[number - 1])
        whole.paste(square.rotate(180) if place in turned else square, box[:2])
        draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), outline=(255, 255, 255), width=2)
        draw.rectangle((box[0] + 2, box[1] + 2, box[0] + 17, box[1] + 18), fill=(255, 255, 255))
        draw.text((box[0] + 10, box[1] + 10), str(place), font=font(14), fill=INK, anchor="mm")
    return whole


def _strip(patches: list[Image.Image]) -> Image.Image:
    """Patches side by side, each with its letter."""
    strip = blank(392, 112, (250, 250, 248))
    draw = ImageDraw.Draw(strip)
    for index, patch in enumerate(patches):
        left = index * 98 + (98 - patch.width) // 2
        strip.paste(patch, (left, 22 + (86 - patch.height) // 2))
        draw.text((index * 98 + 49, 12), LETTERS[index], font=font(16), fill=INK, anchor="mm")
    return strip


def differ(squares: list[Image.Image]) -> bool:
    """Whether each two squares differ plainly."""
    grey = [square.convert("L").resize((21, 21)) for square in squares]
    pairs = [(one, other) for at, one in enumerate(grey) for other in grey[:at]]
    return all(ImageStat.Stat(ImageChops.difference(*pair)).mean[0] >= ALIKE for pair in pairs)
