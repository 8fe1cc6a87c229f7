"""The tool loop as TRL sees it: an environment per rollout, whose public methods are the tools.

The methods are made from `pipelines.tools.TOOLS`, so a tool added there is a tool here, with the same arguments, pixels
and sentences as in `pipelines.toolloop`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from PIL import Image

from pipelines.tools import TOOLS, CallError, Tool
from pipelines.tools.calls import ToolCall, execute, schema
from pipelines.tools.replay import LIMIT

Observation: TypeAlias = list[dict[str, Any]]
"""The content of a tool turn: one picture, or the sentence that says why there is none."""

_TYPES: dict[str, Any] = {"array": list[int], "integer": int, "number": float, "string": str}


class ToolEnvironment:
    """The pictures of one rollout. TRL calls `reset` with a dataset row, then a tool method per call of the model."""

    def __init__(self, max_images: int = 4) -> None:
        self._max_images = max_images
        self._shown: list[Image.Image] = []

    def reset(self, images: Sequence[Image.Image] = (), **_row: Any) -> None:
        """Forget the last rollout and show the row's own pictures."""
        self._shown = [image.convert("RGB") for image in images]

    def _do(self, tool: str, arguments: Mapping[str, Any]) -> Observation:
        if len(self._shown) >= self._max_images:
            return [{"type": "text", "text": LIMIT}]
        try:
            made = execute(self._shown, ToolCall(tool, arguments))
        except CallError as error:
            return [{"type": "text", "text": str(error)}]
        self._shown.append(made)
        return [{"type": "image", "image": made}]


def _method(tool: Tool) -> Callable[..., Observation]:
    """The tool as a method with the signature and Google docstring from which TRL makes its JSON schema.

    It takes any arguments: a wrong one is answered by the tool's own sentence, not by Python's.
    """

    def call(self: ToolEnvironment, **arguments: Any) -> Observation:
        return self._do(tool.name, arguments)

    function: Any = schema(tool)["function"]
    properties, required = function["parameters"]["properties"], function["parameters"]["required"]
    described = [f"    {name}: {value.get('description', name)}" for name, value in properties.items()]
    call.__name__ = call.__qualname__ = tool.name
    call.__doc__ = "\n".join([tool.description, "", "Args:", *described])
    call.__annotations__ = {name: _TYPES[value["type"]] for name, value in properties.items()}
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=_TYPES[value["type"]],
            default=inspect.Parameter.empty if name in required else None,
        )
        for name, value in properties.items()
    ]
    owner = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    call.__signature__ = inspect.Signature([owner, *parameters])  # type: ignore[attr-defined]  # TRL reads it
    return call


for _tool in TOOLS.values():
    setattr(ToolEnvironment, _tool.name, _method(_tool))
