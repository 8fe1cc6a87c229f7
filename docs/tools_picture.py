"""The picture of docs/tools.md: every tool on a picture of the worlds, before and after.

python docs/tools_picture.py docs/tools.webp
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from pipelines.tasks import FAMILIES
from pipelines.tools import OFFERED, Shown
from pipelines.tools.calls import ToolCall, execute

CALLS: tuple[tuple[str, int, str, dict[str, Any]], ...] = (
    ("search", 1, "crop", {"bbox_2d": [304, 554, 446, 696]}),
    ("stilllife", 1, "zoom", {"bbox_2d": [378, 383, 611, 697]}),
    ("charts", 1, "rotate", {"angle": 90}),
    ("structure", 1, "draw_line", {"start": [99, 850], "end": [922, 850]}),
    ("transit", 1, "draw_box", {"bbox_2d": [180, 455, 369, 545], "color": "blue"}),
    ("functions", 1, "mark_point", {"point": [338, 584]}),
    ("views", 1, "label", {"point": [502, 208], "text": "3", "color": "black"}),
    ("documents", 1, "mask", {"bbox_2d": [698, 218, 942, 641], "mode": "keep"}),
    ("documents", 1, "ocr", {"bbox_2d": [0, 0, 1000, 300]}),
    ("geometry", 1, "measure", {"points": [[200, 300], [100, 900]]}),
    ("frames", 1, "select_frame", {"index": 1}),
)
"""Family, dial, tool, arguments; all of seed 5."""
SEED, SIDE, GAP, ACROSS, TEXT = 5, 220, 14, 3, 12
BACK, PAPER, INK = (228, 230, 234), (255, 255, 255), (40, 40, 44)


def fitted(image: Image.Image) -> Image.Image:
    """The picture, its longer side `SIDE` pixels."""
    scale = SIDE / max(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


def cell(family: str, dial: int, tool: str, arguments: dict[str, Any]) -> Image.Image:
    """One tool: what it works on, what comes of it, and the call."""
    shown = Shown.of(FAMILIES[family].make(SEED, dial).images)
    seen = execute(shown, ToolCall(tool, arguments))
    font = ImageFont.load_default(TEXT)
    picture = Image.new("RGB", (2 * SIDE + 3 * GAP, SIDE + 5 * GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    picture.paste(fitted(shown.target()), (GAP, GAP))
    if seen.image is not None:
        picture.paste(fitted(seen.image), (SIDE + 2 * GAP, GAP))
    else:
        lines = [part for line in str(seen.text).split("\n") for part in textwrap.wrap(line, 34)]
        draw.multiline_text((SIDE + 2 * GAP, GAP), "\n".join(lines[:14]), font=font, fill=INK)
    call = json.dumps({"name": tool, "arguments": arguments})
    draw.multiline_text((GAP, SIDE + 2 * GAP), "\n".join(textwrap.wrap(call, 68)), font=font, fill=INK)
    return picture


def main(out: Path) -> None:
    assert [tool for _, _, tool, _ in CALLS] == list(OFFERED)
    cells = [cell(*call) for call in CALLS]
    wide, high = cells[0].width + GAP, cells[0].height + GAP
    sheet = Image.new("RGB", (ACROSS * wide + GAP, -(-len(cells) // ACROSS) * high + GAP), BACK)
    for number, each in enumerate(cells):
        sheet.paste(each, (GAP + number % ACROSS * wide, GAP + number // ACROSS * high))
    sheet.save(out, quality=80, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
