"""Tool calls as text: written one way, read leniently, carried out.

The text is ``<tool_call>\n{"name": …, "arguments": {…}}\n</tool_call>`` (Hermes style, as Qwen's templates write it).
Models are trained on it: changing it is a new format.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from pipelines.tools import OFFERED, TOOLS
from pipelines.tools.tool import Arguments, CallError, Seen, Shown, Tool
from schemas.ids import Json, canonical

OPEN, CLOSE = "<tool_call>", "</tool_call>"
SHARED = ("color", "target_image")
_FENCE = re.compile(r"^```(?:json)?\s*(.*?)\s*```$", re.DOTALL)


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
    fenced = _FENCE.match(body.strip())
    try:
        value = json.loads(fenced.group(1) if fenced else body, parse_constant=_no_constant)
        if isinstance(value, dict) and isinstance(value.get("function"), dict):  # OpenAI's own form
            value = value["function"]
        if isinstance(value, dict) and "arguments" not in value and "parameters" in value:  # as Llama writes it
            value["arguments"] = value["parameters"]
        if isinstance(value, dict) and isinstance(value.get("arguments"), str):  # OpenAI servers send them as text
            value["arguments"] = json.loads(value["arguments"], parse_constant=_no_constant)
        value = canonical(value)
    except (ValueError, RecursionError):
        return CallError("The tool call is not valid JSON.")  # json's own words differ between versions of Python
    name = value.get("name") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(name, str) or not name:
        return CallError('A tool call is {"name": …, "arguments": {…}}.')
    arguments = value.get("arguments")
    if arguments is not None and not isinstance(arguments, Mapping):
        return CallError("The arguments of a tool call are a JSON object.")
    return ToolCall(name, arguments or {})


def normal(call: ToolCall) -> ToolCall:
    """The call with its arguments as the tool understands them. Raises `CallError`."""
    _, arguments = _checked(call, TOOLS)
    given = arguments.model_dump(mode="json", exclude_unset=True)
    return ToolCall(call.tool, {name: given[name] for name in _order(type(arguments)) if name in given})


def execute(shown: Shown, call: ToolCall, tools: Iterable[str] = OFFERED) -> Seen:
    """What the call lets the model see; `tools` names those that it may call. Raises `CallError`."""
    tool, arguments = _checked(call, tools)
    return tool.apply(shown, arguments)


def no_tool(name: str) -> str:
    """How the sentence begins that says that a tool does not exist, or is not offered."""
    return f"There is no tool {name[:40]!r};"


def schema(tool: Tool) -> dict[str, Json]:
    """The tool as a function schema of the kind that chat templates and OpenAI-compatible servers take."""
    full = tool.parameters.model_json_schema()
    properties: dict[str, Json] = {name: _plain(full["properties"][name]) for name in _order(tool.parameters)}
    parameters: dict[str, Json] = {"type": "object", "properties": properties, "required": full.get("required", [])}
    function: dict[str, Json] = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def _plain(field: Mapping[str, Any]) -> dict[str, Json]:
    """The schema of one argument without what a model need not know: titles, defaults, that it may be null."""
    (first, *_) = field.get("anyOf", [{}])
    return {key: value for key, value in {**first, **field}.items() if key not in ("title", "default", "anyOf")}


def _order(arguments: type[Arguments]) -> list[str]:
    """Declared order, the tool's own arguments first and the shared ones last."""
    names = list(arguments.model_fields)
    shared = [name for name in SHARED if name in names]
    return [name for name in names if name not in shared] + shared


def _checked(call: ToolCall, tools: Iterable[str]) -> tuple[Tool, Arguments]:
    known = list(tools)
    if call.tool not in known:
        raise CallError(f"{no_tool(call.tool)} {_nearest(call.tool, known, 'there are')}")
    tool = TOOLS[call.tool]
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
        known = _order(tool.parameters)
        return f"{tool.name} has no argument {name[:40]!r}; {_nearest(name, known, 'it takes')}"
    reason = str(error["ctx"]["error"]) if error["type"] == "value_error" else str(error["msg"])
    return f"{tool.name}: {name + ': ' if name else ''}{reason}."


def _nearest(word: str, known: list[str], otherwise: str) -> str:
    near = difflib.get_close_matches(word.lower()[:40], known, n=1)
    return f"did you mean {near[0]}?" if near else f"{otherwise} {', '.join(known) or 'none'}."


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
