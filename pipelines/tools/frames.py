"""Show one frame of a sequence again, so that it is the latest picture: what other tools work on."""

from __future__ import annotations

from pydantic import Field

from pipelines.tools.tool import Arguments, CallError, PictureNumber, Seen, Shown, Tool


class SelectFrame(Arguments):
    """Arguments of `select_frame`."""

    index: PictureNumber = Field(description="Which of the pictures of the question, counted from 1.")


def _apply(shown: Shown, arguments: SelectFrame) -> Seen:
    if not 1 <= arguments.index <= shown.own:
        there = "1 frame" if shown.own == 1 else f"{shown.own} frames"
        raise CallError(f"Frame {arguments.index} does not exist; the question has {there}.")
    return Seen(shown.target(arguments.index).copy())


TOOL = Tool("select_frame", "Show one of the question's own pictures again.", SelectFrame, _apply)
