"""One sample and everything the lake knows of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from flows import console

if TYPE_CHECKING:
    import duckdb

TABLES = (
    "samples",
    "traces",
    "checks",
    "difficulty",
    "necessity",
    "influence",
    "clusters",
    "curated",
    "injections",
    "rewards",
)
"""Tables that name a sample, in the order in which they are shown."""


class NoSample(LookupError):
    """No sample, or more than one, has an id that starts so."""


@dataclass(frozen=True)
class SampleView:
    """Rows of `TABLES` for one sample, over every run that the catalog shows."""

    sample_id: str
    tables: dict[str, list[dict[str, Any]]]

    @staticmethod
    def find(connection: duckdb.DuckDBPyConnection, prefix: str) -> SampleView:
        """Raises `NoSample` unless exactly one sample id starts with `prefix`."""
        found = connection.execute(
            "SELECT DISTINCT sample_id FROM samples WHERE starts_with(sample_id, ?) ORDER BY 1 LIMIT 6",
            [prefix.lower()],
        ).fetchall()
        if len(found) != 1:
            near = ": " + ", ".join(row[0][:12] for row in found) if found else ""
            raise NoSample(f"{prefix}: {'several samples' if found else 'no sample'} of the catalog start so{near}")
        sample_id = found[0][0]
        tables = {}
        for name in TABLES:
            result = connection.execute(f"SELECT * FROM {name} WHERE sample_id = ?", [sample_id])
            names = [column[0] for column in result.description or ()]
            tables[name] = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        return SampleView(sample_id, tables)

    def print(self) -> None:
        """Print question, traces and measurements."""
        sample = self.tables["samples"][0]
        write = console.out.print
        write(f"[bold]{self.sample_id}[/bold]  {sample['task']} · {sample['relation']} · dial {sample['dial']}")
        write(f"  question  {escape(sample['question'])}")
        if sample["options"]:
            write(f"  options   {escape(', '.join(sample['options']))}")
        write(f"  answer    {escape(str(json.loads(sample['answer'])))}  ({sample['answer_type']})")
        write(f"  pictures  {', '.join(sample['image_ids'])}")
        write(f"  license   {sample['license']}   source {sample['source']}\n")
        for trace in self.tables["traces"]:
            write(f"trace {trace['trace_id'][:12]} ({trace['origin']})")
            wrong, shared = trace["wrong_steps"] or 0, trace.get("shared_steps") or 0
            for number, step in enumerate(trace["steps"]):
                if wrong and number in (shared, wrong):
                    write("  [dim]the wrong attempt[/dim]" if number == shared else "  [dim]taken back[/dim]")
                said = step["text"] or step["image_id"] or ""
                call = f"{step['tool']} {step['arguments']}" if step["tool"] else ""
                write(f"  {step['kind']:<12}{escape(call or said)}")
            write()
        for name in TABLES[2:]:
            if self.tables[name]:
                rows = [SHORTER.get(name, dict)(row) for row in self.tables[name]]
                hidden = {"sample_id", "run_id", "completion"}
                hidden |= {column for column in rows[0] if all(row[column] is None for row in rows)}
                console.table(name, [{k: v for k, v in row.items() if k not in hidden} for row in rows])

    def write_pictures(self, lake: Path, folder: Path) -> list[Path]:
        """Write the sample's pictures, and what the tools of each trace returned, as PNG files."""
        from pipelines.lake import Lake
        from pipelines.tools.replay import replay

        folder.mkdir(parents=True, exist_ok=True)
        images = [Lake(lake).image(name) for name in self.tables["samples"][0]["image_ids"]]
        made = [(f"{number}", image) for number, image in enumerate(images, 1)]
        for trace in self.tables["traces"]:
            shown = replay(images, trace["steps"]).images[len(images) :]
            made += [(f"{trace['trace_id'][:8]}-{number}", image) for number, image in enumerate(shown, 1)]
        paths = []
        for name, image in made:
            path = folder / f"{self.sample_id[:12]}-{name}.png"
            image.save(path)
            paths.append(path)
        return paths


def needed(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `necessity` with each side in one column: right of asked, and the interval."""
    sides = {
        side: f"{row[f'{side}_k']} of {row[f'{side}_n']} ({row[f'{side}_low']:.2f} to {row[f'{side}_high']:.2f})"
        for side in ("original", "edited")
    }
    return {name: row[name] for name in ("policy", "origin")} | sides | {"needs_interaction": row["needs_interaction"]}


def measured(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `difficulty` with right of asked and the interval in one column, and when it was solved in another."""
    from flows.report.bands import solved, suspected

    right = f"{row['k']} of {row['n']} ({row['low']:.2f} to {row['high']:.2f})" if row["n"] else None
    told = {"policy": row["policy"], "right": right, "solved": solved(row), "suspicion": suspected(row) or None}
    rates = ("zero_variance", "blind_rate", "wrong_image_rate", "blurred_rate", "shuffled_rate", "curriculum", "tokens")
    return told | {name: row[name] for name in rates}


SHORTER = {"necessity": needed, "difficulty": measured}
"""Tables of many columns, of which people see fewer."""
