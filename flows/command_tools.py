"""Commands about the tools that a policy may call: tools list, tools serve."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows import console
from flows.command_run import AsJson

tools_app = typer.Typer(no_args_is_help=True, help="The tools that a policy may call on pictures.")


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(tools_app, name="tools")


@tools_app.command(name="list")
def list_tools(as_json: AsJson = False) -> None:
    """Show every tool with its arguments; `--json` gives the function schemas that models are told.

    Example: `evolens tools list`
    """
    from pipelines.tools import OFFERED, TOOLS
    from pipelines.tools.calls import schema

    schemas: list[Any] = [schema(tool) for tool in TOOLS.values()]
    if as_json:
        console.print_json(schemas)
        return
    rows: list[dict[str, str]] = []
    for told in (each["function"] for each in schemas):
        apart = "" if told["name"] in OFFERED else " Only where a recipe names it."
        rows.append({"tool": told["name"], "argument": "", "what": told["description"] + apart})
        for name, argument in told["parameters"]["properties"].items():
            optional = "" if name in told["parameters"]["required"] else " (may be left out)"
            rows.append({"tool": "", "argument": name + optional, "what": argument["description"]})
    console.table(f"{len(TOOLS)} tools", rows)


@tools_app.command(name="serve")
def serve_tools(
    host: Annotated[str, typer.Option(help="Where to listen; this machine alone by default.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8801,
    trajectories: Annotated[int, typer.Option(min=1, help="Most trajectories open at once.")] = 1024,
    memory: Annotated[int, typer.Option(min=1, help="Most MiB of pictures held.")] = 4096,
    request: Annotated[int, typer.Option(min=1, help="Most MiB of one request.")] = 64,
    images: Annotated[int, typer.Option(min=1, help="Most pictures in one trajectory.")] = 32,
    idle: Annotated[float, typer.Option(min=0.1, help="Seconds after which an unused trajectory is released.")] = 600.0,
    python: Annotated[bool, typer.Option("--python", help="Offer `python` as well: programs, in the sandbox.")] = False,
) -> None:
    """Serve the tools over HTTP, for rollouts on other machines: docs/tools.md has the protocol.

    It asks for no password: listen to other machines (`--host 0.0.0.0`) only in a network that you trust.
    Example: `evolens tools serve --port 8801 --idle 120`
    """
    from pipelines.tools import OFFERED
    from pipelines.tools.remote.server import Bounds, listen, serve

    tools = (*OFFERED, "python") if python else OFFERED
    where = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    console.out.print(f"tool server: http://{shown}:{where.getsockname()[1]}", markup=False)
    serve(Bounds(trajectories, memory, request, images, idle, tools), where)
