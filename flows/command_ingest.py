"""The command that brings real data into a lake, and shows beforehand what it would make of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import console

if TYPE_CHECKING:
    from pipelines.sources import Source


def ingest(
    source: Annotated[str, typer.Argument(help="A folder or file; with --format datasets also a name on the hub.")],
    lake: Annotated[Path, typer.Option("--lake", help="The lake's folder.")] = Path("lake"),
    preview: Annotated[
        bool, typer.Option("--preview", help="Say what would be made of it, and write nothing.")
    ] = False,
    rows: Annotated[int, typer.Option(min=1, help="How many records a preview reads whole.")] = 1000,
    name: Annotated[str | None, typer.Option(help="Name of the source; the folder's name by default.")] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="How rows are stored, if looking does not tell.")
    ] = None,
    convention: Annotated[str | None, typer.Option(help="What columns mean, if looking does not tell.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="Our field and the source's name for it: question=query. Repeatable.")
    ] = None,
    license_: Annotated[str, typer.Option("--license", help="Licence of rows that state none.")] = "unknown",
    revision: Annotated[str | None, typer.Option(help="Which state of the data this is; a commit on the hub.")] = None,
    config: Annotated[str | None, typer.Option(help="Configuration of a dataset.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split of a dataset.")] = None,
    images: Annotated[str, typer.Option(help="Folder of the pictures inside the source, if paths start there.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Read only the first so many records.")] = None,
    fraction: Annotated[float | None, typer.Option(min=0, max=1, help="Take this share of the records.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Take so many of the records.")] = None,
    seed: Annotated[int, typer.Option(help="Of --fraction and --count.")] = 0,
    max_failed: Annotated[
        float, typer.Option(min=0, max=1, help="The share of records that may fail; more, and nothing is ingested.")
    ] = 1.0,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes that share the work; worth it from 1,000 pictures on.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Bring real data into a lake, by itself. Records that cannot be read are listed; exits 1 when none can be.

    Example: `evolens ingest examples/photographs --lake lake`, with `--preview` first
    """
    from pipelines.sources import Source, fingerprint

    written = Path(source).expanduser()
    path = written if format_ == "datasets" and not written.exists() else written.resolve()
    settings = Source(
        name=name or path.stem,
        path=path,
        fingerprint="" if preview else fingerprint(path, images=images, format=format_, revision=revision),
        format=format_,
        convention=convention,
        license=license_,
        revision=revision,
        config=config,
        split=split,
        images=images,
        columns=_columns(column or []),
        limit=limit,
        fraction=fraction or None,
        count=count,
        seed=seed,
    )
    if preview:
        _show(settings, rows, as_json)
    else:
        _ingest(settings, lake, max_failed, processes, as_json)


def _columns(written: list[str]) -> dict[str, str]:
    pairs = [item.partition("=") for item in written]
    wrong = next((item for item, pair in zip(written, pairs, strict=True) if not (pair[0] and pair[2])), None)
    if wrong is not None:
        raise typer.BadParameter(f"--column {wrong!r}: write our field, `=`, and the source's name: question=query")
    return {ours: theirs for ours, _, theirs in pairs}


def _ingest(source: Source, lake: Path, max_failed: float, processes: int, as_json: bool) -> None:
    from flows.running import ingest_source

    made = ingest_source(source, lake, max_failed, processes)
    if as_json:
        console.print_json(made.as_json())
    else:
        made.print()
    if made.unreadable:
        console.fail(f"{source.path}: not one of its {made.manifest.counts.read} records could be read")
        raise typer.Exit(1)


def _show(source: Source, rows: int, as_json: bool) -> None:
    from flows.preview import preview

    found = preview(source, rows)
    if as_json:
        console.print_json(found)
        return
    console.out.print(f"[bold]{found['format']}[/bold]: {found['format_says']}, {len(found['files'])} file(s)")
    console.out.print(f"[bold]{found['convention']}[/bold]: {found['convention_says']}\n")
    console.table("Columns", found["columns"])
    console.table("First questions and captions", found["examples"])
    counts = found["counts"]
    more = "; there are more" if found["more"] else ", which are all"
    console.out.print(
        f"Of {counts['records']} records{more}: {counts['questions']} questions and {counts['captions']} captions, of "
        f"{counts['pictures']} pictures; {counts['refused']} would be refused."
    )
    console.table("Refused", found["refused"]) if found["refused"] else None
    for warning in found["warnings"]:
        console.err.print(f"  {warning}", markup=False)
    console.out.print("Nothing was written.")
