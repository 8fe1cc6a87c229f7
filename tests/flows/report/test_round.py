"""The report of a whole real round: every stage is in it, every tool picture of the gallery is made again and equal."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from flows.report.gallery import gallery
from flows.report.page import write_report
from flows.report.source import open_run
from pipelines.lake import Lake


def test_a_real_round_is_told_whole(finished: tuple[Path, Path], tmp_path: Path) -> None:
    lake = Lake(finished[1])
    text = write_report(lake, tmp_path / "report.html").read_text()
    with duckdb.connect(str(lake.root / "catalog.duckdb"), read_only=True) as catalog:
        nodes = [name for (name,) in catalog.execute("SELECT node FROM runs").fetchall()]
        counts = {
            label: catalog.execute(f"SELECT count(*) FROM {view}").fetchone()
            for label, view in {"samples": "samples", "pictures": "images", "turned away": "rejects"}.items()
        }
    assert all(f">{name.split('/')[-1]}</th>" in text for name in nodes)
    tiles = dict(re.findall(r"<dt>([\w ]+)</dt><dd>([\d,]+)</dd></div>", text))
    assert {label: (int(tiles[label].replace(",", "")),) for label in counts} == counts
    sections = dict(re.findall(r'<section id="(\w+)">(.*?)\n</section>', text, re.DOTALL))
    for name in ("funnel", "difficulty", "accuracy", "training", "cost"):
        assert "<svg" in sections[name], name
    with open_run(lake) as source:
        frames = [frame for item in gallery(source) for trace in item.traces for frame in trace["frames"]]
    made = [frame for frame in frames if frame.made]
    assert made
    assert all(frame.proven for frame in made)
