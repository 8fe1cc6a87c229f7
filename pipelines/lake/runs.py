"""Runs: which key served each stage of each round, and when. Refs: the newest complete run of a recipe.

Runs are the only place, with the tables `cost` and `failures_detail`, that hold clocks.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import quote, unquote

from pipelines.lake import files, leases

RunStatus: TypeAlias = Literal["running", "complete", "partial", "failed"]
"""`partial` is a run that ended well but made only some stages of its recipe: it never becomes the ref."""

NodeStatus: TypeAlias = Literal["planned", "running", "ran", "reused", "failed"]

SILENT_SECONDS = 7 * 24 * 3600.0
"""How long a run of another host counts as live after its last word, for nobody here can see its process."""


@dataclass
class RunNode:
    """One stage of one round; `name` is unique in the run, times are ISO 8601 in UTC."""

    name: str
    round: int
    stage: str
    key: str
    status: NodeStatus = "planned"
    started: str | None = None
    ended: str | None = None
    error: str | None = None


@dataclass
class Run:
    """A run as `_runs/<run_id>.json` tells it; every change is written at once, whole.

    `host`, `pid` and `born` name the process that makes it (`leases.this_process`). `settings` is the recipe, whole;
    runs of older versions have none.
    """

    root: Path
    run_id: str
    recipe: str
    recipe_hash: str
    status: RunStatus = "running"
    started: str = ""
    ended: str | None = None
    host: str = ""
    pid: int = 0
    born: float = 0.0
    nodes: dict[str, RunNode] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def plan(self, name: str, *, round: int, stage: str, key: str) -> None:  # noqa: A002 - the column's name
        """Name a stage that this run will use: from now on gc spares what its key reaches."""
        self._set(RunNode(name, round, stage, key))

    @contextmanager
    def working(self, name: str, key: str, *, reused: bool = False) -> Iterator[None]:
        """Record a planned stage while the block runs it: start, end, and whether it ran, was reused or failed.

        `key` is the key that serves it: a replay's, where there is one.
        """
        node = self.nodes[name]
        node.key, node.started, node.status = key, now(), "running"
        self._set(node)
        try:
            yield
        except BaseException as error:
            node.status, node.error = "failed", f"{type(error).__name__}: {error}"
            raise
        else:
            node.status = "reused" if reused else "ran"
        finally:
            node.ended = now()
            self._set(node)

    def finish(self, status: RunStatus) -> None:
        """End the run; a complete run, and no other, becomes the ref of its recipe."""
        self.status, self.ended = status, now()
        self._write()
        if status == "complete":
            files.replace(ref_path(self.root, self.recipe), json.dumps({"run_id": self.run_id}).encode())

    def _set(self, node: RunNode) -> None:
        with self._lock:
            self.nodes[node.name] = node
        self._write()

    def _write(self) -> None:
        with self._lock:
            value = {name: item for name, item in vars(self).items() if name not in ("root", "nodes", "_lock")}
            value["nodes"] = [vars(node) for node in self.nodes.values()]
            data = json.dumps(value, indent=1, ensure_ascii=False).encode()
            files.replace(_run_path(self.root, self.run_id), data)


def start_run(root: Path, recipe: str, recipe_hash: str, settings: Mapping[str, Any] | None = None) -> Run:
    """Begin a run of a recipe under a fresh id that sorts by its start."""
    run_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"
    host, pid, born = leases.this_process()
    given = dict(settings or {})
    run = Run(root, run_id, recipe, recipe_hash, started=now(), host=host, pid=pid, born=born, settings=given)
    run._write()
    return run


def load_run(root: Path, run_id: str) -> Run:
    """A run as it was last written. Raises `FileNotFoundError`."""
    value: dict[str, Any] = json.loads(_run_path(root, run_id).read_text())
    nodes = {node["name"]: RunNode(**node) for node in value.pop("nodes")}
    return Run(root, nodes=nodes, **value)


def list_runs(root: Path) -> list[Run]:
    """All runs, oldest first."""
    return [load_run(root, path.stem) for path in sorted((root / "_runs").glob("*.json"))]


class NoRun(LookupError):
    """No run, or more than one, is called so; the message lists what there is."""


def named(root: Path, name: str) -> Run:
    """The run of an id, of the first characters of one, or of a ref: `latest` is the newest complete run, the name of a
    recipe the newest complete run of it. Raises `NoRun`.
    """
    found, current = list_runs(root), refs(root)
    if name == "latest":
        found = [run for run in found if run.run_id in current.values()][-1:]
    elif name in current:
        found = [load_run(root, current[name])]
    else:
        found = [run for run in found if run.run_id == name] or [run for run in found if run.run_id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise NoRun(f"{name}: several runs start so: {', '.join(run.run_id for run in found[:6])}")
    known = ", ".join([*current, *reversed([run.run_id for run in list_runs(root)][-6:])])
    raise NoRun(f"{name}: no run is called so; known: {known or 'none, for this lake has not one'}")


def is_live(run: Run) -> bool:
    """Whether somebody is making this run now."""
    if run.status != "running":
        return False
    alive = leases.is_alive(run.host, run.pid, run.born)
    if alive is None:
        return _run_path(run.root, run.run_id).stat().st_mtime > time.time() - SILENT_SECONDS
    return alive


def refs(root: Path) -> dict[str, str]:
    """recipe name → id of its newest complete run."""
    found: dict[str, str] = {}
    for path in sorted((root / "_refs").glob("*.json")):
        run_id = json.loads(path.read_text())["run_id"]
        found[unquote(path.stem)] = run_id
    return found


def newest(root: Path, recipe: str) -> Run | None:
    """The newest complete run of a recipe."""
    try:
        return load_run(root, json.loads(ref_path(root, recipe).read_text())["run_id"])
    except FileNotFoundError:
        return None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _run_path(root: Path, run_id: str) -> Path:
    return root / "_runs" / f"{run_id}.json"


def ref_path(root: Path, recipe: str) -> Path:
    """The file that names the newest complete run of a recipe; it changes when the ref moves."""
    return root / "_refs" / f"{quote(recipe, safe='')}.json"
