"""The contract of a stage: what a job file declares, how it is called, and what its function may ask of the lake.

A job is one file that ends with `STAGE = Stage(...)`; `pipelines.runner.run_stage(lake, StageCall(STAGE, ...))` runs
it. `run` is pure: it sees rows as plain dicts, its frozen parameters and a `Context`, and knows nothing of Beam,
Prefect or the disk.

    map     (row, parameters, ctx) -> Keep | Drop | Fail
    expand  (row, parameters, ctx) -> Expansion | Drop | Fail
    ask     (row, parameters, ctx) -> generator that yields list[Request], is sent list[Result] in the same order,
            and returns Keep | Drop | Fail
    whole   (tables, parameters, ctx) -> iterable of (input id, Keep | Drop | Fail), each input id once;
            tables['input'] is the result of `sql`, tables[<table>] what the upstream stages left (read when asked for)

An exception in `run` costs its own row only: it becomes `Fail(kind='exception:<Type>')` (in a whole stage, which has
no rows to blame, it ends the stage).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pyarrow as pa
from PIL import Image
from pydantic import BaseModel

from pipelines.lake import Lake
from pipelines.lake.decode import decode
from pipelines.lake.images import PictureStore, picture_of
from pipelines.near import perceptual_hash
from schemas.arrow import TABLES
from schemas.ids import content_id
from schemas.outcome import Row
from schemas.requests import Worker, WorkerIdentity

Kind: TypeAlias = Literal["map", "expand", "ask", "whole"]
ImageLoader: TypeAlias = Callable[[str], Image.Image]
"""image id → RGB pixels; also finds pictures that the running part has stored but not yet written."""

ENGINE_TABLES = frozenset({"images", "rejects", "failures", "failures_detail", "lineage", "cost"})
"""What every stage may write beside its own tables; all but `lineage` come from the engine."""


@dataclass(frozen=True)
class Stage:
    """One job. Input rows come from `sql` over the tables of the upstream stages, or from `source(parameters)`.

    A source of many rows returns a reader of batches, which are sorted on disk. `$name` in `sql` is bound to the
    parameter of that name. Rows are sorted by `id_column`, whose values must be distinct and not null: a repeated id is
    an error. `table` receives the rows of `Keep`; `side_tables` are what `also` may name beside the engine's own. In an
    expand stage each `Child.child_id` is distinct in the whole stage.
    """

    name: str
    version: int
    kind: Kind
    parameters: type[BaseModel]
    id_column: str
    table: str
    run: Callable[..., Any]
    sql: str = ""
    source: Callable[[Any], Iterable[Row] | pa.RecordBatchReader] | None = None
    side_tables: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = [name for name in (self.table, *self.side_tables) if name not in TABLES]
        if unknown:
            raise ValueError(f"stage {self.name}: no table is called {unknown[0]!r}")
        if bool(self.sql) == (self.source is not None):
            raise ValueError(f"stage {self.name}: give either sql or source")


@dataclass(frozen=True)
class WorkerSpec:
    """A worker to be made once in each process that runs parts.

    `connect(load_image, load_bytes)` makes it, of loaders of pixels and of original files by image id; it must be
    picklable (`functools.partial(pipelines.workers.connect, spec)`).
    `identity` is known beforehand, because the stage key holds it; a worker that turns out to be another is refused.
    """

    identity: WorkerIdentity
    connect: Callable[[ImageLoader, Callable[[str], bytes]], Worker]


@dataclass(frozen=True)
class StageCall:
    """A stage with everything that decides its result, and with how its work is cut.

    `inputs` are keys of upstream stages. `versions` name renderers where the stage draws ({"pillow": "12.3.0"}).
    The rest is not part of the key: `part_rows` (rows per part; a whole stage has one part), `wave_rows` (rows per
    wave of a worker that answers in waves), `concurrency` (rows of a part in flight at a server), `max_failed` (share).
    """

    stage: Stage
    parameters: BaseModel
    inputs: tuple[str, ...] = ()
    worker: WorkerSpec | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    part_rows: int = 256
    wave_rows: int = 64
    concurrency: int = 128
    max_failed: float = 0.01

    @property
    def key(self) -> str:
        """The stage key: 32 hexadecimal characters."""
        identity = self.worker.identity if self.worker else None
        return stage_key(self.stage, self.parameters, self.inputs, identity, self.versions)


def stage_key(
    stage: Stage,
    parameters: BaseModel,
    inputs: Iterable[str] = (),
    worker: WorkerIdentity | None = None,
    versions: Mapping[str, str] | None = None,
) -> str:
    """The key of a stage: of its name, version, parameters, input keys, worker identity and renderer versions.

    Keys chain keys, never outputs, so what will run is known beforehand. How rows are cut into parts and waves is no
    part of it: changing that re-runs nothing (docs/decisions.md).
    """
    return content_id(
        "stage",
        [
            stage.name,
            stage.version,
            parameters.model_dump(mode="json"),
            list(inputs),
            worker.as_json() if worker else None,
            dict(versions or {}),
        ],
    )


@dataclass(frozen=True)
class Paths:
    """Folders for stages that make files. `artifact` becomes `lake/artifacts/key=<key>` when the stage commits.

    `scratch` survives a kill, so that training can go on from a checkpoint; it is removed when the stage commits.
    `final` is where the artifact will stand, relative to the lake: what a row should say.
    """

    lake: Path
    scratch: Path
    artifact: Path
    final: str


class Context:
    """What a stage's function may ask for while it works on one row."""

    def __init__(self, lake: Lake, key: str, worker: Worker | None, paths: Paths, owner: object, pack: str) -> None:
        self.key = key
        """The key of the running stage: the name of a policy that it trains."""
        self.paths = paths
        self.stored: list[Row] = []
        self._lake, self._worker, self._owner, self._pack = lake, worker, owner, pack

    @property
    def worker(self) -> Worker:
        """The worker of this call. Raises `RuntimeError` when the call has none."""
        if self._worker is None:
            raise RuntimeError("this stage was called without a worker")
        return self._worker

    @property
    def has_worker(self) -> bool:
        """Whether this call has a worker: a stage may know how to do without."""
        return self._worker is not None

    @property
    def _pictures(self) -> PictureStore:
        return self._lake.pictures

    def image(self, image_id: str) -> Image.Image:
        """RGB pixels of a picture. Raises `pipelines.lake.MissingPicture`."""
        return self._pictures.image(image_id)

    def image_bytes(self, image_id: str) -> bytes:
        """The stored file of a picture. Raises `pipelines.lake.MissingPicture`."""
        return self._pictures.data(image_id)

    def show(self, image: Image.Image) -> str:
        """Let the worker see a picture without storing it; returns its id. What a tool made can be made again."""
        return self._pictures.show(self._owner, image)

    def store(
        self,
        image: Image.Image | bytes,
        *,
        origin: str,
        license: str,  # noqa: A002 - the column's name
        data: bytes | None = None,
        path: str = "",
    ) -> Row:
        """Put a picture into the lake; returns its row of table `images`, which the engine writes for you.

        Give pixels (stored as PNG), or file bytes (stored as they are), or both to spare decoding (`image` pixels
        and `data` the bytes they came from). Storing a picture twice stores it once.
        """
        if isinstance(image, bytes):
            data, image = image, decode(image)
        picture = picture_of(image, data)
        row: Row = {
            "image_id": picture.image_id,
            "bytes_sha": picture.sha,
            "phash": perceptual_hash(image),  # now, while the pixels are there: who needs it later need not decode
            "width": picture.width,
            "height": picture.height,
            "format": picture.format,
            "origin": origin,
            "path": path,
            "license": license,
            "pack": self._pack,
        }
        self._pictures.hold(self._owner, picture)
        self.stored.append(row)
        return row
