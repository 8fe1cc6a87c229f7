"""The tool loop as TRL sees it: an environment per rollout, whose public methods are the tools.

The methods are made from `pipelines.tools.TOOLS`, and `pipelines.tools.environment` carries them out: the same
arguments, pixels and sentences as in every other rollout.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import uuid4

from PIL import Image

from pipelines.tools import OFFERED, TOOLS, Tool
from pipelines.tools.calls import ToolCall, schema
from pipelines.tools.environment import Environment, LocalEnvironment, Rules

Observation: TypeAlias = list[dict[str, Any]]
"""The content of a tool turn: a picture, a text, or both."""

_TYPES: dict[str, Any] = {"integer": int, "number": float, "string": str}


class ToolEnvironment:
    """One rollout. TRL calls `reset` with a dataset row, then a tool method per call of the model.

    TRL counts the turns. `environment` carries the tools out: in this process by default, or at a tool server.
    """

    def __init__(
        self, max_images: int = 4, tools: Sequence[str] = OFFERED, environment: Environment | None = None
    ) -> None:
        self._rules = Rules(images=max_images, tools=tuple(tools))
        self._environment = environment or LocalEnvironment()
        self._trajectory = f"trl:{uuid4()}"

    def reset(self, images: Sequence[Image.Image] = (), **_row: Any) -> None:
        """Forget the last rollout and show the row's own pictures."""
        self._environment.reset(self._trajectory, [image.convert("RGB") for image in images], self._rules)

    def _do(self, tool: str, arguments: Mapping[str, Any]) -> Observation:
        seen = self._environment.step(self._trajectory, ToolCall(tool, arguments)).seen
        assert seen is not None  # a call always shows something
        picture = [] if seen.image is None else [{"type": "image", "image": seen.image}]
        return picture if seen.text is None else [*picture, {"type": "text", "text": seen.text}]


class ByName(dict[str, Callable[..., Observation]]):
    """The tools of a rollout as TRL looks them up; one that there is not is answered by our sentence, not by TRL's."""

    def __init__(self, known: Mapping[str, Callable[..., Observation]], rollout: ToolEnvironment) -> None:
        super().__init__(known)
        self._rollout = rollout

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __missing__(self, name: str) -> Callable[..., Observation]:
        return lambda **arguments: self._rollout._do(name, arguments)


def offering(tools: Sequence[str]) -> type[ToolEnvironment]:
    """The environment whose public methods are the tools of these names."""
    return type("ToolEnvironment", (ToolEnvironment,), {name: _method(TOOLS[name]) for name in tools})


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
    call.__annotations__ = {name: _type(value) for name, value in properties.items()}
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=_type(value),
            default=inspect.Parameter.empty if name in required else None,
        )
        for name, value in properties.items()
    ]
    owner = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    call.__signature__ = inspect.Signature([owner, *parameters])  # type: ignore[attr-defined]  # TRL reads it
    return call


def _type(value: Mapping[str, Any]) -> Any:
    """The Python type of a JSON schema."""
    # A type made at run time: for TRL to read, not for mypy.
    return list[_type(value["items"])] if value["type"] == "array" else _TYPES[value["type"]]  # type: ignore[misc]
