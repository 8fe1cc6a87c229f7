"""Contact sheets: what a family draws and asks, for a person to look at.

    python -m pipelines.tasks.sheet mazes --dial 2 --out mazes.jpg

Without `--dial` every dial has its own rows. Each cell shows the pictures of one sample, the question and the answer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw

from pipelines.tasks import FAMILIES, Made
from pipelines.tasks.draw import INK, blank, font
from schemas.ids import canonical_json

WIDTH, TEXT, GAP = 300, 11, 12


def cell(made: Made, width: int = WIDTH) -> Image.Image:
    """One sample: its pictures side by side, then question, options and answer."""
    least = 1 if len(made.images) < 4 else 2
    across = -(-len(made.images) // least)
    wide = (width - (across - 1) * 4) // across
    shown = [
        image.resize((wide, round(image.height * wide / image.width)), Image.Resampling.LANCZOS)
        for image in made.images
    ]
    high = max(image.height for image in shown)
    said = made.answer if isinstance(made.answer, str) else canonical_json(made.answer)
    lines = _wrapped(made.question, width)
    if made.options:
        lines += _wrapped(" / ".join(f"{'ABCDEFGHI'[at]}. {option}" for at, option in enumerate(made.options)), width)
    lines.append(f"= {said}")
    picture = blank(width, least * (high + 4) + len(lines) * (TEXT + 3) + 4, (255, 255, 255))
    for index, image in enumerate(shown):
        picture.paste(image, (index % across * (wide + 4), index // across * (high + 4)))
    draw = ImageDraw.Draw(picture)
    for index, line in enumerate(lines):
        draw.text((0, least * (high + 4) + index * (TEXT + 3)), line, font=font(TEXT), fill=INK)
    return picture


def sheet(family: str, dials: list[int], columns: int = 4, rows: int = 1, first: int = 0) -> Image.Image:
    """Samples of seeds `first` …, `rows` rows for each dial."""
    cells = [
        [cell(FAMILIES[family].make(first + row * columns + column, dial)) for column in range(columns)]
        for dial in dials
        for row in range(rows)
    ]
    heights = [max(made.height for made in row) + GAP for row in cells]
    picture = blank(columns * (WIDTH + GAP) + GAP, sum(heights) + GAP, (228, 230, 234))
    top = GAP
    for row, height in zip(cells, heights, strict=True):
        for index, made in enumerate(row):
            picture.paste(made, (GAP + index * (WIDTH + GAP), top))
        top += height
    return picture


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font(TEXT).getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.tasks.sheet", description="Draw a contact sheet.")
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.add_argument("--dial", type=int, help="only this dial")
    parser.add_argument("--rows", type=int, default=1, help="rows of each dial")
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--width", type=int, help="shrink the sheet to so many pixels")
    parser.add_argument("--out", type=Path, required=True, help="a .jpg or .png file")
    given = parser.parse_args()
    dials = range(len(FAMILIES[given.family].DIALS)) if given.dial is None else [given.dial]
    picture = sheet(given.family, list(dials), given.columns, given.rows, given.seed)
    if given.width:
        picture = picture.resize((given.width, picture.height * given.width // picture.width), Image.Resampling.LANCZOS)
    picture.save(given.out, quality=72, optimize=True)


if __name__ == "__main__":
    main()
