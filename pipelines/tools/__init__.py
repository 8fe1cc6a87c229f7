"""The tools that a model may call on pictures: typed, deterministic, replayable. To add one, name it here."""

from pipelines.tools import crop, draw, rotate, zoom
from pipelines.tools.tool import CallError, Tool
from schemas.ids import picture_id

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (crop.TOOL, zoom.TOOL, rotate.TOOL, draw.DRAW_LINE, draw.DRAW_BOX, draw.MARK_POINT, draw.LABEL)
}

__all__ = ["TOOLS", "CallError", "Tool", "picture_id"]
