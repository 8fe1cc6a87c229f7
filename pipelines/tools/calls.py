"""Tool calls as text: written one way, read leniently, carried out.

The text is ``<tool_call>\n{"name": …, "arguments": {…}}\n</tool_call>`` (Hermes style, as Qwen's templates write it).
Models are trained on it: changing it is a new format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from pydantic import ValidationError

from pipelines.tools import TOOLS
from pipelines.tools.tool import CallError, Parameters, Tool
from schemas.ids import Json, canonical

OPEN, CLOSE = "<tool_call>", "</tool_call>"


@dataclass(frozen=True)
class ToolCall:
    """A tool's name and its arguments, in the order of the tool's own parameters when it came from `normal`."""

    tool: str
    arguments: Mapping[str, Json]


def render(tool: str, arguments: Mapping[str, Json]) -> str:
    """The one text of a call: arguments in the tool's declared order (`target_image` last), others by name."""
    declared = _order(TOOLS[tool].parameters) if tool in TOOLS else []
    names = [name for name in declared if name in arguments] + sorted(arguments.keys() - set(declared))
    body = json.dumps({"name": tool, "arguments": {name: arguments[name] for name in names}}, ensure_ascii=False)
    body = body.replace("<", "\\u003c")  # no text inside a call can look like a tag
    return f"{OPEN}\n{body}\n{CLOSE}"


def read(body: str) -> ToolCall | CallError:
    """The call between the tags, well-formed but not yet checked against the tool."""
    try:
        value = json.loads(body, parse_constant=_no_constant)
        if isinstance(value, dict) and isinstance(value.get("arguments"), str):  # OpenAI servers send them as text
            value["arguments"] = json.loads(value["arguments"], parse_constant=_no_constant)
        value = canonical(value)
    except (ValueError, RecursionError):
        return CallError("The tool call is not valid JSON.")
    name = value.get("name") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(name, str) or not name:
        return CallError('A tool call is {"name": …, "arguments": {…}}.')
    arguments = value.get("arguments", {})
    if not isinstance(arguments, Mapping):
        return CallError("The arguments of a tool call are a JSON object.")
    return ToolCall(name, arguments)


def parse(text: str) -> ToolCall | CallError | None:
    """The first call in a model's text, checked and normalised; None where there is no call."""
    start = text.find(OPEN)
    if start < 0:
        return None
    body = text[start + len(OPEN) :].split(CLOSE, 1)[0]
    call = read(body.strip())
    if isinstance(call, CallError):
        return call
    try:
        return normal(call)
    except CallError as error:
        return error


def normal(call: ToolCall) -> ToolCall:
    """The call with its arguments as the tool understands them. Raises `CallError`."""
    _, parameters = _checked(call)
    given = parameters.model_dump(mode="json", exclude_unset=True)
    return ToolCall(call.tool, {name: given[name] for name in _order(type(parameters)) if name in given})


def execute(images: Sequence[Image.Image], call: ToolCall) -> Image.Image:
    """The RGB picture that the call makes of the pictures shown so far. Raises `CallError`; never changes `images`."""
    tool, parameters = _checked(call)
    target = len(images) if parameters.target_image is None else parameters.target_image
    if not 1 <= target <= len(images):
        shown = "there is 1 picture" if len(images) == 1 else f"there are {len(images)} pictures"
        raise CallError(f"target_image {target} does not exist; {shown}.")
    image = images[target - 1]
    return tool.apply(image if image.mode == "RGB" else image.convert("RGB"), parameters)


def schema(tool: Tool) -> dict[str, Json]:
    """The tool as a function schema of the kind that chat templates and OpenAI-compatible servers take."""
    full = tool.parameters.model_json_schema()
    properties: dict[str, Json] = {
        name: {key: value for key, value in full["properties"][name].items() if key not in ("title", "default")}
        for name in _order(tool.parameters)
    }
    parameters: dict[str, Json] = {"type": "object", "properties": properties, "required": full.get("required", [])}
    function: dict[str, Json] = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def _order(parameters: type[Parameters]) -> list[str]:
    """Declared order, the tool's own parameters first and the shared ones (color, target_image) last."""
    names = list(parameters.model_fields)
    shared = [name for name in ("color", "target_image") if name in names]
    return [name for name in names if name not in shared] + shared


def _checked(call: ToolCall) -> tuple[Tool, Parameters]:
    tool = TOOLS.get(call.tool)
    if tool is None:
        raise CallError(f"There is no tool {call.tool[:40]!r}; there are {', '.join(TOOLS)}.")
    try:
        return tool, tool.parameters.model_validate(dict(call.arguments))
    except ValidationError as error:
        wrong = _sentence(tool, error.errors()[0])
    # Raised here, not above: a CallError is kept as a value, and one that remembers a ValidationError would hold every
    # caller's frame, pictures and all, in a cycle that the garbage collector cannot see through.
    raise CallError(wrong)


def _sentence(tool: Tool, error: Mapping[str, Any]) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "missing":
        return f"{tool.name} needs the argument {name}."
    if error["type"] == "extra_forbidden":
        return f"{tool.name} has no argument {name[:40]!r}; it takes {', '.join(_order(tool.parameters))}."
    reason = str(error["ctx"]["error"]) if error["type"] == "value_error" else str(error["msg"])
    return f"{tool.name}: {name + ': ' if name else ''}{reason}."


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
