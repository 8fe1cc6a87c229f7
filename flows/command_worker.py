"""Commands for the models that answer: worker start, worker status, worker bench."""

from __future__ import annotations

import re
import time
import urllib.request
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from flows import console
from flows.command_run import AsJson

if TYPE_CHECKING:
    from pipelines.workers import WorkerSpec
    from pipelines.workers.supervise import State

Options = Annotated[
    list[str] | None, typer.Option("--option", help="An option of the worker: max_context=8192. Repeatable.")
]
Revision = Annotated[str | None, typer.Option(help="The revision of a model on the Hub.")]
_LOADS = {"running": "vllm:num_requests_running", "waiting": "vllm:num_requests_waiting"}


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    group = typer.Typer(help="The models that answer: servers of ours, and how fast they are.", no_args_is_help=True)
    group.command()(start)
    group.command()(status)
    group.command()(bench)
    app.add_typer(group, name="worker")


def start(
    url: Annotated[str, typer.Argument(help="vllm:MODEL: a folder, seedling, or a name on the Hub.")],
    options: Options = None,
    revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Start a vLLM server, look after it, and say how recipes name it; it ends with this command (Ctrl-C).

    Example: `evolens worker start vllm:Qwen/Qwen3-VL-8B-Instruct --option max_context=16384`
    """
    from pipelines.workers.slots import stop
    from pipelines.workers.vllm import VLLMWorker

    if not url.startswith("vllm:"):
        raise ValueError(f"only a vllm: worker is started; {url!r} is not one")
    worker = VLLMWorker.open(_spec(url, options, revision), _no_pictures)
    console.err.print(f"[dim]starting {worker.slot.order.name}; its log is {worker.slot.log}[/dim]")
    try:
        state = worker.slot.enter()
        named = {"url": f"openai:{state.address}", "model": state.order.name, "revision": worker.identity.weights}
        if as_json:
            console.print_json({**_told(state), **named})
        else:
            console.out.print(f"{state.order.name} answers at {state.address}. In a recipe:")
            for name, value in named.items():
                console.out.print(f"  {name}: {value}" if value else f"  {name}: (say what pins it)")
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.err.print("[dim]ending the server[/dim]")
    finally:
        stop(worker.slot.folder)


def status(as_json: AsJson = False) -> None:
    """Say which servers of ours run on this machine, since when, and how much they have to do.

    Example: `evolens worker status --json`
    """
    from pipelines.workers.slots import running

    found = [_told(state) | {"log": str(folder / "server.log")} for folder, state in running()]
    if as_json:
        console.print_json(found)
    elif found:
        console.table("Servers", found)
    else:
        console.out.print("No server of ours runs on this machine.")


def bench(
    url: Annotated[str, typer.Argument(help="Any worker: local:seedling, vllm:MODEL, openai:http://host:8000/v1.")],
    requests: Annotated[int, typer.Option(min=1, help="How many are asked, all at once.")] = 500,
    median_tokens: Annotated[int, typer.Option(min=4, help="The median length of the answers; some are long.")] = 32,
    options: Options = None,
    revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Ask a worker many questions with pictures, and say how fast it answers; the request cache is left aside.

    Example: `evolens worker bench vllm:seedling --requests 1000`
    """
    from dataclasses import asdict

    from pipelines.workers import connect
    from pipelines.workers.bench import Drawn, pace

    spec = _spec(url, options, revision, cache="off")
    drawn, warm = Drawn(requests, median=median_tokens), Drawn(8, seed=1, median=8)
    worker = connect(spec, (drawn.pictures | warm.pictures).__getitem__)
    pace(worker.answer, warm.requests)  # a server of ours is started, a model reads its weights
    found = pace(worker.answer, drawn.requests)
    row: dict[str, Any] = {
        "worker": worker.identity.name,
        **asdict(found),
        "requests_per_second": found.requests_per_second,
        "tokens_per_second": found.tokens_per_second,
    }
    if as_json:
        console.print_json(row)
    else:
        console.table(f"{requests} requests at once", [row])
    if found.failed:
        raise typer.Exit(1)


def _spec(url: str, options: list[str] | None, revision: str | None, **more: str) -> WorkerSpec:
    from pipelines.workers import WorkerSpec
    from pipelines.workers.identity import OPTIONS

    given: dict[str, Any] = {}
    for option in options or ():
        name, equals, value = option.partition("=")
        if not equals:
            raise ValueError(f"--option takes NAME=VALUE, not {option!r}")
        given[name] = yaml.safe_load(value)
    known = OPTIONS.get(url.partition(":")[0], frozenset())
    given |= {name: value for name, value in more.items() if name in known}
    return WorkerSpec(url, revision, tuple(sorted(given.items())))


def _told(state: State) -> dict[str, Any]:
    server = state.server[0] if state.server else None
    seen = {"model": state.order.name, "state": state.phase, "address": state.address, "life": state.life}
    pids = {"server": server, "run": state.order.owner[0], "seconds": round(time.time() - state.since)}
    return {**seen, **pids, **(_load(state) if state.phase == "ready" else loads(""))}


def _load(state: State) -> dict[str, int | None]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{state.port}/metrics", timeout=5) as answer:
            return loads(answer.read().decode())
    except OSError:
        return loads("")


def loads(metrics: str) -> dict[str, int | None]:
    """How many requests a server holds, by its own word; None where it does not say."""
    found = (
        (name, re.search(rf"^{metric}(?:{{.*}})? (\S+)$", metrics, re.MULTILINE)) for name, metric in _LOADS.items()
    )
    return {name: int(float(each[1])) if each else None for name, each in found}


def _no_pictures(key: str) -> Any:
    raise KeyError(key)
