"""The tools that a model may call on pictures: typed, deterministic, replayable. To add one, name it here."""

from pipelines.tools import crop, draw, frames, mask, measure, ocr, python, rotate, zoom
from pipelines.tools.tool import CallError, Seen, Shown, Tool
from schemas.ids import picture_id

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        crop.TOOL,
        zoom.TOOL,
        rotate.TOOL,
        draw.DRAW_LINE,
        draw.DRAW_BOX,
        draw.MARK_POINT,
        draw.LABEL,
        mask.TOOL,
        ocr.TOOL,
        measure.TOOL,
        frames.TOOL,
        python.TOOL,
    )
}
"""Every tool there is, by name."""

OFFERED: tuple[str, ...] = tuple(name for name in TOOLS if name != "python")
"""The tools that a policy may call where a recipe names none: those that look at pictures and draw on them."""

LIBRARIES = ("pillow", "numpy", "rapidocr", "onnxruntime")
"""What tools are made of: another version may set other pixels, or read another text."""

__all__ = ["LIBRARIES", "OFFERED", "TOOLS", "CallError", "Seen", "Shown", "Tool", "picture_id"]
